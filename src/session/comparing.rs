//! A run's text through the decoder once more, with the KV cache and without it by turns: the tokens are given, so that
//! both ways compute the same. A chunk at a time, so that commands are answered in between.

use std::time::Instant;

use super::comparison::{ComparedStep, DeviceLimits, MeasuredPass};
use crate::decoding::initiation::ChunkSize;
use crate::model::batch::RowOutput;
use crate::model::selection::SamplingParams;
use crate::model::{Batch, LanguageModel, ModelError, SequenceId};

/// A comparison under way.
pub(super) struct Comparing {
    /// Prompt and new tokens.
    text: Vec<u32>,
    prompt: usize,
    /// Positions that its run may get.
    longest: usize,
    /// Steps done in both ways.
    done: usize,
    turn: Turn,
    /// The text so far, in the KV cache.
    kept: SequenceId,
    /// What a pass without it has computed so far; goes after the pass.
    anew: Option<SequenceId>,
    chunk: ChunkSize,
    /// The pass under way.
    pass: MeasuredPass,
    /// The step with the KV cache, while the other one is made.
    cached: MeasuredPass,
    /// Whether the device is to be measured at the end.
    measures_device: bool,
    copy_bandwidth: f64,
}

/// What is to be done next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// A pass over the whole text that nobody measures: what only a first pass takes is not in the others.
    WarmUp,
    /// The next step with the KV cache.
    Cached,
    /// The same step without.
    Uncached,
    /// How fast the device copies.
    Bandwidth,
    /// How fast it multiplies and adds.
    Rate,
    /// Nothing.
    Over,
}

/// What came of a turn.
pub(super) enum Gained {
    /// A part of something.
    Nothing,
    /// A step in both ways.
    Step(ComparedStep),
    /// What the device can do.
    Limits(DeviceLimits),
}

impl Comparing {
    /// Begins; nothing is computed yet. `text` is the prompt and at least one new token, of a run that may get `longest`
    /// positions.
    pub(super) fn begin(
        model: &mut dyn LanguageModel,
        text: Vec<u32>,
        prompt: usize,
        longest: usize,
        measures_device: bool,
    ) -> Self {
        Self {
            text,
            prompt,
            longest,
            done: 0,
            turn: Turn::WarmUp,
            kept: model.new_sequence_for(longest),
            anew: None,
            chunk: ChunkSize::default(),
            pass: MeasuredPass::default(),
            cached: MeasuredPass::default(),
            measures_device,
            copy_bandwidth: 0.0,
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_over(&self) -> bool {
        self.turn == Turn::Over
    }

    /// Whether every step was made.
    pub(super) fn has_all_steps(&self) -> bool {
        self.done == self.text.len() - self.prompt
    }

    /// Computes the next chunk, or measures the device.
    pub(super) fn advance(&mut self, model: &mut dyn LanguageModel) -> Result<Gained, ModelError> {
        match self.turn {
            Turn::WarmUp => {
                if self.compute(model, self.text.len() - 1)? {
                    self.forget(model);
                    (self.pass, self.turn) = (MeasuredPass::default(), Turn::Cached);
                }
            }
            Turn::Cached => {
                if self.compute(model, self.prompt + self.done)? {
                    self.cached = std::mem::take(&mut self.pass);
                    self.turn = Turn::Uncached;
                }
            }
            Turn::Uncached => {
                if self.compute(model, self.prompt + self.done)? {
                    self.forget(model);
                    let uncached = std::mem::take(&mut self.pass);
                    self.done += 1;
                    self.turn = match (self.has_all_steps(), self.measures_device) {
                        (false, _) => Turn::Cached,
                        (true, true) if model.profiling().is_some() => Turn::Bandwidth,
                        (true, _) => Turn::Over,
                    };
                    return Ok(Gained::Step(ComparedStep { cached: self.cached, uncached }));
                }
            }
            Turn::Bandwidth => {
                self.turn = Turn::Over;
                if let Some(profiling) = model.profiling() {
                    self.copy_bandwidth = profiling.copy_bandwidth()?;
                    self.turn = Turn::Rate;
                }
            }
            Turn::Rate => {
                self.turn = Turn::Over;
                if let Some(profiling) = model.profiling() {
                    let (copy_bandwidth, f32_rate) = (self.copy_bandwidth, profiling.f32_rate()?);
                    return Ok(Gained::Limits(DeviceLimits { copy_bandwidth, f32_rate }));
                }
            }
            Turn::Over => {}
        }
        Ok(Gained::Nothing)
    }

    /// Computes a chunk of the text's first `end` tokens; whether that was the last one.
    fn compute(&mut self, model: &mut dyn LanguageModel, end: usize) -> Result<bool, ModelError> {
        let cached = self.turn == Turn::Cached;
        let sequence = if cached {
            self.kept
        } else {
            *self.anew.get_or_insert_with(|| model.new_sequence_for(self.longest))
        };
        let start = model.length(sequence);
        let rows = self.chunk.rows().min(model.max_rows()).clamp(1, end - start);
        let complete = start + rows == end;
        let output = if complete { RowOutput::Summary(SamplingParams::GREEDY) } else { RowOutput::Nothing };
        let batch = Batch::chain(sequence, start, &self.text[start..start + rows], output);
        let begun = Instant::now();
        let bus_seconds = model.forward(&batch)?.timing.bus_seconds.unwrap_or_default();
        let seconds = begun.elapsed().as_secs_f64();
        // Afterwards all passes have chunks of one size, so that they can be compared.
        if self.turn == Turn::WarmUp {
            self.chunk.adapt(rows, seconds, bus_seconds);
        }
        let work =
            model.profiling().map(|profiling| profiling.work(start..start + rows, usize::from(complete)));
        self.pass.add(rows, seconds, work);
        Ok(complete)
    }

    fn forget(&mut self, model: &mut dyn LanguageModel) {
        if let Some(sequence) = self.anew.take() {
            model.release(sequence);
        }
    }

    /// Frees what it holds in the model.
    pub(super) fn release(mut self, model: &mut dyn LanguageModel) {
        self.forget(model);
        model.release(self.kept);
    }
}
