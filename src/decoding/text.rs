//! One text that a strategy lengthens by several tokens a pass: its tokens, its sequence in the model, the chain
//! that judges its rows, and the record of a pass in the run.
//!
//! Between steps everything but the newest token is cached. Which tokens are tried, and which of them join the
//! text, the strategies know.

use std::time::Instant;

use super::accounting::{Cached, Moments, account};
use super::chain::{Chain, Filtered, StageContext};
use super::error::DecodingError;
use super::initiation::{ChunkSize, PassCost, Prefill, TakeHidden};
use super::row::refuse_broken;
use super::row_logits::RowLogits;
use super::settings::{CacheUse, DecodingSettings};
use super::stages::{History, Stage};
use super::strategy::{Control, Ending, Stepped, fork_shared};
use super::strategy_settings::Picking;
use crate::model::batch::{Batch, RowOutput};
use crate::model::selection::SamplingParams;
use crate::model::{LanguageModel, ModelError, SequenceId};
use crate::trace::{Node, NodeTiming, Run, StepDetail, StopReason, StrategyStep};

/// A text under way.
#[derive(Clone)]
pub(super) struct Text {
    /// What the stages do to a row.
    pub chain: Chain,
    /// How a token is picked from what they leave.
    pub picking: Picking,
    /// Key of the random draws.
    pub seed: u64,
    /// What ends it.
    pub ending: Ending,
    /// Prompt and generated tokens.
    pub tokens: Vec<u32>,
    cache: CacheUse,
    sequence: Option<SequenceId>,
    chunk: ChunkSize,
    /// What the step under way has cost so far.
    cost: PassCost,
}

/// What a pass brought to the text.
pub(super) struct Emitted {
    /// The nodes that join it, in order; their place in the run, cost and time are still to be filled in.
    pub nodes: Vec<Node>,
    /// What the strategy weighed.
    pub detail: StepDetail,
    /// When the step began.
    pub start: Instant,
    /// When its rows had come.
    pub choosing: Instant,
}

impl Text {
    /// For a prompt and settings that were checked.
    pub(super) fn new(
        settings: &DecodingSettings,
        stages: &StageContext,
        ending: Ending,
        prompt: &[u32],
    ) -> Self {
        Self {
            chain: Chain::of(settings, stages),
            picking: settings.picks(),
            seed: settings.seed,
            ending,
            tokens: prompt.to_vec(),
            cache: settings.cache,
            sequence: None,
            chunk: ChunkSize::default(),
            cost: PassCost::default(),
        }
    }

    /// Generated tokens so far.
    pub(super) fn generated(&self) -> usize {
        self.tokens.len() - self.ending.prompt
    }

    /// The step that finds the token after these, the prompt's included.
    pub(super) fn step_after(&self, tokens: &[u32]) -> usize {
        tokens.len() - self.ending.prompt + 1
    }

    /// Most tokens that may still join it.
    pub(super) fn room(&self, context: usize) -> usize {
        let wanted = self.ending.max_tokens.saturating_sub(self.generated());
        wanted.min(context.saturating_sub(self.tokens.len()))
    }

    /// Why it ends after these tokens, the prompt's included; `None` if it goes on.
    pub(super) fn reason(&self, tokens: &[u32], context: usize) -> Option<StopReason> {
        self.ending.reason(tokens, context)
    }

