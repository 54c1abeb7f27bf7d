//! Beam search and beam sampling: several texts at once, each a sequence of its own in the cache, one row each in
//! every pass. Forks share the pages of what they have in common; those of dropped texts are freed at once.
//!
//! As in Hugging Face transformers 5, stages act on log-probabilities and not on logits, what they leave is added
//! up, and nothing is normalised again. Where tokens are drawn, that happens without replacement and for all
//! hypotheses together, from the softmax of the sums: Gumbel noise is added to every sum, and the highest are taken
//! (Kool, van Hoof and Welling 2019, section 3). The noise is a function of seed, step, hypothesis and token.

mod noise;
mod rows;
pub mod search;

use std::ops::Range;
use std::time::Instant;

use super::accounting::{Cached, Moments, account};
use super::chain::{Chain, Filtered, StageContext};
use super::error::DecodingError;
use super::initiation::{ChunkSize, PassCost};
use super::row::Descending;
use super::settings::{CacheUse, DecodingSettings};
use super::stages::History;
use super::strategy::{Branched, Control, Ending, Stepped, Strategy, common_prefix, fork_shared};
use super::strategy_settings::Picking;
use crate::model::{LanguageModel, ModelError, SequenceId};
use crate::trace::strategies::{BeamStep, Hypothesis, Pruned};
use crate::trace::{Node, Phase, ReturnedSequence, Run, StepDetail, StopReason, StrategyStep};
use noise::Noise;
use search::{Continuation, Rules, Taken};

/// Beam search or beam sampling.
#[derive(Clone)]
pub struct Beam {
    rules: Rules,
    returned: usize,
    chain: Chain,
    picking: Picking,
    seed: u64,
    cache: CacheUse,
    ending: Ending,
    /// Tokens that all hypotheses begin with: the prompt's, and what a person chose. Sums and lengths count from
    /// there.
    given: usize,
    /// The best first; one at the beginning.
    live: Vec<Live>,
    /// The best first.
    ended: Vec<Hypothesis>,
    chunk: ChunkSize,
    /// What a step that was interrupted has cost so far.
    cost: PassCost,
}

/// A text that goes on.
#[derive(Clone)]
struct Live {
    /// Prompt and generated tokens.
    tokens: Vec<u32>,
    /// The node of the last one; `None` where the run's line ends at the beginning.
    node: Option<usize>,
    /// Sum of the log-probabilities.
    log_probability: f64,
    /// Where all tokens but the last one are cached.
    sequence: Option<SequenceId>,
}

/// What a step decided, before it is written down.
struct Decision {
    taken: Taken,
    live: Vec<Hypothesis>,
    ended: Vec<Hypothesis>,
    pruned: Vec<Pruned>,
    is_done: bool,
}

impl Beam {
    /// For a prompt and settings that were checked; `context` is the model's.
    pub(super) fn new(
        settings: &DecodingSettings,
        stages: &StageContext,
        ending: Ending,
        prompt: &[u32],
        context: usize,
    ) -> Self {
        let beam = &settings.beam;
        let chain = Chain::of(settings, stages);
        let most_tokens = ending.max_tokens.min(context.saturating_sub(prompt.len()));
        let rules = Rules {
            beams: beam.beams,
            length_penalty: f64::from(beam.length_penalty),
            early_stopping: beam.early_stopping,
            end_tokens: ending.eos.len(),
            most_tokens,
        };
        Self {
            rules,
            returned: beam.returned,
            chain,
            picking: settings.picks(),
            seed: settings.seed,
            cache: settings.cache,
            ending,
            given: prompt.len(),
            live: vec![Live::root(prompt, None)],
            ended: Vec::new(),
            chunk: ChunkSize::default(),
            cost: PassCost::default(),
        }
    }

    /// Tokens of every live hypothesis.
    fn length(&self) -> usize {
        self.live[0].tokens.len()
    }

    /// The best continuations of each live hypothesis, as many as could be needed.
    fn continuations(&self, rows: &[Option<Filtered>], step: usize) -> Vec<Continuation> {
        let each = |(beam, (live, filtered)): (usize, (&Live, &Option<Filtered>))| {
            let Some(filtered) = filtered else { return Vec::new() };
            // Of one beam the stages see logits, as in greedy decoding; what they leave is normalised here.
            let norm = if self.rules.beams == 1 { filtered.after.log_sum_exp } else { 0.0 };
            let continuation = move |id| Continuation {
                beam,
                id,
                token: filtered.token(id),
                log_probability: live.log_probability + f64::from(filtered.row.value(id)) - norm,
                drawn: None,
            };
            match self.picking {
                Picking::Argmax => {
                    Descending::new(&filtered.row).take(self.rules.weighed()).map(continuation).collect()
                }
                Picking::Sample => {
                    let noise = Noise { seed: self.seed, step: step as u64, beam: beam as u32 };
                    noise.highest(filtered.row.kept.iter().map(|&id| continuation(id)), self.rules.weighed())
                }
            }
        };
        self.live.iter().zip(rows).enumerate().flat_map(each).collect::<Vec<_>>()
    }

