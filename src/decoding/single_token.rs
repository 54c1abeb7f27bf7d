//! One token a step: greedy decoding and sampling, which differ in their chain and in how they pick.
//!
//! Where the chain allows it, a row of logits is judged by its summary, and where the model can go on by
//! itself, the next pass is under way before this one's results are read. The model's own choice is a
//! forecast: where the decision is another one, the pass that followed is forgotten.

use std::time::Instant;

use super::accounting::{Cached, Moments, append};
use super::chain::{Chain, Filtered, StageContext};
use super::draw::draw;
use super::error::DecodingError;
use super::initiation::{ChunkSize, PassCost, Prefill};
use super::random::uniform;
use super::row::refuse_broken;
use super::row_logits::RowLogits;
use super::settings::{CacheUse, DecodingSettings};
use super::stages::History;
use super::strategy::{Branched, Control, Ending, Stepped, Strategy, fork_shared};
use super::strategy_settings::Picking;
use crate::model::batch::{Batch, RowOutput};
use crate::model::language_model::{ChainedModel, PassId};
use crate::model::selection::SamplingParams;
use crate::model::{LanguageModel, ModelError, SequenceId};
use crate::trace::{Draw, Node, Run};

/// Greedy decoding or sampling of one text.
#[derive(Clone)]
pub struct SingleToken {
    chain: Chain,
    picking: Picking,
    seed: u64,
    cache: CacheUse,
    /// Whether passes begin before the one before is read, where the model can do that.
    ahead: bool,
    ending: Ending,
    /// Prompt and generated tokens.
    tokens: Vec<u32>,
    sequence: Option<SequenceId>,
    /// The pass over the newest token, when it is already under way.
    pending: Option<PendingPass>,
    chunk: ChunkSize,
    /// What a step that was interrupted has cost so far.
    cost: PassCost,
}

/// A pass under way.
#[derive(Clone, Copy)]
struct PendingPass {
    pass: PassId,
    /// What the cache held once it was submitted.
    cached: Cached,
}

/// What a step decided.
struct Decision {
    node: Node,
    /// What the model chose, where it did.
    forecast: Option<u32>,
}

impl SingleToken {
    /// For a prompt and settings that were checked.
    pub(super) fn new(
        settings: &DecodingSettings,
        context: &StageContext,
        ending: Ending,
        prompt: &[u32],
    ) -> Self {
        Self {
            chain: Chain::of(settings, context),
            picking: settings.picks(),
            seed: settings.seed,
            cache: settings.cache,
            ahead: true,
            ending,
            tokens: prompt.to_vec(),
            sequence: None,
            pending: None,
            chunk: ChunkSize::default(),
            cost: PassCost::default(),
        }
    }

    /// Generated tokens so far.
    fn generated(&self) -> usize {
        self.tokens.len() - self.ending.prompt
    }

    /// What a step asks of its row of logits.
    fn output(&self, step: usize, vocabulary: usize) -> RowOutput {
        let uniform = match self.picking {
            Picking::Argmax => 0.0,
            Picking::Sample => uniform(self.seed, step as u64) as f32,
        };
        match (self.chain.sampling_params(vocabulary, uniform), self.picking) {
            (None, _) => RowOutput::Logits,
            (Some(_), Picking::Argmax) => RowOutput::Summary(SamplingParams::GREEDY),
            (Some(params), Picking::Sample) => RowOutput::Summary(params),
        }
    }

    /// Computes everything up to the newest token, and asks `output` of it.
    fn compute(
        &mut self,
        output: RowOutput,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<RowLogits, DecodingError> {
        let sequence = *self.sequence.get_or_insert_with(|| self.ending.new_sequence(model));
        let mut silent = |_, _| {};
        let mut control = Control {
            interrupt: control.interrupt,
            progress: if self.generated() == 0 { &mut *control.progress } else { &mut silent },
        };
        let (chunk, cost) = (&mut self.chunk, &mut self.cost);
        let prefill = Prefill { model, sequence, chunk, cost, control: &mut control };
        Ok(RowLogits::one(prefill.pass(&self.tokens, output)?))
    }

    /// Chooses from what was seen. A summary that does not decide is replaced by its row; where the model has
    /// it no more, the pass that followed goes, and this one is computed again.
    fn decide(
        &mut self,
        seen: RowLogits,
        next: &mut Option<PendingPass>,
        step: usize,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<Decision, DecodingError> {
        let (logits, forecast) = match seen {
            RowLogits::Row(logits) => (logits, None),
            RowLogits::Summary(summary) => {
                let filtered = (summary.broken == 0).then(|| self.chain.run_summary(&summary)).flatten();
                if let Some(node) = filtered.and_then(|filtered| self.choose(filtered, step)) {
                    return Ok(Decision { node, forecast: Some(summary.chosen) });
                }
                let logits = match model.read_row(summary.row)? {
                    Some(logits) => logits,
                    None => {
                        discard(next.take(), model);
                        match self.compute(RowOutput::Logits, model, control)? {
                            RowLogits::Row(logits) => logits,
                            RowLogits::Summary(_) => unreachable!("a pass returns what its batch asks for"),
                        }
                    }
                };
                (logits, Some(summary.chosen))
            }
        };
        refuse_broken(&logits, step)?;
        let filtered = self.chain.run(&logits, self.history())?;
        let node = self.choose(filtered, step).expect("a whole row decides everything");
        Ok(Decision { node, forecast })
    }

    /// The node for the token chosen; `None` if a draw falls on what is not listed.
    fn choose(&self, filtered: Filtered, step: usize) -> Option<Node> {
        let (id, draw) = match self.picking {
            Picking::Argmax => (filtered.row.best().unwrap_or_default(), None),
            Picking::Sample => {
                let (id, drawn) = draw(&filtered.row, &filtered.after, self.seed, step as u64);
                let beyond = |draw: &Draw| filtered.row.tail.count > 0 && draw.value >= draw.to;
                if beyond(&drawn) {
                    return None;
                }
                if filtered.after_least != filtered.after {
                    let (other, least) = draw(&filtered.row, &filtered.after_least, self.seed, step as u64);
                    if beyond(&least) || id != other {
                        return None;
                    }
                }
                (id, Some(drawn))
            }
        };
        Some(Node { draw, ..self.chain.record(filtered, id, self.history()) })
    }

    fn history(&self) -> History<'_> {
        History { tokens: &self.tokens, prompt: self.ending.prompt }
    }
}

/// Passes that follow each other without waiting.
impl SingleToken {
    /// The pass over the newest token: the one under way, or one submitted now. `None` where the model or
    /// the settings do not allow it, or more than one token has to be computed.
    fn take_pending(
        &mut self,
        output: RowOutput,
        model: &mut dyn LanguageModel,
    ) -> Result<Option<PendingPass>, ModelError> {
        let pending = self.pending.take();
        let (Some(sequence), CacheUse::Reuse, RowOutput::Summary(_), true) =
            (self.sequence, self.cache, output, self.ahead)
        else {
            return Ok(None);
        };
        let done = model.length(sequence);
        if pending.is_some() || done + 1 != self.tokens.len() {
            return Ok(pending);
        }
        let batch = Batch::chain(sequence, done, &self.tokens[done..], output);
        let submit =
            |model: &mut dyn LanguageModel| model.chained().map(|chained| chained.submit(&batch)).transpose();
        let Some(pass) = self.cost.watching(model, submit)? else { return Ok(None) };
        Ok(Some(PendingPass { pass, cached: Cached::now(model, self.sequence) }))
    }

