//! Contrastive search (Su, Lan, Wang, Yogatama, Kong and Collier, "A contrastive framework for neural text
//! generation", 2022, section 4.2): of the most probable tokens the one that is least like what came before.
//!
//! At every step the k most probable tokens of the raw softmax are computed as branches in one pass. The penalty
//! of a candidate is the largest cosine similarity of its final hidden state (after the last norm, before the LM
//! head) with that of an earlier position, the prompt's included; the one with the highest
//! (1 − α) · probability − α · penalty stays. Stages have no part in it, and are refused.

use std::time::Instant;

use super::accounting::{Cached, Moments, append};
use super::chain::{Chain, Filtered, StageContext};
use super::error::DecodingError;
use super::initiation::{ChunkSize, PassCost, Prefill};
use super::row::refuse_broken;
use super::settings::DecodingSettings;
use super::stages::History;
use super::strategy::{Branched, Control, Ending, Stepped, Strategy, fork_shared};
use super::strategy_settings::{ContrastiveSettings, Picking};
use crate::model::batch::{Batch, Row, RowOutput};
use crate::model::selection::SamplingParams;
use crate::model::{LanguageModel, ModelError, SequenceId, Summary};
use crate::trace::strategies::{ContrastiveCandidate, ContrastiveStep};
use crate::trace::{Run, StepDetail, StrategyStep};

/// Contrastive search of one text.
#[derive(Clone)]
pub struct Contrastive {
    /// Only cuts what is never chosen: the distribution is else the model's own.
    chain: Chain,
    settings: ContrastiveSettings,
    ending: Ending,
    /// Prompt and generated tokens.
    tokens: Vec<u32>,
    sequence: Option<SequenceId>,
    /// The final hidden states of the cached positions.
    states: Directions,
    /// What the model says after the newest token; `None` until it is computed.
    next: Option<Summary>,
    chunk: ChunkSize,
    /// What a step that was interrupted has cost so far.
    cost: PassCost,
}

/// Hidden states, scaled to length 1.
#[derive(Clone, Default)]
struct Directions {
    /// C, once a state is there.
    width: usize,
    elements: Vec<f32>,
}

/// A candidate that was computed.
struct Tried {
    state: Vec<f32>,
    /// What the model says after it.
    next: Summary,
    trace: ContrastiveCandidate,
}

impl Contrastive {
    /// For a prompt and settings that were checked; stages are refused, but for the tokens that are never chosen.
    pub(super) fn new(
        settings: &DecodingSettings,
        stages: &StageContext,
        ending: Ending,
        prompt: &[u32],
    ) -> Result<Self, DecodingError> {
        let asked = Chain::new(&settings.stages, Picking::Argmax, stages, 0);
        if let Some(stage) = asked.stages.iter().find(|stage| !stage.is_for_contrastive()) {
            return Err(DecodingError::WithoutStages { stage: stage.name() });
        }
        Ok(Self {
            chain: Chain::of(settings, stages),
            settings: settings.contrastive,
            ending,
            tokens: prompt.to_vec(),
            sequence: None,
            states: Directions::default(),
            next: None,
            chunk: ChunkSize::default(),
            cost: PassCost::default(),
        })
    }

