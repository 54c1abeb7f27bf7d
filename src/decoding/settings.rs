//! What a user can set about decoding. Names and meanings are those of Hugging Face transformers'
//! generation options, where it has one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::error::{DecodingError, ensure};
use super::strategy_settings::{
    BeamSettings, ContrastiveSettings, LookaheadSettings, Picking, SpeculativeSettings,
};
use crate::trace::StrategyKind;

/// All settings of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecodingSettings {
    /// Who chooses.
    pub strategy: StrategyKind,
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
    /// Cuts tokens that a grammar does not let follow.
    pub grammar: GrammarSettings,
    /// Added to the logits of single ids.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Divides positive and multiplies negative logits of tokens in prompt or text (Keskar et al. 2019);
    /// 1 is neutral.
    pub repetition_penalty: f32,
    /// Subtracted once from tokens that were generated before; 0 is neutral.
    pub presence_penalty: f32,
    /// Subtracted for every time that a token was generated before; 0 is neutral.
    pub frequency_penalty: f32,
    /// Subtracted from tokens that would prolong a repetition, the more the longer it is.
    pub dry: DrySettings,
    /// Cuts tokens that would repeat an n-gram of prompt or text; 0 is off.
    pub no_repeat_ngram: usize,
    /// Cuts tokens that would complete one of these sequences.
    pub bad_words: Vec<Vec<u32>>,
    /// Cuts tokens that end the text before it has so many new ones; 0 is off.
    pub min_new_tokens: usize,
    /// The token of single steps, counted from 1.
    pub forced_tokens: BTreeMap<usize, u32>,
    /// Cuts these tokens.
    pub suppress_tokens: BTreeSet<u32>,
    /// Divides the logits; 1 is neutral. Only where tokens are drawn, like the stages below.
    pub temperature: f32,
    /// Keeps the k highest; 0 is off. Ties with the k-th are kept, as in transformers.
    pub top_k: usize,
    /// Keeps the fewest tokens whose probabilities reach p together (Holtzman et al. 2019); 1 is off.
    pub top_p: f32,
    /// Keeps tokens with at least this fraction of the highest probability; 0 is off.
    pub min_p: f32,
    /// Keeps tokens with at least this fraction of the highest probability's square; 0 is off.
    pub top_a: f32,
    /// Keeps tokens whose surprise is nearest to the entropy until their probabilities reach p together; 1 is
    /// off.
    pub typical_p: f32,
    /// Keeps tokens with at least this probability; 0 is off.
    pub epsilon_cutoff: f32,
    /// The same with a threshold that sinks with rising entropy; 0 is off.
    pub eta_cutoff: f32,
    /// Keeps tokens by a limit of surprise that follows the text.
    pub mirostat: MirostatSettings,
}

/// A grammar that the new text has to fit. The session reads it; the stages see which ids it allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrammarSettings {
    /// Its language.
    pub kind: GrammarKind,
    /// Its text.
    pub text: String,
    /// Whether it waits until the model has thought, and describes the answer alone.
    pub after_thinking: bool,
}

/// The languages of grammars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrammarKind {
    /// No grammar.
    #[default]
    None,
    /// llama.cpp's, beginning at the rule `root`.
    Gbnf,
    /// A JSON schema, for text that is JSON.
    JsonSchema,
    /// A regular expression that the whole text matches.
    Regex,
}

impl GrammarKind {
    /// Its name in the window and in traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gbnf => "GBNF",
            Self::JsonSchema => "JSON schema",
            Self::Regex => "regex",
        }
    }
}

/// DRY ("don't repeat yourself"): multiplier · base^(n − allowed length) is subtracted from a token that would
/// prolong a repetition of n tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrySettings {
    /// What is subtracted for a repetition of the allowed length; 0 is off.
    pub multiplier: f32,
    /// How much more for every further token.
    pub base: f32,
    /// The shortest repetition that counts, in tokens.
    pub allowed_length: usize,
    /// How many of the last tokens are searched; 0 searches all.
    pub range: usize,
    /// Texts that no repetition goes across; without a tokenizer there are none.
    pub breakers: Vec<String>,
}

