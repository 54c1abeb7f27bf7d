//! The twin as a [`LanguageModel`]: whole passes over a cache of plain lists.

use std::time::Instant;

use super::cache::CachedPositions;
use super::interpreter::Reference;
use crate::model::batch::RowOutput;
use crate::model::language_model::{CacheUsage, PassTiming};
use crate::model::selection::RowHandle;
use crate::model::{Batch, LanguageModel, ModelError, Outputs, Probing, SequenceId};

/// Rows that one pass takes: enough for a prompt of a test, few enough to answer an interrupt soon.
const MAX_ROWS: usize = 64;

impl LanguageModel for Reference {
    fn vocabulary(&self) -> usize {
        self.plan.vocabulary()
    }

    fn context(&self) -> usize {
        self.context
    }

    fn max_rows(&self) -> usize {
        MAX_ROWS
    }

    fn new_sequence(&mut self) -> SequenceId {
        self.new_sequence_for(self.context)
    }

    fn new_sequence_for(&mut self, longest: usize) -> SequenceId {
        self.insert(CachedPositions::new(self.plan.cache_widths.len(), self.plan.states.len(), longest))
    }

    fn short_texts(&self) -> Option<usize> {
        self.plan.short_texts().filter(|short| *short < self.context)
    }

    /// Copies every position: the twin shares nothing.
    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let copy = self.sequence(sequence).clone();
        Ok(self.insert(copy))
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        let sequence = self.sequences.get_mut(&sequence).expect("the sequence is not released");
        sequence.truncate(length, &self.plan.cache_widths);
    }

    fn release(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence).expect("the sequence is released once");
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.sequence(sequence).length
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        let start = Instant::now();
        let mut pass = self.begin(batch)?;
        let ops = std::mem::take(&mut self.plan.ops);
        ops.iter().for_each(|op| self.run(op, &mut pass));
        self.plan.ops = ops;
        self.finish(pass);
        let mut outputs = Outputs::default();
        let rows = self.buffers[self.plan.logits.0].chunks_exact(self.plan.vocabulary());
        for (row, logits) in batch.picked().zip(rows) {
            match batch.rows[row].output {
                RowOutput::Nothing => {}
                RowOutput::Logits => outputs.logits.push(logits.to_vec()),
                RowOutput::Summary(params) => {
                    outputs.summaries.push(self.recent.summarise(logits.to_vec(), &params));
                }
            }
        }
        if let Some(hidden) = self.plan.hidden {
            let rows = self.buffers[hidden.0].chunks_exact(self.plan.buffer(hidden).columns);
            let wanted = |(row, state): (usize, &[f32])| {
                batch.hidden.binary_search(&row).is_ok().then(|| state.to_vec())
            };
            outputs.hidden = batch.picked().zip(rows).filter_map(wanted).collect();
        }
        outputs.timing = PassTiming { total_seconds: start.elapsed().as_secs_f64(), ..PassTiming::default() };
        Ok(outputs)
    }

    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        let pass = self.last.as_ref().expect("a pass comes before");
        let kept = self.sequences.get_mut(&sequence).expect("the sequence is not released");
        for &row in rows {
            assert_eq!(
                pass.rows[row].position, kept.length,
                "row {row} does not go on where the sequence ends"
            );
            kept.append(&pass.computed, &pass.states, row, &self.plan.cache_widths);
        }
        Ok(())
    }

    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        Ok(self.recent.read(row))
    }

    fn probing(&mut self) -> Option<&mut dyn Probing> {
        Some(self)
    }

    /// A page is one position here.
    fn pin(&mut self, tokens: &[u32]) {
        self.recent.pinned = tokens.to_vec();
    }

    fn cache_usage(&self) -> CacheUsage {
        let positions: usize = self.sequences.values().map(|sequence| sequence.length).sum();
        let bytes = positions as u64 * self.plan.cache_bytes_per_position();
        let states = if self.plan.states.is_empty() { 0 } else { positions };
        let state_bytes = states as u64 * self.plan.state_bytes();
        CacheUsage {
            pages: positions,
            page_positions: 1,
            bytes,
            allocated_bytes: bytes,
            states,
            state_bytes,
            recomputed: 0,
        }
    }
}

impl Reference {
    fn insert(&mut self, sequence: CachedPositions) -> SequenceId {
        let id = SequenceId(self.next_sequence);
        self.next_sequence += 1;
        self.sequences.insert(id, sequence);
        id
    }
}
