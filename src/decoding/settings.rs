//! What a user can set about decoding. Names and meanings are those of Hugging Face transformers'
//! generation options, where it has one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// All settings of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecodingSettings {
    /// Who chooses.
    pub strategy: StrategyChoice,
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

/// The strategies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyChoice {
    /// The entry with the highest value after bias and penalties; the lowest id among equals.
    #[default]
    Greedy,
    /// A random draw from what the whole chain leaves.
    Sample,
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
