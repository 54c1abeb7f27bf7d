//! The stages: pure functions that change the values of a row, or cut ids from it. Formulas and order are
//! those of Hugging Face transformers 5 where it has the stage, otherwise its inventors'; presence and
//! frequency penalty are OpenAI's, as in vLLM.
//!
//! Stages that cut by value leave at least one id; those that ban ids may leave none, which ends the run. None sees
//! a text: what depends on texts comes as ids.

mod bans;
mod filters;
mod penalties;

use std::collections::{BTreeMap, BTreeSet};

use super::constraint::SharedConstraint;
use super::row::Row;
use super::settings::GrammarKind;

pub use bans::{bad_words, forced_tokens, grammar, min_new_tokens, no_repeat_ngram, suppress_tokens};
pub use filters::{
    Mirostat, epsilon_cutoff, eta_cutoff, log_softmax, min_p, mirostat, temperature, top_a, top_k, top_p,
    typical_p,
};
pub use penalties::{Dry, dry, frequency_penalty, logit_bias, presence_penalty, repetition_penalty};

/// One stage with its setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Makes log-probabilities of the logits. Beam search begins with it: its stages act on these.
    LogSoftmax,
    /// Cuts tokens that a grammar does not let follow.
    Grammar {
        /// The grammar's language.
        kind: GrammarKind,
        /// Which tokens it lets follow.
        constraint: SharedConstraint,
    },
    /// Added to the logits of single ids.
    LogitBias(BTreeMap<u32, f32>),
    /// Divides positive, multiplies negative values of tokens seen before (Keskar et al. 2019, section 4.1).
    RepetitionPenalty(f32),
    /// Subtracted once from tokens generated before.
    PresencePenalty(f32),
    /// Subtracted for each time that a token was generated before.
    FrequencyPenalty(f32),
    /// Subtracted from tokens that would prolong a repetition, the more the longer it is ("Don't repeat
    /// yourself", P. E. Weidmann 2024).
    Dry(Dry),
    /// Cuts tokens that would complete an n-gram seen before.
    NoRepeatNgram(usize),
    /// Cuts tokens that would complete one of these sequences.
    BadWords(Vec<Vec<u32>>),
    /// Cuts tokens that end the text before it has so many new ones.
    MinNewTokens {
        /// So many.
        count: usize,
        /// The tokens that end it.
        eos: Vec<u32>,
    },
    /// At these steps (from 1) cuts all but one token.
    ForcedTokens(BTreeMap<usize, u32>),
    /// Cuts these tokens.
    SuppressTokens(BTreeSet<u32>),
    /// Divides all values.
    Temperature(f32),
    /// Keeps the k highest, and those equal to the k-th (Fan, Lewis and Dauphin 2018).
    TopK(usize),
    /// Keeps the fewest tokens whose probabilities reach p together (Holtzman et al. 2019).
    TopP(f32),
    /// Keeps tokens with at least this fraction of the highest probability (Nguyen et al. 2024).
    MinP(f32),
    /// Keeps tokens with at least this fraction of the highest probability's square (B. Peng 2022, RWKV-LM).
    TopA(f32),
    /// Keeps the tokens whose surprise is nearest to the entropy, until their probabilities reach p together
    /// (Meister et al. 2022, locally typical sampling).
    TypicalP(f32),
    /// Keeps tokens with at least this probability (Hewitt, Manning and Liang 2022).
    EpsilonCutoff(f32),
    /// The same with a threshold that sinks with rising entropy (Hewitt, Manning and Liang 2022).
    EtaCutoff(f32),
    /// Keeps tokens that surprise no more than μ, which follows the surprise of what was chosen (Basu et al.
    /// 2020; version 2 of its authors).
    Mirostat(Mirostat),
}

/// The tokens before the one to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History<'a> {
    /// Prompt and generated tokens.
    pub tokens: &'a [u32],
    /// How many of them are the prompt's.
    pub prompt: usize,
}

impl Stage {
    /// Whether contrastive search has a use for it, which weighs the model's own probabilities.
    pub(in crate::decoding) fn is_for_contrastive(&self) -> bool {
        matches!(self, Self::SuppressTokens(_))
    }

