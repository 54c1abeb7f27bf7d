//! How many rows a pass may have, and so how large its buffers are: for the estimate and for the allocation.

use crate::gpu::weights::row_bytes;
use crate::model::plan::{BufferSpec, Plan, RowSet};

/// Most rows of one pass.
const MOST_ROWS: usize = 512;
/// Bytes that a buffer of logits may take; more rows than fit are computed in several goes.
const LOGITS_BYTES: u64 = 16 << 20;

/// How many rows the activation buffers have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub batch: usize,
    pub outputs: usize,
}

impl Rows {
    /// For a plan and a context of so many positions.
    pub(crate) fn of(plan: &Plan, context: usize) -> Self {
        let batch = MOST_ROWS.min(context);
        let outputs = LOGITS_BYTES / row_bytes(plan.buffer(plan.logits).columns);
        Self { batch, outputs: (outputs as usize).clamp(1, batch) }
    }

    /// Bytes of a buffer of activations.
    pub(crate) fn buffer_bytes(&self, spec: &BufferSpec) -> u64 {
        self.count(spec.rows) as u64 * row_bytes(spec.columns)
    }

    /// Rows of a set.
    pub(crate) fn count(&self, set: RowSet) -> usize {
        match set {
            RowSet::Batch => self.batch,
            RowSet::Outputs => self.outputs,
        }
    }
}
