//! What strategies add to a run beside its nodes: for each of their steps what they weighed and why it came out so.
//!
//! Greedy decoding and sampling add nothing: their nodes say it all.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One step of a strategy that weighs more than one row of logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StrategyStep {
    /// Indices in [`super::Run::nodes`] of the nodes that the step appended.
    pub nodes: Range<usize>,
    /// What it weighed.
    pub detail: StepDetail,
}

/// What a step weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepDetail {
    /// Of beam search.
    Beam(BeamStep),
    /// Of contrastive search.
    Contrastive(ContrastiveStep),
    /// Of speculative decoding.
    Speculative(SpeculativeStep),
    /// Of lookahead decoding.
    Lookahead(LookaheadStep),
}

/// A token with its spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// As the vocabulary spells it; empty without a tokenizer.
    pub piece: String,
}

/// The hypotheses after a step of beam search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BeamStep {
    /// The step from which on sums and lengths count: 1 for a search that began at the prompt, a later one for a search
    /// that took up a line or followed a token chosen by hand; 0 in traces from before it was recorded.
    #[serde(default)]
    pub from_step: usize,
    /// Those that go on, the best first.
    pub live: Vec<Hypothesis>,
    /// Those that ended and are kept so far, the best first.
    pub finished: Vec<Hypothesis>,
    /// Those that fell at this step.
    pub pruned: Vec<Pruned>,
}

/// One text under way, or ended, in beam search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// Its last node: an index in [`super::Run::nodes`].
    pub node: usize,
    /// Sum of its tokens' log-probabilities after the stages, from [`BeamStep::from_step`] on, in nats (computed).
    pub log_probability: f64,
    /// The sum divided by length^penalty, by which finished ones are compared (computed); length counts the same
    /// tokens.
    pub score: f64,
    /// The sum with the noise by which the last token was drawn, in beam sampling.
    #[serde(default)]
    pub drawn: Option<f64>,
}

/// A hypothesis that others displaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pruned {
    /// Its last node.
    pub node: usize,
    /// The best that it would have come to: of its continuations at this step, or of itself if it had ended.
    pub score: f64,
    /// The last node of the lowest one that stayed.
    pub rival: usize,
    /// That one's score, of the same kind.
    pub rival_score: f64,
}

/// The candidates of a step of contrastive search (Su et al. 2022, equation 2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContrastiveStep {
    /// α: the weight of the penalty.
    pub alpha: f32,
    /// The candidates, by descending probability.
    pub candidates: Vec<ContrastiveCandidate>,
    /// Index of the one chosen.
    pub chosen: usize,
}

/// One candidate of contrastive search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContrastiveCandidate {
    /// The token.
    pub token: Token,
    /// Its probability under the raw softmax.
    pub probability: f32,
    /// The largest cosine similarity of its final hidden state with that of an earlier position (computed).
    pub penalty: f32,
    /// That position, from 0: the prompt's first.
    pub similar_position: usize,
    /// (1 − α) · probability − α · penalty (computed).
    pub score: f32,
}

/// A draft and what became of it (Leviathan et al. 2023; Chen et al. 2023).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpeculativeStep {
    /// Who drafted.
    pub drafter: DraftSource,
    /// The drafted tokens, in order; none when the drafter had nothing to say.
    pub drafted: Vec<Drafted>,
    /// The token that the target model added itself.
    pub added: Added,
    /// Passes of the draft model.
    pub draft_passes: usize,
    /// Seconds of drafting (measured by the clock).
    pub draft_seconds: f64,
}

/// Who drafts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftSource {
    /// A second, smaller model.
    Model,
    /// The model's own head (multi-token prediction).
    Head,
    /// What followed the same tokens earlier in prompt or text.
    #[default]
    PromptLookup,
}

/// One drafted token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drafted {
    /// The token.
    pub token: Token,
    /// q: its probability in the distribution that it was drafted from, after the stages; 1 for a lookup.
    pub draft_probability: f32,
    /// p: its probability in the target's distribution, after the stages; 0 where no verdict was reached, and for one
    /// outside of the row's candidates.
    pub target_probability: f32,
    /// The random number that it was held against, where sampling; it is accepted if that is below p / q.
    pub draw: Option<f64>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a drafted token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It joined the text.
    Accepted,
    /// The target chose another one.
    Rejected,
    /// One before it was rejected, or ended the text.
    #[default]
    Unreached,
}

/// What the token is that the target model adds to a draft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Added {
    /// In place of the first rejected one.
    Correction,
    /// All were accepted: one more, for free.
    #[default]
    Bonus,
    /// None: an accepted token ended the text.
    Nothing,
}

/// The window and the pool of a step of lookahead decoding (Fu et al. 2023).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LookaheadStep {
    /// The window that went into the pass: levels of equally many tokens, the oldest guesses first. Up to N − 1
    /// levels, which come pass by pass; none in initiation, and of no tokens at the context's end.
    pub window: Vec<Vec<Token>>,
    /// The guesses that the pass verified: what may follow the newest token.
    pub guesses: Vec<Guess>,
    /// n-grams that were new to the pool: the window's finished trajectories, then those that the text makes with its
    /// new tokens.
    pub collected: Vec<Vec<Token>>,
    /// n-grams in the pool after it.
    pub pool: usize,
}

/// One n-gram from the pool, held against what the model says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guess {
    /// The tokens that may follow the newest one.
    pub tokens: Vec<Token>,
    /// How many of them, from the first on, the model chose as well.
    pub accepted: usize,
    /// Where it came from.
    pub source: NgramSource,
}

/// Where an n-gram of the pool came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NgramSource {
    /// The window's trajectories.
    #[default]
    Window,
    /// The text: the prompt, or what was generated since.
    Prompt,
}

impl StepDetail {
    /// Every token that it names, for whoever knows the vocabulary.
    pub fn tokens_mut(&mut self) -> Vec<&mut Token> {
        match self {
            Self::Beam(_) => Vec::new(),
            Self::Contrastive(step) => {
                step.candidates.iter_mut().map(|candidate| &mut candidate.token).collect()
            }
            Self::Speculative(step) => step.drafted.iter_mut().map(|drafted| &mut drafted.token).collect(),
            Self::Lookahead(LookaheadStep { window, guesses, collected, .. }) => {
                let guesses = guesses.iter_mut().flat_map(|guess| &mut guess.tokens);
                window.iter_mut().chain(collected).flatten().chain(guesses).collect()
            }
        }
    }
}

impl SpeculativeStep {
    /// How many drafted tokens, from the first on, joined the text.
    pub fn accepted(&self) -> usize {
        self.drafted.iter().filter(|token| token.verdict == Verdict::Accepted).count()
    }
}

impl StepDetail {
    /// How many of the step's tokens, from the first on, were guessed ahead and only verified by the pass.
    pub fn guessed(&self) -> usize {
        match self {
            Self::Speculative(step) => step.accepted(),
            Self::Lookahead(step) => step.guesses.iter().map(|guess| guess.accepted).max().unwrap_or(0),
            Self::Beam(_) | Self::Contrastive(_) => 0,
        }
    }

    /// Every node that it names.
    pub fn nodes(&self) -> Vec<usize> {
        let Self::Beam(BeamStep { live, finished, pruned, .. }) = self else { return Vec::new() };
        let hypotheses = live.iter().chain(finished).map(|hypothesis| hypothesis.node);
        hypotheses.chain(pruned.iter().flat_map(|pruned| [pruned.node, pruned.rival])).collect()
    }
}

impl From<u32> for Token {
    fn from(id: u32) -> Self {
        Self { id, piece: String::new() }
    }
}
