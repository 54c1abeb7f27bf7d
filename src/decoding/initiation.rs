//! Prefill, called initiation here: feeding tokens to a model in chunks short enough that progress moves and an interruption is answered
//! soon; what is wanted of the last token's logits comes back.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::error::DecodingError;
use super::strategy::Control;
use crate::model::batch::{Batch, RowOutput, SequenceId};
use crate::model::language_model::{Outputs, PassTiming};
use crate::model::{LanguageModel, ModelError};

/// What a chunk should take, in seconds.
const CHUNK_SECONDS: f64 = 0.040;

/// How many times as long as the bus the rest of a chunk should take, where weights have to cross it: then a ninth of the time
/// is spent on waiting for them. An interruption need not wait for the chunk's end.
const BUS_SHARE: f64 = 8.0;

/// How many times as many rows a chunk has as the one before, at most.
const MOST_GROWTH: f64 = 16.0;

/// How many rows a chunk has; it follows the model's speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkSize {
    rows: usize,
}

impl Default for ChunkSize {
    /// Small, so that even a slow model answers soon the first time.
    fn default() -> Self {
        Self { rows: 16 }
    }
}

/// What a pass cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PassCost {
    /// Rows computed.
    pub rows: usize,
    /// Building and submitting commands, by the clock.
    pub encode_seconds: f64,
    /// Waiting for results, by the clock.
    pub wait_seconds: f64,
    /// By GPU timestamps; `None` when any chunk came without.
    pub gpu_seconds: Option<f64>,
    /// Waiting for weights that crossed the bus, by GPU timestamps; `None` when no chunk came with it.
    pub bus_seconds: Option<f64>,
    /// What a server says that it took itself.
    pub server_seconds: Option<f64>,
    /// Positions computed once more for a state that was not stored; not among the rows.
    pub recomputed: u64,
}

/// A prefill: tokens on their way into a sequence's cache, in chunks.
pub struct Prefill<'a, 'c> {
    /// What computes.
    pub model: &'a mut dyn LanguageModel,
    /// Where the tokens are cached.
    pub sequence: SequenceId,
    /// How large the next chunk is.
    pub chunk: &'a mut ChunkSize,
    /// Grows chunk by chunk, also if the pass ends in an error.
    pub cost: &'a mut PassCost,
    /// Who watches and interrupts.
    pub control: &'a mut Control<'c>,
}

/// Takes the final hidden states of a chunk's rows, with the position of the first.
pub type TakeHidden<'a> = &'a mut dyn FnMut(usize, Vec<Vec<f32>>);

impl Prefill<'_, '_> {
    /// Feeds those of `tokens` (all of the sequence's, not empty) that are not in the cache yet, and returns the
    /// outputs of the pass with the last one, of which `output` is wanted.
    ///
    /// Progress counts cached tokens as done. After [`DecodingError::Interrupted`] the chunks computed so far
    /// stay in the cache, and the same call goes on from there.
    pub fn pass(self, tokens: &[u32], output: RowOutput) -> Result<Outputs, DecodingError> {
        self.pass_giving(tokens, output, None)
    }

    /// As [`Self::pass`]; `hidden` takes the final hidden states of all rows chunk by chunk.
    pub fn pass_giving(
        self,
        tokens: &[u32],
        output: RowOutput,
        mut hidden: Option<TakeHidden<'_>>,
    ) -> Result<Outputs, DecodingError> {
        let Self { model, sequence, chunk, cost, control } = self;
        let mut done = model.length(sequence);
        if done == tokens.len() {
            // The pass was complete before, but its logits were of no use: only computing the last row gives them.
            done -= 1;
            model.truncate(sequence, done);
        }
        loop {
            control.check()?;
            let rows = chunk.rows.min(model.max_rows()).clamp(1, tokens.len() - done);
            let complete = done + rows == tokens.len();
            let last = if complete { output } else { RowOutput::Nothing };
            let batch = Batch::chain(sequence, done, &tokens[done..done + rows], last);
            let batch = if hidden.is_some() { batch.with_hidden() } else { batch };
            let start = Instant::now();
            let mut outputs = cost.forward_unless(model, &batch, control.interrupt)?;
            let seconds = start.elapsed().as_secs_f64();
            chunk.adapt(rows, seconds, outputs.timing.bus_seconds.unwrap_or_default());
            if let Some(hidden) = &mut hidden {
                hidden(done, std::mem::take(&mut outputs.hidden));
            }
            done += rows;
            (control.progress)(done, tokens.len());
            if complete {
                return Ok(outputs);
            }
        }
    }
}

