//! The self-test: every op of a plan on the GPU against its twin on the CPU, op by op.
//!
//! Both sides get the same inputs for each op (the twin's results), so that the first op that differs is the
//! one that is wrong. Wrong results from a GPU or its driver are the commonest complaint about GPU engines.

use crate::gpu::{BegunPass, Engine};
use crate::model::plan::{
    AttentionOp, BufferId, ConvolutionOp, Op, RecurrenceOp, RowSet, StateId, StateSpec,
};
use crate::model::{Batch, CacheFormat, ModelError, SequenceId};
use crate::reference::{Pass, Reference};

/// Share of an output's largest magnitude by which any element may differ.
const ABSOLUTE_TOLERANCE: f32 = 2e-5;
/// Share of an element's own magnitude by which it may differ.
const RELATIVE_TOLERANCE: f32 = 1e-4;
/// From one f16 to the next, as a share of its magnitude.
const HALF_STEP: f32 = 1.0 / 1024.0;

/// By how much results may differ beyond rounding in f32.
#[derive(Clone, Copy)]
enum Slack {
    None,
    /// Each result is stored as f16.
    HalfResults,
    /// Results are sums of products whose factors are rounded to f16: what that makes of a sum depends on its
    /// summands, which are as large as those of the largest result.
    HalfFactors,
}

impl Slack {
    /// What is allowed for a result of this magnitude, where `largest` is the largest one.
    fn allowed(self, magnitude: f32, largest: f32) -> f32 {
        let usual = ABSOLUTE_TOLERANCE * largest + RELATIVE_TOLERANCE * magnitude;
        match self {
            Self::None => usual,
            Self::HalfResults => usual + HALF_STEP * magnitude,
            Self::HalfFactors => usual + HALF_STEP * largest,
        }
    }
}

/// How one op compared.
#[derive(Clone, Debug, PartialEq)]
pub struct OpReport {
    /// Index in the plan's ops.
    pub index: usize,
    /// The op's name.
    pub op: &'static str,
    /// The buffer that it wrote.
    pub buffer: &'static str,
    /// Rows and columns compared.
    pub shape: (usize, usize),
    /// The element whose difference is the largest share of what is allowed.
    pub worst: Difference,
}

/// One element on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// Its row.
    pub row: usize,
    /// Its column.
    pub column: usize,
    /// What the GPU computed.
    pub gpu: f32,
    /// What the twin computed.
    pub twin: f32,
    /// |gpu − twin| as a share of what is allowed; above 1 the op is wrong.
    pub share: f32,
}

impl OpReport {
    /// Whether the op's results agree within the tolerance.
    pub fn agrees(&self) -> bool {
        self.worst.share <= 1.0
    }
}

/// An engine and a twin in the same pass over the same rows.
pub struct Comparison<'a> {
    engine: &'a mut Engine,
    twin: &'a mut Reference,
    begun: BegunPass,
    pass: Pass,
    rows: usize,
    outputs: usize,
}

impl<'a> Comparison<'a> {
    /// Begins the pass on both sides. Both must have been loaded with the same plan and weights, and have
    /// gone through the same passes before. `twins` gives the twin's sequence for each of the engine's in the batch.
    pub fn begin(
        engine: &'a mut Engine,
        twin: &'a mut Reference,
        batch: &Batch,
        twins: impl Fn(SequenceId) -> SequenceId,
    ) -> Result<Self, ModelError> {
        let begun = engine.begin(batch)?;
        let pass = twin.begin(&batch.for_model(twins))?;
        let (rows, outputs) = (batch.rows.len(), batch.outputs().count());
        Ok(Self { engine, twin, begun, pass, rows, outputs })
    }

    /// Sets a buffer on both sides.
    pub fn set(&mut self, buffer: BufferId, values: &[f32]) {
        self.twin.buffers[buffer.0].copy_from_slice(values);
        self.engine.write_buffer(buffer, values);
    }

    /// Runs every op on both sides, and stops after the first that differs: it is the last one reported.
    pub fn run(mut self, report: &mut dyn FnMut(&OpReport)) -> Result<Agreement, ModelError> {
        let ops = self.engine.plan().ops.clone();
        for (index, op) in ops.iter().enumerate() {
            let Some(found) = self.op(index, op)? else { continue };
            report(&found);
            if !found.agrees() {
                return Ok(Agreement::Broken(found));
            }
        }
        self.twin.finish(self.pass);
        Ok(Agreement::Whole)
    }

