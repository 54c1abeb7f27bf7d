//! The first use of each kernel: many drivers compile when a kernel first runs, and that belongs to loading, not to
//! the first step.

use super::core::Engine;
use super::op_by_op::BegunPass;
use crate::gpu::error::LoadError;
use crate::gpu::kernels::FEW_ROWS;
use crate::gpu::pass::PassShape;
use crate::gpu::progress::{LoadPart, Progress, Share, tell};
use crate::model::batch::RowOutput;
use crate::model::plan::RowSet;
use crate::model::selection::SamplingParams;
use crate::model::{Batch, LanguageModel, ModelError, SequenceId};

/// Rows of passes that use different kernels: alone, few that see one another, the most of those, and many.
const ROWS: [usize; 4] = [1, 2, FEW_ROWS, FEW_ROWS + 1];

/// The first use of a kernel.
struct FirstUse {
    /// The op, by its index.
    op: usize,
    /// Spans that positions are divided into.
    splits: usize,
    /// Which of the op's dispatches.
    dispatch: usize,
}

impl Engine {
    /// Uses every kernel that usual passes use once, one after the other, and then runs whole passes, all of it on
    /// throwaway sequences: afterwards no pass has to wait for the driver's compiler.
    pub fn prepare(&mut self, progress: &mut Progress<'_>) -> Result<(), LoadError> {
        let Self { device, program, resources, recorder, .. } = self;
        recorder.need_selection(device, program, resources)?;
        let uses = self.first_uses();
        let total = uses.iter().map(|(_, uses)| uses.len()).sum::<usize>() + self.selection_kernels();
        let mut done = 0;
        tell(progress, LoadPart::Compiling, Share::of(done, total))?;
        for (rows, uses) in uses {
            let sequence = self.new_sequence();
            let begun = self.begin(&throwaway(sequence, rows));
            self.release(sequence);
            let pass = begun?;
            for first in uses {
                self.use_kernel(&pass, &first, rows)?;
                done += 1;
                tell(progress, LoadPart::Compiling, Share::of(done, total))?;
            }
        }
        for kernel in 0..self.selection_kernels() {
            self.use_selection(kernel)?;
            done += 1;
            tell(progress, LoadPart::Compiling, Share::of(done, total))?;
        }
        let passes = self.rows_to_use();
        for (done, &rows) in passes.iter().enumerate() {
            tell(progress, LoadPart::WarmingUp, Share::of(done, passes.len()))?;
            self.run_throwaway(rows)?;
        }
        tell(progress, LoadPart::WarmingUp, Share::of(passes.len(), passes.len()))
    }

    /// Runs passes of every kind once on throwaway sequences.
    pub fn warm_up(&mut self) -> Result<(), ModelError> {
        self.rows_to_use().into_iter().try_for_each(|rows| self.run_throwaway(rows))
    }

    fn run_throwaway(&mut self, rows: usize) -> Result<(), ModelError> {
        let sequence = self.new_sequence();
        let ran = self.forward(&throwaway(sequence, rows));
        self.release(sequence);
        ran.map(drop)
    }

    /// The rows of those passes that the engine can run.
    fn rows_to_use(&self) -> Vec<usize> {
        let mut rows = ROWS.map(|rows| rows.min(self.max_rows())).to_vec();
        rows.dedup();
        rows
    }

    /// For the rows of each pass the kernels that no pass before it uses, over positions in one go and in spans.
    fn first_uses(&self) -> Vec<(usize, Vec<FirstUse>)> {
        let is_split = self.context >= self.program.choice.attention.least_split;
        let most_splits = if is_split { 2 } else { 1 };
        let mut known = Vec::new();
        let mut of_pass = |rows: usize| {
            let mut uses = Vec::new();
            for splits in 1..=most_splits {
                for (op, step) in self.program.steps.iter().enumerate() {
                    let shape = match step.rows {
                        RowSet::Batch => PassShape { splits, ..PassShape::chain(rows) },
                        RowSet::Outputs => PassShape::of_rows(1),
                    };
                    for (dispatch, pipeline) in step.pipelines(shape).enumerate() {
                        if !known.contains(&pipeline) {
                            known.push(pipeline);
                            uses.push(FirstUse { op, splits, dispatch });
                        }
                    }
                }
            }
            (rows, uses)
        };
        self.rows_to_use().into_iter().map(&mut of_pass).collect()
    }

    /// Runs one dispatch of the pass that was begun, and waits for it. In spans behind the first it finds no positions.
    fn use_kernel(&self, pass: &BegunPass, first: &FirstUse, rows: usize) -> Result<(), ModelError> {
        let step = &self.program.steps[first.op];
        let rows = if step.rows == RowSet::Outputs { 1 } else { rows };
        let shape = PassShape { splits: first.splits, ..pass.shape_of(step, rows) };
        self.run_alone(|encoded| step.encode_one(encoded, shape, first.dispatch))
    }

    fn selection_kernels(&self) -> usize {
        self.recorder.selection.as_ref().map_or(0, |selection| selection.kernels())
    }

    fn use_selection(&self, kernel: usize) -> Result<(), ModelError> {
        let Some(selection) = &self.recorder.selection else { return Ok(()) };
        self.run_alone(|pass| selection.encode_one(pass, 1, kernel))
    }
}

/// A pass of so many rows whose last one wants a summary.
fn throwaway(sequence: SequenceId, rows: usize) -> Batch {
    Batch::chain(sequence, 0, &vec![0; rows], RowOutput::Summary(SamplingParams::GREEDY))
}