impl ChunkSize {
    /// How many rows the next chunk has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Grows after a quick chunk of full size to what would have taken as long as it should, by `MOST_GROWTH` times at most: a
    /// GPU takes as long for sixteen rows as for sixty. Halves after a slow one. Where weights crossed the bus for
    /// `bus_seconds` of the chunk, which they do however few rows it has, the rest should take `BUS_SHARE` times as long.
    pub fn adapt(&mut self, rows: usize, seconds: f64, bus_seconds: f64) {
        let wanted = CHUNK_SECONDS.max(BUS_SHARE * bus_seconds);
        let own = (seconds - bus_seconds).max(0.0);
        if rows == self.rows && own < wanted / 2.0 {
            let times = (wanted / own.max(1e-9)).clamp(2.0, MOST_GROWTH);
            self.rows = self.rows.saturating_mul(times as usize);
        } else if own > wanted * 1.5 {
            self.rows = (rows / 2).max(1);
        }
    }
}

impl PassCost {
    /// Runs a pass and adds it.
    pub fn forward(&mut self, model: &mut dyn LanguageModel, batch: &Batch) -> Result<Outputs, ModelError> {
        let outputs = self.watching(model, |model| model.forward(batch))?;
        self.add(batch.rows.len(), &outputs.timing);
        Ok(outputs)
    }

    /// Runs a pass that an interruption ends early, and adds it.
    pub fn forward_unless(
        &mut self,
        model: &mut dyn LanguageModel,
        batch: &Batch,
        interrupt: &AtomicBool,
    ) -> Result<Outputs, ModelError> {
        let outputs = self.watching(model, |model| model.forward_unless(batch, interrupt))?;
        self.add(batch.rows.len(), &outputs.timing);
        Ok(outputs)
    }

    /// Does something with the model, and adds what it computed once more for that.
    pub fn watching<T>(
        &mut self,
        model: &mut dyn LanguageModel,
        work: impl FnOnce(&mut dyn LanguageModel) -> T,
    ) -> T {
        let before = model.cache_usage().recomputed;
        let result = work(model);
        self.recomputed += model.cache_usage().recomputed - before;
        result
    }

    /// Adds a pass of so many rows.
    pub fn add(&mut self, rows: usize, timing: &PassTiming) {
        let before = if self.rows == 0 { Some(0.0) } else { self.gpu_seconds };
        self.gpu_seconds = before.zip(timing.gpu_seconds).map(|(sum, more)| sum + more);
        if let Some(seconds) = timing.bus_seconds {
            *self.bus_seconds.get_or_insert(0.0) += seconds;
        }
        if let Some(seconds) = timing.server_seconds {
            *self.server_seconds.get_or_insert(0.0) += seconds;
        }
        self.rows += rows;
        self.encode_seconds += timing.encode_seconds;
        self.wait_seconds += timing.wait_seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size after a chunk of full size that took so long.
    fn adapted(rows: usize, seconds: f64, bus_seconds: f64) -> usize {
        let mut chunk = ChunkSize { rows };
        chunk.adapt(rows, seconds, bus_seconds);
        chunk.rows()
    }

    #[test]
    fn chunks_follow_the_clock_and_where_weights_cross_the_bus_that() {
        assert_eq!([0.010, 0.040, 0.100].map(|seconds| adapted(64, seconds, 0.0)), [256, 64, 32]);
        assert_eq!(adapted(16, 0.001, 0.0), 256, "by sixteen times at most");
        // The bus takes a second for each chunk: the rest may take eight.
        assert_eq!(adapted(16, 1.1, 1.0), 256);
        assert_eq!(adapted(64, 2.0, 1.0), 512);
        assert_eq!(adapted(256, 7.0, 1.0), 256);
        assert_eq!(adapted(256, 14.0, 1.0), 128);
    }
}
