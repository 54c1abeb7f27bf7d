//! The engine as a [`LanguageModel`].

use std::sync::atomic::AtomicBool;

use super::core::Engine;
use crate::gpu::cache::{PAGE_POSITIONS, PagesMissing};
use crate::model::language_model::{CacheUsage, ChainedModel, LanguageModel, Outputs};
use crate::model::selection::{MOST_PINNED, RowHandle};
use crate::model::{Batch, SequenceId};
use crate::model::{ModelError, Probing, Profiling};

impl LanguageModel for Engine {
    fn vocabulary(&self) -> usize {
        self.program.vocabulary()
    }

    fn context(&self) -> usize {
        self.context
    }

    fn max_rows(&self) -> usize {
        self.rows.batch
    }

    fn new_sequence(&mut self) -> SequenceId {
        self.new_sequence_for(self.context)
    }

    fn new_sequence_for(&mut self, longest: usize) -> SequenceId {
        let sequence = self.resources.cache.pages.new_sequence(longest);
        self.resources.cache.states.table.add(sequence);
        sequence
    }

    fn short_texts(&self) -> Option<usize> {
        self.program.plan.short_texts().filter(|short| *short < self.context)
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        loop {
            match self.resources.cache.pages.fork(sequence) {
                Ok((fork, copy)) => {
                    copy.into_iter().for_each(|copy| self.resources.cache.copy_page(&self.device, copy));
                    self.resources.cache.states.table.fork(sequence, fork);
                    return Ok(fork);
                }
                Err(PagesMissing(missing)) => self.grow_cache(missing)?,
            }
        }
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.resources.cache.pages.truncate(sequence, length);
        self.resources.cache.states.table.truncate(sequence, length);
    }

    fn release(&mut self, sequence: SequenceId) {
        self.resources.cache.pages.release(sequence);
        self.resources.cache.states.table.release(sequence);
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.resources.cache.pages.length(sequence)
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        if batch.rows.is_empty() {
            return Ok(Outputs::default());
        }
        self.run(batch, None)
    }

    fn forward_unless(&mut self, batch: &Batch, interrupt: &AtomicBool) -> Result<Outputs, ModelError> {
        if batch.rows.is_empty() {
            return Ok(Outputs::default());
        }
        self.run(batch, Some(interrupt))
    }

    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        self.accept_rows(sequence, rows)
    }

    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        self.recorder.selection.as_ref().map_or(Ok(None), |selection| selection.read(&self.device, row))
    }

    /// None where nothing is gained: on software drivers, and where passes wait for their routers, as one submitted ahead would
    /// keep the CPU from the results of the one before.
    fn chained(&mut self) -> Option<&mut dyn ChainedModel> {
        let gains = self.program.choice.begins_ahead && !self.program.crossing.waits_for_routers();
        if gains { Some(self) } else { None }
    }

    fn probing(&mut self) -> Option<&mut dyn Probing> {
        Some(self)
    }

    fn profiling(&mut self) -> Option<&mut dyn Profiling> {
        Some(self)
    }

    fn pin(&mut self, tokens: &[u32]) {
        let known = tokens.iter().copied().filter(|&token| (token as usize) < self.program.vocabulary());
        self.pinned = known.take(MOST_PINNED).collect();
    }

    fn cache_usage(&self) -> CacheUsage {
        let pages = self.resources.cache.pages.used() - self.passes.branches.scratch.len();
        let states = self.resources.cache.states.table.used() - self.passes.branches.states.len();
        CacheUsage {
            pages,
            page_positions: PAGE_POSITIONS,
            bytes: pages as u64 * self.resources.cache.page_bytes(),
            allocated_bytes: self.resources.cache.pages.capacity() as u64 * self.resources.cache.page_bytes(),
            states,
            state_bytes: states as u64 * self.resources.cache.states.slot_bytes(),
            recomputed: self.recomputed,
        }
    }
}
