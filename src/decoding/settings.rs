//! What a user can set about decoding. Names and meanings are those of Hugging Face transformers'
//! generation options, where it has one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::DecodingError;
use super::strategy_settings::{
    BeamSettings, ContrastiveSettings, LookaheadSettings, Picking, SpeculativeSettings, StrategyChoice,
};

/// All settings of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecodingSettings {
    /// Who chooses.
    pub strategy: StrategyChoice,
    /// How beam search and speculative decoding pick.
    pub picking: Picking,
    /// Beam search.
    pub beam: BeamSettings,
    /// Contrastive search.
    pub contrastive: ContrastiveSettings,
    /// Speculative decoding.
    pub speculative: SpeculativeSettings,
    /// Lookahead decoding.
    pub lookahead: LookaheadSettings,
    /// What changes and cuts the logits before the choice.
    pub stages: StageSettings,
    /// When to end.
    pub stop: StopSettings,
    /// Key of the random draws.
    pub seed: u64,
    /// Whether passes reuse the KV cache.
    pub cache: CacheUse,
    /// How many candidates a node records, by descending raw logit.
    pub recorded_candidates: usize,
}

/// The stages, in the order in which they apply. A stage at its neutral value is left out of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StageSettings {
    /// Added to the logits of single ids.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Divides positive and multiplies negative logits of tokens in prompt or text (Keskar et al. 2019);
    /// 1 is neutral.
    pub repetition_penalty: f32,
    /// Subtracted once from tokens that were generated before; 0 is neutral.
    pub presence_penalty: f32,
    /// Subtracted for every time that a token was generated before; 0 is neutral.
    pub frequency_penalty: f32,
    /// Cuts tokens that would repeat an n-gram of prompt or text; 0 is off.
    pub no_repeat_ngram: usize,
    /// Divides the logits; 1 is neutral. Sampling only, like the stages below.
    pub temperature: f32,
    /// Keeps the k highest; 0 is off. Ties with the k-th are kept, as in transformers.
    pub top_k: usize,
    /// Keeps the fewest tokens whose probabilities reach p together (Holtzman et al. 2019); 1 is off.
    pub top_p: f32,
    /// Keeps tokens with at least this fraction of the highest probability; 0 is off.
    pub min_p: f32,
}

/// When a run ends, besides a full context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopSettings {
    /// Most new tokens.
    pub max_tokens: usize,
    /// Which tokens end the text.
    pub eos: EosRule,
    /// Texts that end it, also when they span tokens; the text keeps them, as in transformers.
    pub texts: Vec<String>,
}

/// Which tokens end the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EosRule {
    /// Those that the model's files name.
    #[default]
    Model,
    /// These instead.
    Tokens(Vec<u32>),
    /// None.
    Ignore,
}

/// Whether passes reuse the keys and values of earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheUse {
    /// An incremental step computes one row.
    #[default]
    Reuse,
    /// Every step computes the whole sequence again.
    Recompute,
}

impl Default for DecodingSettings {
    fn default() -> Self {
        Self {
            strategy: StrategyChoice::default(),
            picking: Picking::default(),
            beam: BeamSettings::default(),
            contrastive: ContrastiveSettings::default(),
            speculative: SpeculativeSettings::default(),
            lookahead: LookaheadSettings::default(),
            stages: StageSettings::default(),
            stop: StopSettings::default(),
            seed: 0,
            cache: CacheUse::default(),
            recorded_candidates: 40,
        }
    }
}

impl Default for StageSettings {
    fn default() -> Self {
        Self {
            logit_bias: BTreeMap::new(),
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            no_repeat_ngram: 0,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
        }
    }
}

impl Default for StopSettings {
    fn default() -> Self {
        Self { max_tokens: 128, eos: EosRule::default(), texts: Vec::new() }
    }
}

impl DecodingSettings {
    /// How the strategy picks from what the stages leave.
    pub fn picks(&self) -> Picking {
        match self.strategy {
            StrategyChoice::Greedy | StrategyChoice::Contrastive | StrategyChoice::Lookahead => {
                Picking::Highest
            }
            StrategyChoice::Sample => Picking::Draws,
            StrategyChoice::Beam | StrategyChoice::Speculative => self.picking,
        }
    }

    /// Checks every setting against its range; `vocabulary` is V.
    pub fn check(&self, vocabulary: usize) -> Result<(), DecodingError> {
        self.stages.check(vocabulary)?;
        let single = matches!(self.strategy, StrategyChoice::Greedy | StrategyChoice::Sample);
        let rule = "only greedy decoding and sampling run without it";
        ensure(single || self.cache == CacheUse::Reuse, "the KV cache", "off", rule)?;
        match self.strategy {
            StrategyChoice::Greedy | StrategyChoice::Sample => {}
            StrategyChoice::Beam => self.beam.check()?,
            StrategyChoice::Contrastive => self.contrastive.check()?,
            StrategyChoice::Speculative => self.speculative.check()?,
            StrategyChoice::Lookahead => self.lookahead.check()?,
        }
        if let EosRule::Tokens(tokens) = &self.stop.eos {
            tokens.iter().try_for_each(|&id| in_vocabulary("an end-of-text id", id, vocabulary))?;
        }
        let positive = self.stop.max_tokens > 0;
        ensure(positive, "the number of new tokens", self.stop.max_tokens, "it has to be at least 1")?;
        ensure(
            self.stop.texts.iter().all(|text| !text.is_empty()),
            "a stop text",
            "empty",
            "it has to have a character: leave it out instead",
        )
    }
}

impl StageSettings {
    /// Checks every stage's setting against its range; `vocabulary` is V.
    pub fn check(&self, vocabulary: usize) -> Result<(), DecodingError> {
        for (&id, &bias) in &self.logit_bias {
            in_vocabulary("an id with a logit bias", id, vocabulary)?;
            ensure(bias.is_finite(), "a logit bias", bias, "it has to be a finite number")?;
        }
        let penalty = self.repetition_penalty;
        let above_zero = "it has to be a finite number above 0; 1 leaves it out";
        ensure(penalty.is_finite() && penalty > 0.0, "the repetition penalty", penalty, above_zero)?;
        let finite = "it has to be a finite number; 0 leaves it out";
        ensure(self.presence_penalty.is_finite(), "the presence penalty", self.presence_penalty, finite)?;
        ensure(self.frequency_penalty.is_finite(), "the frequency penalty", self.frequency_penalty, finite)?;
        ensure(
            self.temperature.is_finite() && self.temperature > 0.0,
            "the temperature",
            self.temperature,
            "it has to be a finite number above 0; greedy decoding is what 0 would mean",
        )?;
        let share = "it has to be above 0 and at most 1; 1 leaves it out";
        ensure(self.top_p > 0.0 && self.top_p <= 1.0, "top-p", self.top_p, share)?;
        let fraction = "it has to be from 0 to 1; 0 leaves it out";
        ensure((0.0..=1.0).contains(&self.min_p), "min-p", self.min_p, fraction)
    }
}

fn in_vocabulary(what: &'static str, id: u32, vocabulary: usize) -> Result<(), DecodingError> {
    let rule = format!("the model's ids go from 0 to {}", vocabulary.saturating_sub(1));
    ensure((id as usize) < vocabulary, what, id, &rule)
}

pub(super) fn ensure(
    holds: bool,
    what: &'static str,
    value: impl ToString,
    rule: &str,
) -> Result<(), DecodingError> {
    if holds {
        return Ok(());
    }
    Err(DecodingError::Setting { what, value: value.to_string(), rule: rule.to_owned() })
}
