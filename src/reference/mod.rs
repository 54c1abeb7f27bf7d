//! The CPU twin: interprets a [`Plan`] in plain loops with f64 accumulation, one file an op.

use crate::model::{Plan, Weights, WeightsError};

/// A model computed on the CPU, slowly and exactly: the yardstick for [`crate::gpu`].
pub struct Reference {}

impl Reference {
    /// Reads all weights as f32. `bound[i]` is the index in `weights` of the plan's tensor i, as
    /// [`Plan::bind`] gives it.
    pub fn new(
        _plan: Plan,
        _context: usize,
        _weights: &dyn Weights,
        _bound: &[usize],
    ) -> Result<Self, WeightsError> {
        todo!()
    }
}
