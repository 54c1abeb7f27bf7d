//! What the ops of a pass cost on the GPU: for benchmarks, and for the trial that chooses kernels.
//!
//! Nothing of this is in the normal path.

use wgpu::ComputePass;

use super::core::Engine;
use super::op_by_op::BegunPass;
use crate::gpu::device::Stopwatch;
use crate::gpu::pass::PassShape;
use crate::gpu::program::Step;
use crate::model::plan::{Op, RowSet};
use crate::model::{Batch, ModelError};

/// What one op of a pass cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpCost {
    /// The op's index in the plan that the engine runs.
    pub op: usize,
    /// Seconds on the GPU, by its own clock.
    pub seconds: f64,
    /// Dispatches.
    pub dispatches: usize,
}

impl Engine {
    /// Computes the batch with a timestamp after each op, keeps its keys and values, and reads no results;
    /// `None` where the adapter has no timestamps.
    pub fn profile(&mut self, batch: &Batch) -> Result<Option<Vec<OpCost>>, ModelError> {
        let pass = self.begin(batch)?;
        let Some(stopwatch) = Stopwatch::new(&self.device)? else { return Ok(None) };
        let runs: Vec<(usize, &Step, PassShape)> =
            self.runs(&pass, batch.rows.len(), batch.outputs().count()).collect();
        let mut seconds = Vec::with_capacity(runs.len());
        let ops = &self.plan().ops;
        for runs in runs.chunk_by(|(before, ..), (op, ..)| self.resources.goes_on(&ops[*before], &ops[*op])) {
            runs.iter().for_each(|(op, ..)| self.resources.bring(&self.device, &ops[*op]));
            let work: Vec<_> = runs
                .iter()
                .map(|&(_, step, shape)| move |pass: &mut ComputePass<'_>| step.encode(pass, shape))
                .collect();
            seconds.extend(stopwatch.time(&work)?);
        }
        let cost = |(&(op, step, shape), seconds): (&(usize, &Step, PassShape), f64)| OpCost {
            op,
            seconds,
            dispatches: step.dispatches(shape),
        };
        Ok(Some(runs.iter().zip(seconds).map(cost).collect()))
    }

    /// Seconds that one op takes on the GPU for `rows` rows of its set, each time that it runs; `None` where the
    /// adapter has no timestamps. It computes with what the buffers hold.
    pub fn op_seconds(
        &self,
        pass: &BegunPass,
        op: usize,
        rows: usize,
        times: usize,
    ) -> Result<Option<Vec<f64>>, ModelError> {
        let Some(stopwatch) = Stopwatch::new(&self.device)? else { return Ok(None) };
        let step = &self.program.steps[op];
        let shape = pass.shape_of(step, rows);
        self.resources.bring(&self.device, &self.plan().ops[op]);
        let work = vec![|encoded: &mut ComputePass<'_>| step.encode(encoded, shape); times];
        Ok(Some(stopwatch.time(&work)?))
    }

    /// Dispatches of a layer, on average, in a pass over a chain of so many rows: all but those of the embedding and of what
    /// follows the last layer.
    pub fn layer_dispatches(&self, rows: usize) -> f64 {
        let in_layers = |op: &Op, step: &Step| !matches!(op, Op::Embed { .. }) && step.rows == RowSet::Batch;
        let steps = self.plan().ops.iter().zip(&self.program.steps).filter(|(op, step)| in_layers(op, step));
        let dispatches: usize = steps.map(|(_, step)| step.dispatches(PassShape::chain(rows))).sum();
        let attentions = self.plan().ops.iter().filter(|op| matches!(op, Op::Attention(_))).count();
        dispatches as f64 / attentions.max(1) as f64
    }

    /// Bytes of weights on the GPU that an op reads for one row; 0 for an embedding, which reads few of its rows.
    pub fn weight_bytes(&self, op: usize) -> u64 {
        match &self.plan().ops[op] {
            Op::Embed { .. } => 0,
            Op::ExpertLinear { weight, experts, routes, .. } => {
                let active = self.plan().buffer(*routes).columns / 2;
                self.resources.tensors[weight.0].bytes * active as u64 / *experts as u64
            }
            op => op.tensors().map(|id| self.resources.tensors[id.0].bytes).sum(),
        }
    }

    /// The ops that a pass of so many rows and outputs runs, with their shapes.
    fn runs(
        &self,
        pass: &BegunPass,
        rows: usize,
        outputs: usize,
    ) -> impl Iterator<Item = (usize, &Step, PassShape)> {
        let rows_of = move |step: &Step| if step.rows == RowSet::Batch { rows } else { outputs };
        let shapes = self.program.steps.iter().map(move |step| pass.shape_of(step, rows_of(step)));
        let runs =
            self.program.steps.iter().zip(shapes).enumerate().map(|(op, (step, shape))| (op, step, shape));
        runs.filter(|(_, _, shape)| shape.rows > 0)
    }
}