/// Mirostat 2 (Basu et al. 2020): keeps tokens that surprise no more than μ, and moves μ so that what is chosen
/// surprises by τ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MirostatSettings {
    /// τ, the surprise to hold, in bits; 0 is off.
    pub target: f32,
    /// η, how fast μ follows.
    pub rate: f32,
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

impl EosRule {
    /// The tokens that end a text, for a model whose files name these.
    pub fn tokens(&self, model: &[u32]) -> Vec<u32> {
        match self {
            Self::Model => model.to_vec(),
            Self::Tokens(tokens) => tokens.clone(),
            Self::Ignore => Vec::new(),
        }
    }
}

impl Default for DecodingSettings {
    fn default() -> Self {
        Self {
            strategy: StrategyKind::default(),
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
            grammar: GrammarSettings::default(),
            logit_bias: BTreeMap::new(),
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            dry: DrySettings::default(),
            no_repeat_ngram: 0,
            bad_words: Vec::new(),
            min_new_tokens: 0,
            forced_tokens: BTreeMap::new(),
            suppress_tokens: BTreeSet::new(),
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            top_a: 0.0,
            typical_p: 1.0,
            epsilon_cutoff: 0.0,
            eta_cutoff: 0.0,
            mirostat: MirostatSettings::default(),
        }
    }
}

impl Default for DrySettings {
    /// Off; what it would begin with is its inventor's advice.
    fn default() -> Self {
        Self {
            multiplier: 0.0,
            base: 1.75,
            allowed_length: 2,
            range: 0,
            breakers: ["\n", ":", "\"", "*"].map(str::to_owned).to_vec(),
        }
    }
}

impl Default for MirostatSettings {
    /// Off; its rate is llama.cpp's.
    fn default() -> Self {
        Self { target: 0.0, rate: 0.1 }
    }
}

impl Default for StopSettings {
    fn default() -> Self {
        Self { max_tokens: 128, eos: EosRule::default(), texts: Vec::new() }
    }
}

impl DecodingSettings {
    /// The same, with these tokens among those that are never chosen.
    pub fn suppressing(&self, tokens: &[u32]) -> Self {
        let mut settings = self.clone();
        settings.stages.suppress_tokens.extend(tokens);
        settings
    }

    /// As the strategy uses them: what it has no use for is as if it had never been set.
    pub fn as_used(mut self) -> Self {
        if self.strategy == StrategyKind::Contrastive {
            (self.stages, self.cache) = (StageSettings::default(), CacheUse::Reuse);
        }
        if self.strategy != StrategyKind::Sample {
            self.stages.mirostat.target = 0.0;
        }
        self
    }

    /// How the strategy picks from what the stages leave.
    pub fn picks(&self) -> Picking {
        match self.strategy {
            StrategyKind::Greedy | StrategyKind::Contrastive | StrategyKind::Lookahead => Picking::Argmax,
            StrategyKind::Sample | StrategyKind::Server => Picking::Sample,
            StrategyKind::Beam | StrategyKind::Speculative => self.picking,
        }
    }