    fn op(&mut self, index: usize, op: &Op) -> Result<Option<OpReport>, ModelError> {
        let buffer = op.output();
        let set = buffer.map_or(RowSet::Batch, |buffer| self.engine.plan().buffer(buffer).rows);
        let rows = match set {
            RowSet::Batch => self.rows,
            RowSet::Outputs => self.outputs,
        };
        self.engine.run_op(&self.begun, index, rows)?;
        self.twin.run(op, &mut self.pass);
        if let Op::Attention(attention @ AttentionOp { prologue: Some(_), .. }) = op
            && let Some(broken) = self.adopt_cached(index, op.name(), attention)?
        {
            return Ok(Some(broken));
        }
        if let Op::Convolution(ConvolutionOp { state, .. }) | Op::Recurrence(RecurrenceOp { state, .. }) = *op
            && let Some(broken) = self.compare_states(index, op.name(), state)?
        {
            return Ok(Some(broken));
        }
        // What a cache write stored is seen in the attention that follows.
        let Some(buffer) = buffer else { return Ok(None) };
        let gpu = self.engine.read_buffer(buffer, rows)?;
        let twin = &self.twin.buffers[buffer.0];
        let spec = self.engine.plan().buffer(buffer);
        let slack = if self.engine.rounds_inputs(index, rows) { Slack::HalfFactors } else { Slack::None };
        let worst = worst_difference(&gpu, twin, spec.columns, slack);
        let report = OpReport { index, op: op.name(), buffer: spec.name, shape: (rows, spec.columns), worst };
        self.engine.write_buffer(buffer, twin);
        Ok(Some(report))
    }
}

impl Comparison<'_> {
    /// Compares what an attention stored in the cache itself, and gives the twin the GPU's keys and values: where
    /// a key lies between two halves, the last bit of its rotation decides, and every score after it.
    fn adopt_cached(
        &mut self,
        index: usize,
        op: &'static str,
        attention: &AttentionOp,
    ) -> Result<Option<OpReport>, ModelError> {
        let layer = attention.layer;
        let cached = self.engine.read_cached(&self.begun, layer)?;
        let expected = self.twin.keys_values(&self.pass, layer);
        let columns = self.engine.plan().cache_widths[layer].keys;
        for ((gpu, twin), buffer) in cached.iter().zip(expected).zip(["cached keys", "cached values"]) {
            let slack = match self.engine.plan().cache_format {
                CacheFormat::F32 => Slack::None,
                CacheFormat::F16 => Slack::HalfResults,
            };
            let worst = worst_difference(gpu, twin, columns, slack);
            let shape = (self.rows, columns);
            let report = OpReport { index, op, buffer, shape, worst };
            if !report.agrees() {
                return Ok(Some(report));
            }
        }
        self.twin.run_with(attention, &mut self.pass, cached);
        Ok(None)
    }
}

impl Comparison<'_> {
    /// Compares what an op made of a state, wherever it is stored.
    fn compare_states(
        &mut self,
        index: usize,
        op: &'static str,
        state: StateId,
    ) -> Result<Option<OpReport>, ModelError> {
        let StateSpec { name: buffer, elements } = self.engine.plan().states[state.0];
        for (row, gpu) in self.engine.read_states(&self.begun, state)? {
            let worst =
                worst_difference(&gpu, self.twin.state(&self.pass, state, row), elements, Slack::None);
            let report =
                OpReport { index, op, buffer, shape: (1, elements), worst: Difference { row, ..worst } };
            if !report.agrees() {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }
}

/// The outcome of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Agreement {
    /// Every op agrees.
    Whole,
    /// This op is the first that does not.
    Broken(OpReport),
}

fn worst_difference(gpu: &[f32], twin: &[f32], columns: usize, slack: Slack) -> Difference {
    let largest = twin.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let mut worst = Difference::default();
    for (index, (&gpu, &twin)) in gpu.iter().zip(twin).enumerate() {
        let allowed = slack.allowed(twin.abs(), largest);
        let difference = (gpu - twin).abs();
        // A NaN, or any difference where none is allowed, counts as infinitely wrong.
        let share = match difference {
            0.0 => 0.0,
            _ if difference.is_nan() || allowed == 0.0 => f32::INFINITY,
            _ => difference / allowed,
        };
        if share > worst.share || index == 0 {
            worst = Difference { row: index / columns, column: index % columns, gpu, twin, share };
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_element_is_found_and_nan_is_infinitely_wrong() {
        let twin = [1.0, -2.0, 4.0, 0.5];
        assert_eq!(worst_difference(&twin, &twin, 2, Slack::None).share, 0.0);
        let found = worst_difference(&[1.0, -2.0, 4.0, 0.6], &twin, 2, Slack::None);
        assert_eq!((found.row, found.column), (1, 1));
        assert!(found.share > 1.0);
        let found = worst_difference(&[1.0, f32::NAN, 4.0, 0.5], &twin, 2, Slack::HalfFactors);
        assert_eq!((found.row, found.column, found.share), (0, 1, f32::INFINITY));
    }

    #[test]
    fn slack_is_a_step_of_f16_of_the_result_or_of_the_largest() {
        let twin = [1.0, -2.0, 4.0, 0.5];
        let share = |difference: f32, slack| {
            worst_difference(&[1.0, -2.0, 4.0, 0.5 + difference], &twin, 2, slack).share
        };
        assert!(share(4e-4, Slack::None) > 1.0);
        assert!(share(4e-4, Slack::HalfResults) < 1.0 && share(2e-3, Slack::HalfResults) > 1.0);
        assert!(share(2e-3, Slack::HalfFactors) < 1.0 && share(8e-3, Slack::HalfFactors) > 1.0);
    }
}