    /// The stage's name in the window and in traces.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogSoftmax => "log-softmax",
            Self::Grammar { .. } => "grammar",
            Self::LogitBias(_) => "logit bias",
            Self::RepetitionPenalty(_) => "repetition penalty",
            Self::PresencePenalty(_) => "presence penalty",
            Self::FrequencyPenalty(_) => "frequency penalty",
            Self::Dry(_) => "DRY",
            Self::NoRepeatNgram(_) => "no-repeat n-gram",
            Self::BadWords(_) => "bad words",
            Self::MinNewTokens { .. } => "min new tokens",
            Self::ForcedTokens(_) => "forced tokens",
            Self::SuppressTokens(_) => "suppressed tokens",
            Self::Temperature(_) => "temperature",
            Self::TopK(_) => "top-k",
            Self::TopP(_) => "top-p",
            Self::MinP(_) => "min-p",
            Self::TopA(_) => "top-a",
            Self::TypicalP(_) => "typical-p",
            Self::EpsilonCutoff(_) => "epsilon cutoff",
            Self::EtaCutoff(_) => "eta cutoff",
            Self::Mirostat(_) => "mirostat",
        }
    }

    /// Its setting as a person writes it.
    pub fn setting(&self) -> String {
        let tokens = |count: usize| format!("{count} token{}", if count == 1 { "" } else { "s" });
        match self {
            Self::LogSoftmax => String::new(),
            Self::Grammar { kind, .. } => kind.name().to_owned(),
            Self::LogitBias(biases) => tokens(biases.len()),
            Self::ForcedTokens(forced) => tokens(forced.len()),
            Self::SuppressTokens(banned) => tokens(banned.len()),
            Self::BadWords(words) if words.len() == 1 => "1 sequence".to_owned(),
            Self::BadWords(words) => format!("{} sequences", words.len()),
            Self::NoRepeatNgram(count) | Self::TopK(count) | Self::MinNewTokens { count, .. } => {
                count.to_string()
            }
            Self::Dry(dry) => format!("{} · {}^n", dry.multiplier, dry.base),
            Self::Mirostat(mirostat) => format!("τ {}, η {}", mirostat.target, mirostat.rate),
            Self::RepetitionPenalty(value)
            | Self::PresencePenalty(value)
            | Self::FrequencyPenalty(value)
            | Self::Temperature(value)
            | Self::TopP(value)
            | Self::MinP(value)
            | Self::TopA(value)
            | Self::TypicalP(value)
            | Self::EpsilonCutoff(value)
            | Self::EtaCutoff(value) => value.to_string(),
        }
    }

    /// Why the stage has left nothing, where it did, and what to do.
    pub(super) fn why_nothing(&self) -> &'static str {
        match self {
            Self::Grammar { .. } => {
                "none of the model's tokens fits the grammar here: make the grammar wider"
            }
            Self::NoRepeatNgram(_) => {
                "each one left would repeat an n-gram: ask for a longer n-gram, or for fewer new tokens"
            }
            Self::BadWords(_) => "each one left would complete a bad word: take one off the list",
            Self::MinNewTokens { .. } => "each one left would end the text: ask for a lower minimum",
            Self::ForcedTokens(_) => {
                "a stage before it cut the one that it forces: force another one, or allow this one there"
            }
            Self::SuppressTokens(_) => "each one left is suppressed: take one off the list",
            _ => "it has cut each one left: leave the stage out",
        }
    }

    /// What the stage carries from step to step, as it is now: mirostat's μ, in bits.
    pub fn state(&self) -> Option<f64> {
        match self {
            Self::Mirostat(mirostat) => Some(mirostat.mu),
            _ => None,
        }
    }

    /// Puts a stage that carries a state where it is after a step: `state` is what it went into that step with,
    /// `None` at the beginning of a text, and `probability` that of the token chosen, after all stages.
    pub fn follow(&mut self, state: Option<f64>, probability: Option<f64>) {
        if let Self::Mirostat(mirostat) = self {
            mirostat.follow(state, probability);
        }
    }

    /// Applies the stage, and returns how many kept ids now have another value.
    pub fn apply(&self, row: &mut Row, history: History<'_>) -> usize {
        match self {
            Self::LogSoftmax => log_softmax(row),
            Self::Grammar { constraint, .. } => grammar(row, constraint, history.generated()),
            Self::LogitBias(biases) => logit_bias(row, biases),
            Self::RepetitionPenalty(penalty) => repetition_penalty(row, *penalty, history.tokens),
            Self::PresencePenalty(penalty) => presence_penalty(row, *penalty, history.generated()),
            Self::FrequencyPenalty(penalty) => frequency_penalty(row, *penalty, history.generated()),
            Self::Dry(settings) => dry(row, settings, history.tokens),
            Self::NoRepeatNgram(length) => no_repeat_ngram(row, *length, history.tokens),
            Self::BadWords(words) => bad_words(row, words, history.tokens),
            Self::MinNewTokens { count, eos } => min_new_tokens(row, *count, eos, history.generated().len()),
            Self::ForcedTokens(forced) => forced_tokens(row, forced, history.generated().len()),
            Self::SuppressTokens(banned) => suppress_tokens(row, banned),
            Self::Temperature(divisor) => temperature(row, *divisor),
            Self::TopK(count) => top_k(row, *count),
            Self::TopP(share) => top_p(row, *share),
            Self::MinP(share) => min_p(row, *share),
            Self::TopA(factor) => top_a(row, *factor),
            Self::TypicalP(share) => typical_p(row, *share),
            Self::EpsilonCutoff(lowest) => epsilon_cutoff(row, *lowest),
            Self::EtaCutoff(epsilon) => eta_cutoff(row, *epsilon),
            Self::Mirostat(settings) => mirostat(row, settings),
        }
    }
}

impl<'a> History<'a> {
    /// The generated tokens.
    pub fn generated(&self) -> &'a [u32] {
        &self.tokens[self.prompt..]
    }
}