    /// Submits the pass of the step after this one, with the token that the model chooses by itself.
    fn follow(
        &self,
        pending: PendingPass,
        step: usize,
        model: &mut dyn LanguageModel,
    ) -> Option<PendingPass> {
        if self.generated() + 1 >= self.ending.max_tokens || self.tokens.len() + 1 >= model.context() {
            return None;
        }
        let output = self.output(step + 1, model.vocabulary());
        // An error is not lost: without a pass under way the next step computes it, and meets it again.
        let pass = model.chained()?.follow(pending.pass, output).ok()?;
        Some(PendingPass { pass, cached: Cached::now(model, self.sequence) })
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
        control.check()?;
        self.chain.follow(run.tip().map(|tip| &run.nodes[tip]));
        let step = self.generated() + 1;
        let output = self.output(step, model.vocabulary());
        let (seen, mut next, mut cached) = match self.take_pending(output, model)? {
            Some(pending) => {
                let next = self.follow(pending, step, model);
                let collect =
                    |chained: &mut dyn ChainedModel| chained.collect_unless(pending.pass, control.interrupt);
                let collected = model.chained().map(collect);
                let outputs = collected.expect("a model that took a pass gives it back");
                let outputs = outputs.inspect_err(|_| discard(next, model))?;
                self.cost.add(1, &outputs.timing);
                (RowLogits::one(outputs), next, pending.cached)
            }
            None => {
                let seen = self.compute(output, model, control)?;
                (seen, None, Cached::now(model, self.sequence))
            }
        };

        let choosing = Instant::now();
        let decision = self.decide(seen, &mut next, step, model, control);
        let Decision { mut node, forecast } = decision.inspect_err(|_| discard(next, model))?;
        self.tokens.push(node.token);
        let stop = self.ending.reason(&self.tokens, model.context());
        if forecast == Some(node.token) && stop.is_none() {
            self.pending = next;
        } else {
            discard(next, model);
        }
        if self.cache == CacheUse::Recompute {
            self.release(model);
            cached = Cached::now(model, self.sequence);
        }
        node.step = step;
        let nodes = append(node, run, Moments { start, choosing }, std::mem::take(&mut self.cost), cached);
        Ok(Stepped { nodes, stop })
    }

    fn branch(&mut self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Branched, DecodingError> {
        let sequence = self.fork(model, tokens)?;
        let cost = PassCost::default();
        let stop = self.ending.reason(tokens, model.context());
        let strategy =
            Box::new(Self { tokens: tokens.to_vec(), sequence, pending: None, cost, ..self.clone() });
        Ok(Branched { strategy, stop })
    }

    fn fork(&self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Option<SequenceId>, ModelError> {
        fork_shared(model, self.sequence, &self.tokens, tokens)
    }

    fn adopt(&mut self, sequence: SequenceId) -> Option<SequenceId> {
        self.sequence.replace(sequence)
    }

    fn take_turns(&mut self) {
        self.ahead = false;
    }

    fn rest(&mut self, model: &mut dyn LanguageModel) {
        discard(self.pending.take(), model);
    }

    fn release(&mut self, model: &mut dyn LanguageModel) {
        self.rest(model);
        if let Some(sequence) = self.sequence.take() {
            model.release(sequence);
        }
    }
}

fn discard(pending: Option<PendingPass>, model: &mut dyn LanguageModel) {
    if let (Some(pending), Some(chained)) = (pending, model.chained()) {
        chained.discard(pending.pass);
    }
}