    /// Decides the step; new nodes are numbered from `first` on, the live ones before the ended ones.
    fn decide(&self, rows: &[Option<Filtered>], step: usize, first: usize, context: usize) -> Decision {
        let all = self.continuations(rows, step);
        // One that the stages leave nothing falls with what it has.
        let least = |(live, row): (&Live, &Option<Filtered>)| match row {
            Some(_) => f64::NEG_INFINITY,
            None => live.log_probability,
        };
        let mut best_attainable: Vec<f64> = self.live.iter().zip(rows).map(least).collect();
        for continuation in &all {
            best_attainable[continuation.beam] =
                best_attainable[continuation.beam].max(continuation.log_probability);
        }
        let length = self.length() + 1;
        let reason = |continuation: &Continuation| self.ending.reason_at(continuation.token, length, context);
        let taken = self.rules.take(all, |continuation| reason(continuation).is_some());

        let generated = length - self.given;
        let hypothesis = |(place, continuation): (usize, &Continuation)| Hypothesis {
            node: first + place,
            log_probability: continuation.log_probability,
            score: self.rules.score(continuation.log_probability, generated),
            drawn: continuation.drawn,
        };
        let new: Vec<Hypothesis> =
            taken.live.iter().chain(&taken.ended).enumerate().map(hypothesis).collect();
        let (live, ending) = new.split_at(taken.live.len());
        let mut ended = self.ended.clone();
        let mut pruned = self.rules.keep(&mut ended, ending.iter().copied());
        let gone_on = |beam| taken.live.iter().chain(&taken.ended).any(|taken| taken.beam == beam);
        if let Some(rival) = live.last().or(ended.last()) {
            let fallen = (0..self.live.len()).filter(|&beam| !gone_on(beam));
            pruned.extend(fallen.filter_map(|beam| {
                let score = self.rules.score(best_attainable[beam], generated);
                let node = self.live[beam].node?;
                Some(Pruned { node, score, rival: rival.node, rival_score: rival.score })
            }));
        }
        let is_done = self.rules.is_done(live.first().map(|best| best.log_probability), generated, &ended);
        Decision { live: live.to_vec(), ended, pruned, is_done, taken }
    }

    /// A sequence for each of the new live hypotheses: the first that continues an old one takes its sequence
    /// over, the others fork it, and those of the old ones that nothing continues are freed. A failure changes
    /// nothing.
    fn pass_on(
        &self,
        taken: &[Continuation],
        model: &mut dyn LanguageModel,
    ) -> Result<Vec<Option<SequenceId>>, ModelError> {
        let mut children = vec![0; self.live.len()];
        let (mut sequences, mut forks) = (Vec::new(), Vec::new());
        for continuation in taken {
            let mut sequence = self.live[continuation.beam].sequence;
            children[continuation.beam] += 1;
            if let Some(parent) = sequence.filter(|_| children[continuation.beam] > 1) {
                let fork = model.fork(parent).inspect_err(|_| {
                    forks.drain(..).for_each(|fork| model.release(fork));
                })?;
                forks.push(fork);
                sequence = Some(fork);
            }
            sequences.push(sequence);
        }
        let dropped = self.live.iter().zip(&children).filter(|(_, children)| **children == 0);
        dropped.filter_map(|(live, _)| live.sequence).for_each(|sequence| model.release(sequence));
        Ok(sequences)
    }

    /// The node of a continuation: everything but timing and counters.
    fn node(&self, rows: &[Option<Filtered>], continuation: &Continuation, step: usize) -> Node {
        let live = &self.live[continuation.beam];
        let filtered = rows[continuation.beam].clone().expect("a continuation comes from a row");
        let node = self.chain.record(filtered, continuation.id, self.history(live));
        let phase = if step == 1 { Phase::Initiation } else { Phase::Incremental };
        Node { parent: live.node, step, phase, ..node }
    }

    fn history<'a>(&self, live: &'a Live) -> History<'a> {
        History { tokens: &live.tokens, prompt: self.ending.prompt }
    }

    /// Why the run is over: why its best text is.
    fn reason(&self, run: &Run, context: usize) -> Option<StopReason> {
        let node = &run.nodes[run.tip()?];
        self.ending.reason_at(node.token, self.ending.prompt + node.step, context)
    }
}