    /// Tokens of its own or of a draft as the stages see them.
    pub(super) fn history<'a>(&self, tokens: &'a [u32]) -> History<'a> {
        History { tokens, prompt: self.ending.prompt }
    }

    /// What to ask of the rows that the chain judges. A summary, where it is sure to decide: to find the highest
    /// value, or to draw where top-k leaves nothing beside the candidates. Rows that were summarised long ago
    /// could not be read again, so that others are asked for whole.
    pub(super) fn output(&self, vocabulary: usize) -> RowOutput {
        let bounded = || self.chain.stages.iter().any(|stage| matches!(stage, Stage::TopK(_)));
        match (self.chain.sampling_params(vocabulary, 0.0), self.picking) {
            (Some(_), Picking::Argmax) => RowOutput::Summary(SamplingParams::GREEDY),
            (Some(params), Picking::Sample) if bounded() => RowOutput::Summary(params),
            _ => RowOutput::Logits,
        }
    }

    /// As [`Self::filtered`] behind tokens that a pass has brought already. Where nothing is left they come first:
    /// `None`, and the next step meets the same row as its own, and tells.
    pub(super) fn filtered_behind(
        &self,
        gained: &[Node],
        seen: &RowLogits,
        step: usize,
        history: History<'_>,
    ) -> Result<Option<Option<Filtered>>, DecodingError> {
        match self.filtered(seen, step, history) {
            Err(DecodingError::NothingLeft { .. }) if !gained.is_empty() => Ok(None),
            filtered => filtered.map(Some),
        }
    }

    /// Runs the chain over a row, whose token is the `step`-th generated one. `None` if that takes the whole row.
    pub(super) fn filtered(
        &self,
        seen: &RowLogits,
        step: usize,
        history: History<'_>,
    ) -> Result<Option<Filtered>, DecodingError> {
        match seen {
            RowLogits::Row(logits) => {
                refuse_broken(logits, step)?;
                self.chain.run(logits, history).map(Some)
            }
            RowLogits::Summary(summary) if summary.broken > 0 => Ok(None),
            RowLogits::Summary(summary) => Ok(self.chain.run_summary(summary)),
        }
    }

    /// One pass over everything up to the newest token, in chunks; what `output` asks of that one's row.
    pub(super) fn initiate(
        &mut self,
        output: RowOutput,
        hidden: Option<TakeHidden<'_>>,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<RowLogits, DecodingError> {
        let sequence = *self.sequence.get_or_insert_with(|| self.ending.new_sequence(model));
        let (chunk, cost) = (&mut self.chunk, &mut self.cost);
        let prefill = Prefill { model, sequence, chunk, cost, control };
        Ok(RowLogits::one(prefill.pass_giving(&self.tokens, output, hidden)?))
    }

    /// Makes the cache hold everything but the newest token, and returns the sequence.
    pub(super) fn catch_up(
        &mut self,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<SequenceId, DecodingError> {
        self.compute_before_newest(self.tokens.len() - 1, None, model, control)
    }

    /// The same, with the final hidden states of the positions from `first` on at least.
    pub(super) fn hidden_from(
        &mut self,
        first: usize,
        hidden: TakeHidden<'_>,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<(), DecodingError> {
        self.compute_before_newest(first, Some(hidden), model, control).map(drop)
    }

    /// Computes what is not cached of everything before the newest token, and always from `first` on.
    fn compute_before_newest(
        &mut self,
        first: usize,
        hidden: Option<TakeHidden<'_>>,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<SequenceId, DecodingError> {
        let sequence = *self.sequence.get_or_insert_with(|| self.ending.new_sequence(model));
        let before = &self.tokens[..self.tokens.len() - 1];
        model.truncate(sequence, first.min(before.len()));
        if model.length(sequence) < before.len() {
            let mut control = Control { interrupt: control.interrupt, progress: &mut |_, _| {} };
            let (chunk, cost) = (&mut self.chunk, &mut self.cost);
            let prefill = Prefill { model, sequence, chunk, cost, control: &mut control };
            prefill.pass_giving(before, RowOutput::Nothing, hidden)?;
        }
        Ok(sequence)
    }

    /// One pass over a batch that goes on from the newest token; what it asks of its rows, in order, and the hidden states
    /// that it asks for.
    pub(super) fn try_out(
        &mut self,
        batch: &Batch,
        model: &mut dyn LanguageModel,
        control: &Control<'_>,
    ) -> Result<(Vec<RowLogits>, Vec<Vec<f32>>), DecodingError> {
        control.check()?;
        let mut outputs = self.cost.forward_unless(model, batch, control.interrupt)?;
        let hidden = std::mem::take(&mut outputs.hidden);
        Ok((RowLogits::all(outputs, batch.rows.iter().map(|row| row.output)), hidden))
    }

    /// Appends a gain to text and run, and lets the cache hold no more than the text without its newest token.
    pub(super) fn take(&mut self, gain: Emitted, model: &mut dyn LanguageModel, run: &mut Run) -> Stepped {
        let Emitted { nodes, detail, start, choosing } = gain;
        let first = run.nodes.len();
        let step = self.generated() + 1;
        self.tokens.extend(nodes.iter().map(|node| node.token));
        if let Some(sequence) = self.sequence {
            model.truncate(sequence, self.tokens.len() - 1);
        }
        if self.cache == CacheUse::Recompute {
            self.release(model);
        }
        let cached = Cached::now(model, self.sequence);
        for (index, mut node) in nodes.into_iter().enumerate() {
            node.step = step + index;
            // The pass is the first one's; the others came with it.
            if index == 0 {
                account(&mut node, run, Moments { start, choosing }, std::mem::take(&mut self.cost), cached);
            } else {
                node.phase = run.nodes[first].phase;
                node.timing = NodeTiming::default();
                node.counters = run.nodes[first].counters.without_work();
            }
            run.push(node);
        }
        let nodes = first..run.nodes.len();
        run.steps.push(StrategyStep { nodes: nodes.clone(), detail });
        Stepped { nodes, stop: self.reason(&self.tokens, model.context()) }
    }

    /// A fork of its sequence, cut to what other tokens have in common with it.
    pub(super) fn fork(
        &self,
        model: &mut dyn LanguageModel,
        tokens: &[u32],
    ) -> Result<Option<SequenceId>, ModelError> {
        fork_shared(model, self.sequence, &self.tokens, tokens)
    }

    /// The same on other tokens, which share what both have in common.
    pub(super) fn branch(&self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Self, ModelError> {
        let sequence = self.fork(model, tokens)?;
        Ok(Self { tokens: tokens.to_vec(), sequence, cost: PassCost::default(), ..self.clone() })
    }

    /// Begins in a sequence that holds the beginning of its tokens; gives back the one before.
    pub(super) fn adopt(&mut self, sequence: SequenceId) -> Option<SequenceId> {
        self.sequence.replace(sequence)
    }

    /// Forgets the sequence.
    pub(super) fn release(&mut self, model: &mut dyn LanguageModel) {
        if let Some(sequence) = self.sequence.take() {
            model.release(sequence);
        }
    }
}
