//! One token a step: greedy decoding and sampling, which differ in their chain and in how they pick.

use std::time::Instant;

use super::chain::Chain;
use super::error::DecodingError;
use super::initiation::{ChunkSize, PassCost, pass};
use super::random::uniform;
use super::row::{Descending, Row, Softmax};
use super::settings::{CacheUse, DecodingSettings, StopSettings, StrategyChoice};
use super::stages::History;
use super::strategy::{Control, Stepped, Strategy};
use crate::model::{LanguageModel, SequenceId};
use crate::trace::{Counters, Draw, NodeTiming, Phase, Run, StopReason};

/// Greedy decoding or sampling of one text.
pub struct SingleToken {
    chain: Chain,
    choice: StrategyChoice,
    seed: u64,
    cache: CacheUse,
    stop: StopSettings,
    eos: Vec<u32>,
    /// Prompt and generated tokens.
    tokens: Vec<u32>,
    prompt: usize,
    sequence: Option<SequenceId>,
    chunk: ChunkSize,
    /// What a step that was interrupted has cost so far.
    cost: PassCost,
}

impl SingleToken {
    /// For a prompt and settings that were checked.
    pub(super) fn new(settings: &DecodingSettings, eos: Vec<u32>, prompt: &[u32]) -> Self {
        Self {
            chain: Chain::new(&settings.stages, settings.strategy, settings.recorded_candidates),
            choice: settings.strategy,
            seed: settings.seed,
            cache: settings.cache,
            stop: settings.stop.clone(),
            eos,
            tokens: prompt.to_vec(),
            prompt: prompt.len(),
            sequence: None,
            chunk: ChunkSize::default(),
            cost: PassCost::default(),
        }
    }

    /// Logits for the next token.
    fn logits(
        &mut self,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<Vec<f32>, DecodingError> {
        let sequence = *self.sequence.get_or_insert_with(|| model.new_sequence());
        let mut silent = |_, _| {};
        let mut control = Control {
            interrupt: control.interrupt,
            progress: if self.generated() == 0 { &mut *control.progress } else { &mut silent },
        };
        pass(model, sequence, &self.tokens, &mut self.chunk, &mut self.cost, &mut control)
    }

    /// Generated tokens so far.
    fn generated(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// Why the text ends after the newest token, if it does.
    fn stop_reason(&self, context: usize) -> Option<StopReason> {
        let newest = self.tokens.last()?;
        if self.eos.contains(newest) {
            Some(StopReason::Eos)
        } else if self.generated() >= self.stop.max_tokens {
            Some(StopReason::MaxTokens)
        } else if self.tokens.len() >= context {
            Some(StopReason::ContextFull)
        } else {
            None
        }
    }
}

impl Strategy for SingleToken {
    fn step(
        &mut self,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError> {
        let start = Instant::now();
        let step = self.generated() + 1;
        let logits = self.logits(model, control)?;
        refuse_broken(&logits, step)?;

        let choosing = Instant::now();
        let history = History { tokens: &self.tokens, prompt: self.prompt };
        let filtered = self.chain.run(&logits, history);
        let (token, draw) = match self.choice {
            StrategyChoice::Greedy => (filtered.row.best().unwrap_or_default(), None),
            StrategyChoice::Sample => {
                let (token, draw) = draw(&filtered.row, &filtered.after, self.seed, step as u64);
                (token, Some(draw))
            }
        };
        let mut node = self.chain.record(filtered, token, history);

        if self.cache == CacheUse::Recompute {
            self.release(model);
        }
        let cached_positions = self.sequence.map_or(0, |sequence| model.length(sequence));
        let cost = std::mem::take(&mut self.cost);
        let phase = if step == 1 { Phase::Initiation } else { Phase::Incremental };
        node.parent = run.nodes.len().checked_sub(1);
        node.step = step;
        node.phase = phase;
        node.draw = draw;
        node.counters =
            Counters { rows: cost.rows, cached_positions, cache_bytes: model.cache_usage().bytes };
        self.tokens.push(token);
        node.timing = NodeTiming {
            total_seconds: start.elapsed().as_secs_f64(),
            encode_seconds: cost.encode_seconds,
            gpu_seconds: cost.gpu_seconds,
            choose_seconds: choosing.elapsed().as_secs_f64(),
        };
        let figures = match phase {
            Phase::Initiation => &mut run.phases.initiation,
            Phase::Incremental => &mut run.phases.incremental,
        };
        figures.seconds += node.timing.total_seconds;
        figures.amount += cost.rows as u64;
        run.phases.incremental_steps += usize::from(phase == Phase::Incremental);
        run.nodes.push(node);
        Ok(Stepped { nodes: run.nodes.len() - 1..run.nodes.len(), stop: self.stop_reason(model.context()) })
    }

    fn release(&mut self, model: &mut dyn LanguageModel) {
        if let Some(sequence) = self.sequence.take() {
            model.release(sequence);
        }
    }
}

/// Draws from a row by its softmax, the kept ids laid end to end on 0–1.
pub fn draw(row: &Row, softmax: &Softmax, seed: u64, step: u64) -> (u32, Draw) {
    let value = uniform(seed, step);
    let (mut token, mut from, mut to) = (0, 0.0, 0.0);
    for id in Descending::new(row) {
        let probability = softmax.probability(row.value(id));
        // Rounding can end the last segment just below 1; a draw from the gap belongs to it.
        if probability == 0.0 {
            break;
        }
        (token, from, to) = (id, to, to + probability);
        if value < to {
            break;
        }
    }
    (token, Draw { value, seed, step, from, to })
}

fn refuse_broken(logits: &[f32], step: usize) -> Result<(), DecodingError> {
    match logits.iter().position(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        Some(index) => Err(DecodingError::BrokenLogit { step, token: index as u32, logit: logits[index] }),
        None => Ok(()),
    }
}