impl Strategy for Beam {
    fn step(
        &mut self,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError> {
        let start = Instant::now();
        control.check()?;
        if self.length() == self.given {
            self.live[0].node = run.tip();
        }
        let step = self.length() - self.ending.prompt + 1;
        let rows = self.judge(step, model, control)?;

        let choosing = Instant::now();
        let first = run.nodes.len();
        let Decision { taken, live, ended, pruned, is_done } =
            self.decide(&rows, step, first, model.context());
        // What the last step computed stays in the cache, for branches.
        let sequences = if is_done { Vec::new() } else { self.pass_on(&taken.live, model)? };
        let new = taken.live.iter().chain(&taken.ended);
        run.nodes.extend(new.map(|continuation| self.node(&rows, continuation, step)));
        if !is_done {
            let child = |((continuation, hypothesis), sequence): ((&Continuation, &Hypothesis), _)| Live {
                tokens: [&self.live[continuation.beam].tokens[..], &[continuation.token]].concat(),
                node: Some(hypothesis.node),
                log_probability: hypothesis.log_probability,
                sequence,
            };
            self.live = taken.live.iter().zip(&live).zip(sequences).map(child).collect();
        }
        self.ended.clone_from(&ended);

        let mut standing = ended.clone();
        if !is_done {
            standing.extend_from_slice(&live);
            standing.sort_by(|one, other| other.score.total_cmp(&one.score));
        }
        let returned = standing.iter().take(self.returned);
        run.sequences = returned.map(|one| ReturnedSequence { node: one.node, score: one.score }).collect();
        run.follow(run.sequences.first().map(|best| best.node));
        let nodes = first..run.nodes.len();
        let from_step = self.given - self.ending.prompt + 1;
        let detail = StepDetail::Beam(BeamStep { from_step, live, finished: ended, pruned });
        run.steps.push(StrategyStep { nodes: nodes.clone(), detail });
        self.account(step, run, nodes.clone(), Moments { start, choosing }, model);
        let stop = if is_done { self.reason(run, model.context()) } else { None };
        Ok(Stepped { nodes, stop })
    }

    fn adopt(&mut self, sequence: SequenceId) -> Option<SequenceId> {
        match self.live.first_mut() {
            Some(root) => root.sequence.replace(sequence),
            None => Some(sequence),
        }
    }

    fn branch(&mut self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Branched, DecodingError> {
        let root = Live::root(tokens, self.fork(model, tokens)?);
        let stop = self.ending.reason(tokens, model.context());
        let mut rules = self.rules;
        rules.most_tokens = (rules.most_tokens + self.given).saturating_sub(tokens.len()).max(1);
        let strategy = Box::new(Self {
            rules,
            given: tokens.len(),
            live: vec![root],
            ended: Vec::new(),
            cost: PassCost::default(),
            ..self.clone()
        });
        Ok(Branched { strategy, stop })
    }

    fn fork(&self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Option<SequenceId>, ModelError> {
        let cached = self.live.iter().filter_map(|live| Some((live, live.sequence?)));
        let nearest = cached.max_by_key(|(live, _)| common_prefix(&live.tokens, tokens));
        nearest.map_or(Ok(None), |(live, sequence)| fork_shared(model, Some(sequence), &live.tokens, tokens))
    }

    fn release(&mut self, model: &mut dyn LanguageModel) {
        let sequences = self.live.iter_mut().filter_map(|live| live.sequence.take());
        sequences.for_each(|sequence| model.release(sequence));
    }
}

impl Beam {
    /// Writes down what the step took: in the run's phases, and on each of its nodes, as it was one for all of them.
    fn account(
        &mut self,
        step: usize,
        run: &mut Run,
        nodes: Range<usize>,
        moments: Moments,
        model: &dyn LanguageModel,
    ) {
        let longest = self.live.iter().filter_map(|live| live.sequence).max_by_key(|&one| model.length(one));
        let (cost, cached) = (std::mem::take(&mut self.cost), Cached::now(model, longest));
        // Where every text that went on fell, the step has no nodes.
        let Some(first) = run.nodes.get_mut(nodes.start) else {
            account(&mut Node { step, ..Node::default() }, run, moments, cost, cached);
            return;
        };
        let mut node = std::mem::take(first);
        account(&mut node, run, moments, cost, cached);
        for index in nodes.clone() {
            let other = &mut run.nodes[index];
            (other.counters, other.timing, other.phase) = (node.counters, node.timing, node.phase);
        }
        run.nodes[nodes.start] = node;
    }
}

impl Live {
    /// The one that all others will continue.
    fn root(tokens: &[u32], sequence: Option<SequenceId>) -> Self {
        Self { tokens: tokens.to_vec(), node: None, log_probability: 0.0, sequence }
    }
}