    /// Computes what is not cached of the text, and gives what the model says after it.
    fn after_text(
        &mut self,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<Summary, DecodingError> {
        if let Some(next) = self.next.take() {
            return Ok(next);
        }
        let sequence = *self.sequence.get_or_insert_with(|| self.ending.new_sequence(model));
        let (tokens, states) = (&self.tokens, &mut self.states);
        let mut keep = |first: usize, hidden: Vec<Vec<f32>>| {
            states.truncate(first);
            hidden.iter().for_each(|state| states.push(state));
        };
        let (chunk, cost) = (&mut self.chunk, &mut self.cost);
        let output = RowOutput::Summary(SamplingParams::GREEDY);
        let prefill = Prefill { model, sequence, chunk, cost, control };
        let outputs = prefill.pass_giving(tokens, output, Some(&mut keep))?;
        Ok(outputs.summaries.into_iter().next_back().expect("a pass returns what its batch asks for"))
    }

    /// The model's distribution over what may be chosen; an error if it computed NaN.
    fn distribution(
        &self,
        summary: &Summary,
        step: usize,
        model: &mut dyn LanguageModel,
    ) -> Result<Filtered, DecodingError> {
        let filtered = (summary.broken == 0).then(|| self.chain.run_summary(summary)).flatten();
        if let Some(filtered) = filtered {
            return Ok(filtered);
        }
        // Only the whole row tells which logit is broken, and what is left of it where tokens are cut. It may be gone:
        // the newest token is computed again.
        let (sequence, newest) = (self.sequence.expect("the text is cached"), self.tokens.len() - 1);
        model.truncate(sequence, newest);
        let batch = Batch::chain(sequence, newest, &self.tokens[newest..], RowOutput::Logits);
        let logits = model.forward(&batch)?.logits.pop().expect("a pass returns what its batch asks for");
        refuse_broken(&logits, step)?;
        self.chain.run(&logits, self.history())
    }

    /// Computes the candidates, in as few passes as the model takes them, and weighs them. The first of the last
    /// pass stays in the cache; its index comes back as well.
    fn try_candidates(
        &mut self,
        candidates: &[(u32, f64)],
        sequence: SequenceId,
        model: &mut dyn LanguageModel,
    ) -> Result<(Vec<Tried>, usize), DecodingError> {
        let length = self.tokens.len();
        let mut tried = Vec::with_capacity(candidates.len());
        let mut first = 0;
        for part in candidates.chunks(model.max_rows()) {
            model.truncate(sequence, length);
            first = tried.len();
            let row = |&(token, _): &(u32, f64)| Row {
                token,
                position: length,
                sequence,
                parent: None,
                output: RowOutput::Summary(SamplingParams::GREEDY),
            };
            let batch = Batch::from(part.iter().map(row).collect::<Vec<_>>()).with_hidden();
            let outputs = self.cost.forward(model, &batch)?;
            let results = outputs.hidden.into_iter().zip(outputs.summaries);
            for (&(token, probability), (state, next)) in part.iter().zip(results) {
                let trace = self.weigh(token, probability, &state);
                tried.push(Tried { state, next, trace });
            }
        }
        Ok((tried, first))
    }

    fn weigh(&self, token: u32, probability: f64, state: &[f32]) -> ContrastiveCandidate {
        let (similar_position, penalty) = self.states.most_similar(state);
        let alpha = f64::from(self.settings.penalty_alpha);
        ContrastiveCandidate {
            token: token.into(),
            probability: probability as f32,
            penalty: penalty as f32,
            similar_position,
            score: ((1.0 - alpha) * probability - alpha * penalty) as f32,
        }
    }

    /// Lets a candidate be the one in the cache behind the text.
    fn keep(
        &mut self,
        chosen: usize,
        first: usize,
        tried: &Tried,
        sequence: SequenceId,
        model: &mut dyn LanguageModel,
    ) -> Result<(), DecodingError> {
        let length = self.tokens.len();
        match chosen.checked_sub(first) {
            Some(0) => {}
            Some(row) => {
                model.truncate(sequence, length);
                model.accept(sequence, &[row])?;
            }
            // It was computed in an earlier pass than the last one.
            None => {
                model.truncate(sequence, length);
                let token = tried.trace.token.id;
                let batch = Batch::chain(sequence, length, &[token], RowOutput::Nothing);
                self.cost.forward(model, &batch)?;
            }
        }
        self.states.push(&tried.state);
        Ok(())
    }

    fn history(&self) -> History<'_> {
        History { tokens: &self.tokens, prompt: self.ending.prompt }
    }
}

