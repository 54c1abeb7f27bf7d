//! What a probe needs of whatever computes the ops.

use std::ops::Range;

use crate::model::error::ModelError;
use crate::model::plan::{AttentionOp, BufferId, Plan, TensorId};

/// A pass of one row that stops where it is told to.
pub(crate) trait Dissected {
    /// What it runs.
    fn plan(&self) -> &Plan;

    /// Runs some of the plan's ops.
    fn run(&mut self, ops: Range<usize>) -> Result<(), ModelError>;

    /// What a buffer holds for the row.
    fn read(&mut self, buffer: BufferId) -> Result<Vec<f32>, ModelError>;

    /// For each head the scores before the softmax of the positions that the row sees. The attention has run.
    fn scores(&mut self, op: &AttentionOp) -> Result<Vec<Vec<f32>>, ModelError>;

    /// The elements of a vector.
    fn vector(&mut self, tensor: TensorId) -> Result<Vec<f32>, ModelError>;

    /// A row of a matrix whose rows are as long as the residual stream's. The layers have run.
    fn matrix_row(&mut self, tensor: TensorId, row: u32) -> Result<Vec<f32>, ModelError>;

    /// Runs ops that make logits of the rows in a buffer, for these rows, and gives the logits of each.
    fn logits(
        &mut self,
        buffer: BufferId,
        rows: &[&[f32]],
        ops: Range<usize>,
    ) -> Result<Vec<Vec<f32>>, ModelError>;
}