    /// Checks every setting against its range; `vocabulary` is V.
    pub fn check(&self, vocabulary: usize) -> Result<(), DecodingError> {
        self.stages.check(vocabulary)?;
        let needs_cache = self.strategy == StrategyKind::Contrastive;
        let rule = "contrastive search keeps the hidden states of what is cached: choose another strategy";
        ensure(!needs_cache || self.cache == CacheUse::Reuse, "the KV cache", "off", rule)?;
        let several = matches!(self.strategy, StrategyKind::Beam | StrategyKind::Speculative);
        let follows_one_text = self.stages.mirostat.target != 0.0 && self.picks() == Picking::Sample;
        let rule = "mirostat follows one text step by step: use it with sampling, or set 0";
        ensure(!(several && follows_one_text), "mirostat's tau", self.stages.mirostat.target, rule)?;
        match self.strategy {
            StrategyKind::Greedy | StrategyKind::Sample => {}
            StrategyKind::Beam => self.beam.check()?,
            StrategyKind::Contrastive => self.contrastive.check()?,
            StrategyKind::Speculative => self.speculative.check()?,
            StrategyKind::Lookahead => self.lookahead.check()?,
            StrategyKind::Server => self.stages.check_for_server()?,
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
    /// Refuses what no server is asked for.
    fn check_for_server(&self) -> Result<(), DecodingError> {
        let asked = StageSettings {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            // What the model's files forbid is the server's to know.
            suppress_tokens: self.suppress_tokens.clone(),
            ..StageSettings::default()
        };
        let rule = "a server is asked for temperature, top-k, top-p, min-p and the three penalties alone: leave the others out, or choose another strategy";
        ensure(*self == asked, "a stage", "set", rule)
    }

    /// Checks every stage's setting against its range; `vocabulary` is V.
    pub fn check(&self, vocabulary: usize) -> Result<(), DecodingError> {
        for (&id, &bias) in &self.logit_bias {
            in_vocabulary("an id with a logit bias", id, vocabulary)?;
            let rule = "it has to be a finite number: suppress a token that is never to come";
            ensure(bias.is_finite(), "a logit bias", bias, rule)?;
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
        ensure((0.0..=1.0).contains(&self.min_p), "min-p", self.min_p, fraction)?;
        ensure((0.0..=1.0).contains(&self.top_a), "top-a", self.top_a, fraction)?;
        ensure(self.typical_p > 0.0 && self.typical_p <= 1.0, "typical-p", self.typical_p, share)?;
        let below = "it has to be from 0 up to 1, without 1; 0 leaves it out";
        ensure((0.0..1.0).contains(&self.epsilon_cutoff), "the epsilon cutoff", self.epsilon_cutoff, below)?;
        ensure((0.0..1.0).contains(&self.eta_cutoff), "the eta cutoff", self.eta_cutoff, below)?;
        self.mirostat.check()?;
        self.dry.check()?;
        self.check_ids(vocabulary)
    }

    fn check_ids(&self, vocabulary: usize) -> Result<(), DecodingError> {
        for &id in &self.suppress_tokens {
            in_vocabulary("a suppressed token", id, vocabulary)?;
        }
        for word in &self.bad_words {
            ensure(!word.is_empty(), "a bad word", "empty", "it has to have a token: leave it out instead")?;
            word.iter().try_for_each(|&id| in_vocabulary("a token of a bad word", id, vocabulary))?;
        }
        for (&step, &id) in &self.forced_tokens {
            ensure(step > 0, "the step of a forced token", step, "steps count from 1")?;
            in_vocabulary("a forced token", id, vocabulary)?;
        }
        Ok(())
    }
}

impl DrySettings {
    fn check(&self) -> Result<(), DecodingError> {
        let multiplier = self.multiplier;
        let rule = "it has to be a finite number from 0 on; 0 leaves DRY out";
        ensure(multiplier.is_finite() && multiplier >= 0.0, "DRY's multiplier", multiplier, rule)?;
        let rule = "it has to be a finite number from 1 on";
        ensure(self.base.is_finite() && self.base >= 1.0, "DRY's base", self.base, rule)?;
        let length = self.allowed_length;
        ensure(length > 0, "DRY's allowed length", length, "it has to be at least 1")?;
        ensure(
            self.breakers.iter().all(|text| !text.is_empty()),
            "a sequence breaker of DRY",
            "empty",
            "it has to have a character: leave it out instead",
        )
    }
}

impl MirostatSettings {
    fn check(&self) -> Result<(), DecodingError> {
        let rule = "it has to be a finite number of bits from 0 on; 0 leaves mirostat out";
        let target = self.target;
        ensure(target.is_finite() && target >= 0.0, "mirostat's tau", target, rule)?;
        ensure((0.0..=1.0).contains(&self.rate), "mirostat's eta", self.rate, "it has to be from 0 to 1")
    }
}

fn in_vocabulary(what: &'static str, id: u32, vocabulary: usize) -> Result<(), DecodingError> {
    let rule = format!("the model's ids go from 0 to {}", vocabulary.saturating_sub(1));
    ensure((id as usize) < vocabulary, what, id, &rule)
}