impl Strategy for Contrastive {
    fn step(
        &mut self,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError> {
        let start = Instant::now();
        control.check()?;
        let step = self.tokens.len() - self.ending.prompt + 1;
        let before = self.after_text(model, control)?;
        let sequence = self.sequence.expect("the text is cached");
        let filtered = self.distribution(&before, step, model)?;
        let places: Vec<u32> = filtered.row.top(self.settings.candidates);
        let candidates: Vec<(u32, f64)> = places
            .iter()
            .map(|&place| (filtered.token(place), filtered.row.probability(&filtered.after, place)))
            .collect();
        // Nothing is lost where a pass fails: the text stays cached, and this summary is still true.
        self.next = Some(before);
        let (mut tried, first) = self.try_candidates(&candidates, sequence, model)?;

        let choosing = Instant::now();
        let better = |best: usize, index: usize| {
            if tried[index].trace.score > tried[best].trace.score { index } else { best }
        };
        let chosen = (1..tried.len()).fold(0, better);
        self.keep(chosen, first, &tried[chosen], sequence, model)?;
        let mut node = self.chain.record(filtered, places[chosen], self.history());
        self.tokens.push(node.token);
        let trace = tried.iter().map(|tried| tried.trace.clone()).collect();
        self.next = Some(tried.swap_remove(chosen).next);

        node.step = step;
        let (cost, cached) = (std::mem::take(&mut self.cost), Cached::now(model, self.sequence));
        let nodes = append(node, run, Moments { start, choosing }, cost, cached);
        let detail = ContrastiveStep { alpha: self.settings.penalty_alpha, candidates: trace, chosen };
        run.steps.push(StrategyStep { nodes: nodes.clone(), detail: StepDetail::Contrastive(detail) });
        Ok(Stepped { nodes, stop: self.ending.reason(&self.tokens, model.context()) })
    }

    fn branch(&mut self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Branched, DecodingError> {
        let sequence = self.fork(model, tokens)?;
        let mut strategy =
            Self { tokens: tokens.to_vec(), sequence, next: None, cost: PassCost::default(), ..self.clone() };
        strategy.states.truncate(sequence.map_or(0, |sequence| model.length(sequence)));
        let stop = strategy.ending.reason(tokens, model.context());
        Ok(Branched { strategy: Box::new(strategy), stop })
    }

    fn fork(&self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Option<SequenceId>, ModelError> {
        fork_shared(model, self.sequence, &self.tokens, tokens)
    }

    fn release(&mut self, model: &mut dyn LanguageModel) {
        if let Some(sequence) = self.sequence.take() {
            model.release(sequence);
        }
    }
}

impl Directions {
    fn push(&mut self, state: &[f32]) {
        self.width = state.len();
        let length = dot(state, state).sqrt();
        // A state of zeros has no direction: it is like nothing.
        let scale = if length > 0.0 { length.recip() } else { 0.0 };
        self.elements.extend(state.iter().map(|&x| (f64::from(x) * scale) as f32));
    }

    fn truncate(&mut self, count: usize) {
        self.elements.truncate(count * self.width);
    }

    /// The position whose state has the largest cosine similarity with this one, the first among equals, and that
    /// similarity.
    fn most_similar(&self, state: &[f32]) -> (usize, f64) {
        let length = dot(state, state).sqrt();
        let scale = if length > 0.0 { length.recip() } else { 0.0 };
        let similarities =
            self.elements.chunks_exact(self.width.max(1)).map(|known| dot(known, state) * scale);
        let larger = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
        similarities.enumerate().reduce(larger).unwrap_or_default()
    }
}

/// Σ a·b, in eight sums of f32 for each thousand elements, those in f64: quick, and exact to some 1e-6 of the
/// lengths.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let part = |(a, b): (&[f32], &[f32])| {
        let mut sums = [0f32; LANES];
        let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
        for (a, b) in a.zip(b) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(rest)
    };
    a.chunks(1024).zip(b.chunks(1024)).map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::{Directions, dot};

    #[test]
    fn the_most_similar_direction_is_found_whatever_the_lengths() {
        let mut states = Directions::default();
        for state in [[3.0, 0.0], [0.0, 0.0], [5.0, 5.0], [0.5, 0.5]] {
            states.push(&state);
        }
        let (position, similarity) = states.most_similar(&[0.0, 8.0]);
        assert_eq!(position, 2);
        assert!((similarity - 0.5f64.sqrt()).abs() < 1e-6, "{similarity}");
        states.truncate(2);
        assert_eq!(states.most_similar(&[-1.0, 0.0]).0, 1);
        assert_eq!(Directions::default().most_similar(&[1.0]), (0, 0.0));
    }

    #[test]
    fn sums_take_every_element_in() {
        let numbers: Vec<f32> = (1..=1029).map(|index| index as f32 / 64.0).collect();
        let exact: f64 = numbers.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        assert!((dot(&numbers, &numbers) / exact - 1.0).abs() < 1e-6);
    }
}
