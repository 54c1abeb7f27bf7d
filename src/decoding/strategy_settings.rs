//! What a user can set about single strategies, with the ranges that make sense.

use serde::{Deserialize, Serialize};

use super::error::{DecodingError, ensure};

/// How a strategy that can do both picks from what the stages leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picking {
    /// The highest.
    #[default]
    #[serde(rename = "highest")]
    Argmax,
    /// By random draws.
    #[serde(rename = "draws")]
    Sample,
}

/// Beam search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BeamSettings {
    /// How many hypotheses go on at every step.
    pub beams: usize,
    /// Scores are divided by length^this: above 0 favours longer texts, below 0 shorter ones.
    pub length_penalty: f32,
    /// When to end before the maximum length.
    pub early_stopping: EarlyStopping,
    /// How many sequences are returned, at most as many as beams.
    pub returned: usize,
}

/// When beam search ends although hypotheses go on, once there are as many finished ones as beams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyStopping {
    /// When the best live one, at its present length, falls short of the worst finished one.
    #[default]
    Heuristic,
    /// At once.
    AtOnce,
    /// When no live one can catch up any more, however long it gets.
    Never,
}

/// Contrastive search.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContrastiveSettings {
    /// How many of the most probable tokens are tried.
    pub candidates: usize,
    /// α, the weight of the penalty, from 0 (greedy decoding) to 1.
    pub penalty_alpha: f32,
}

/// Speculative decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeculativeSettings {
    /// Who drafts.
    pub drafter: Drafter,
    /// Most tokens of a draft; how many it has follows from how many were accepted.
    pub draft_tokens: usize,
}

/// Who drafts for speculative decoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drafter {
    /// A draft model where there is one, otherwise the model's own head where its files have one, otherwise lookup.
    #[default]
    Best,
    /// What followed the same tokens earlier in prompt or text.
    Lookup,
    /// A draft model.
    Model,
    /// The model's own head (multi-token prediction).
    Head,
}

/// Lookahead decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LookaheadSettings {
    /// W: trajectories side by side.
    pub window: usize,
    /// N: tokens of an n-gram.
    pub ngram: usize,
    /// G: most n-grams that a pass verifies.
    pub guesses: usize,
}

impl Default for BeamSettings {
    fn default() -> Self {
        Self { beams: 4, length_penalty: 1.0, early_stopping: EarlyStopping::default(), returned: 4 }
    }
}

impl Default for ContrastiveSettings {
    /// The values of the paper's experiments.
    fn default() -> Self {
        Self { candidates: 4, penalty_alpha: 0.6 }
    }
}

impl Default for SpeculativeSettings {
    fn default() -> Self {
        Self { drafter: Drafter::Best, draft_tokens: 6 }
    }
}

impl Default for LookaheadSettings {
    /// At most sixteen rows a pass: few enough that text that repeats comes sooner than by greedy decoding even where
    /// every row costs time, as on a CPU.
    fn default() -> Self {
        Self { window: 3, ngram: 4, guesses: 2 }
    }
}

impl BeamSettings {
    /// Most beams: their rows of logits are judged by their 120 highest, two for each beam.
    pub const MOST_BEAMS: usize = 60;

    /// Checks every setting against its range.
    pub fn check(&self) -> Result<(), DecodingError> {
        let rule = format!("it has to be from 1 to {}", Self::MOST_BEAMS);
        ensure((1..=Self::MOST_BEAMS).contains(&self.beams), "the number of beams", self.beams, &rule)?;
        let finite = "it has to be a finite number; 0 compares sums, 1 averages";
        ensure(self.length_penalty.is_finite(), "the length penalty", self.length_penalty, finite)?;
        let rule = format!("it has to be from 1 to the number of beams, {}", self.beams);
        let fits = (1..=self.beams).contains(&self.returned);
        ensure(fits, "the number of returned sequences", self.returned, &rule)
    }
}

impl ContrastiveSettings {
    /// Most candidates: their probabilities come from a row's 120 highest logits.
    pub const MOST_CANDIDATES: usize = 64;

    /// Checks every setting against its range.
    pub fn check(&self) -> Result<(), DecodingError> {
        let most = Self::MOST_CANDIDATES;
        let rule = format!("it has to be from 1 to {most}");
        ensure((1..=most).contains(&self.candidates), "the number of candidates", self.candidates, &rule)?;
        let fits = (0.0..=1.0).contains(&self.penalty_alpha);
        ensure(fits, "the penalty's weight α", self.penalty_alpha, "it has to be from 0 to 1")
    }
}

impl SpeculativeSettings {
    /// Most tokens of a draft: they are rows of one pass.
    pub const MOST_TOKENS: usize = 32;

    /// Checks every setting against its range.
    pub fn check(&self) -> Result<(), DecodingError> {
        let rule = format!("it has to be from 1 to {}", Self::MOST_TOKENS);
        let fits = (1..=Self::MOST_TOKENS).contains(&self.draft_tokens);
        ensure(fits, "the number of drafted tokens", self.draft_tokens, &rule)
    }
}

impl LookaheadSettings {
    /// Widest window.
    pub const MOST_WINDOW: usize = 32;
    /// Longest n-gram.
    pub const MOST_NGRAM: usize = 8;
    /// Most guesses.
    pub const MOST_GUESSES: usize = 32;

    /// Checks every setting against its range.
    pub fn check(&self) -> Result<(), DecodingError> {
        let rule = |least: usize, most: usize| format!("it has to be from {least} to {most}");
        let (window, ngram, guesses) = (Self::MOST_WINDOW, Self::MOST_NGRAM, Self::MOST_GUESSES);
        ensure((1..=window).contains(&self.window), "the window", self.window, &rule(1, window))?;
        ensure((2..=ngram).contains(&self.ngram), "the n-gram's length", self.ngram, &rule(2, ngram))?;
        ensure(
            (0..=guesses).contains(&self.guesses),
            "the number of guesses",
            self.guesses,
            &rule(0, guesses),
        )
    }
}
