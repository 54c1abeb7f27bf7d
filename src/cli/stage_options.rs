//! The options of the stages that one seldom needs, with their help, and what they set.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::parsers::{TokenSequence, forced_token, sequence, token_id};
use crate::decoding::{DrySettings, GrammarKind, GrammarSettings, MirostatSettings, StageSettings};

/// Further stages of `generate`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Further stages")]
pub struct StageOptions {
    /// File with a GBNF grammar (llama.cpp's; the text begins at its rule `root`) that the new text has to fit
    #[arg(long, value_name = "FILE", group = "grammar_source")]
    grammar: Option<PathBuf>,
    /// File with a JSON schema: the new text is JSON that fits it
    #[arg(long, value_name = "FILE", group = "grammar_source")]
    json_schema: Option<PathBuf>,
    /// Regular expression that the new text has to match as a whole
    #[arg(long, value_name = "REGEX", group = "grammar_source", allow_hyphen_values = true)]
    regex: Option<String>,
    /// Let the model think first, between markers such as <think> and </think>: the grammar describes what follows
    #[arg(long, requires = "grammar_source")]
    grammar_after_thinking: bool,
    /// Keep tokens with at least P times the highest probability's square; 0 keeps all (sample only)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    top_a: f32,
    /// Keep the tokens that surprise the most typically, until their probabilities reach P together; 1 keeps all
    /// (sample only)
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    typical_p: f32,
    /// Keep tokens with at least probability P; 0 keeps all (sample only)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    epsilon_cutoff: f32,
    /// Keep tokens above a probability that is at most P, and lower the less certain the model is; 0 keeps all
    /// (sample only)
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    eta_cutoff: f32,
    /// Mirostat 2: hold the surprise of the text at X bits a token; 0 is off (sample only)
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    mirostat_tau: f32,
    /// How fast mirostat corrects itself
    #[arg(long, value_name = "X", default_value_t = MirostatSettings::default().rate)]
    mirostat_eta: f32,
    /// DRY: subtract X · base^(N − allowed length) from a token that would prolong a repetition of N tokens; 0 is
    /// off
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    dry_multiplier: f32,
    /// DRY's base: how much more for every further token of a repetition
    #[arg(long, value_name = "X", default_value_t = DrySettings::default().base)]
    dry_base: f32,
    /// The shortest repetition that DRY minds, in tokens
    #[arg(long, value_name = "N", default_value_t = DrySettings::default().allowed_length)]
    dry_allowed_length: usize,
    /// How many of the last tokens DRY searches; 0 searches all
    #[arg(long, value_name = "N", default_value_t = 0)]
    dry_range: usize,
    /// Text that no repetition goes across, instead of newline, colon, quote and asterisk (repeatable); `none` for
    /// no such text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    dry_sequence_breaker: Vec<String>,
    /// Choose no end-of-sequence token before there are N new tokens; 0 is off
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_new_tokens: usize,
    /// Never choose these tokens
    #[arg(long, value_name = "ID,..", value_delimiter = ',', value_parser = token_id)]
    suppress_tokens: Vec<u32>,
    /// Never complete this sequence of tokens (repeatable)
    #[arg(long, value_name = "ID,..", value_parser = sequence)]
    bad_words_ids: Vec<TokenSequence>,
    /// Choose token ID at step STEP, counted from 1 (repeatable)
    #[arg(long, value_name = "STEP=ID", value_parser = forced_token)]
    forced_token: Vec<(usize, u32)>,
}

impl StageOptions {
    /// Puts them into settings that have the other stages'.
    pub fn complete(&self, stages: StageSettings) -> Result<StageSettings, CliError> {
        let dry = DrySettings::default();
        Ok(StageSettings {
            grammar: self.grammar()?,
            dry: DrySettings {
                multiplier: self.dry_multiplier,
                base: self.dry_base,
                allowed_length: self.dry_allowed_length,
                range: self.dry_range,
                breakers: match self.dry_sequence_breaker.as_slice() {
                    [] => dry.breakers,
                    [none] if none == "none" => Vec::new(),
                    texts => texts.to_vec(),
                },
            },
            bad_words: self.bad_words_ids.iter().map(|TokenSequence(ids)| ids.clone()).collect(),
            min_new_tokens: self.min_new_tokens,
            forced_tokens: self.forced_token.iter().copied().collect(),
            suppress_tokens: self.suppress_tokens.iter().copied().collect(),
            top_a: self.top_a,
            typical_p: self.typical_p,
            epsilon_cutoff: self.epsilon_cutoff,
            eta_cutoff: self.eta_cutoff,
            mirostat: MirostatSettings { target: self.mirostat_tau, rate: self.mirostat_eta },
            ..stages
        })
    }

    fn grammar(&self) -> Result<GrammarSettings, CliError> {
        let after_thinking = self.grammar_after_thinking;
        let grammar = |kind, text| Ok(GrammarSettings { kind, text, after_thinking });
        let read = |kind, file: &PathBuf| {
            let failed = |reason| CliError::Grammar { file: file.clone(), reason };
            grammar(kind, fs::read_to_string(file).map_err(failed)?)
        };
        match (&self.grammar, &self.json_schema, &self.regex) {
            (Some(file), ..) => read(GrammarKind::Gbnf, file),
            (_, Some(file), _) => read(GrammarKind::JsonSchema, file),
            (.., Some(text)) => grammar(GrammarKind::Regex, text.clone()),
            _ => Ok(GrammarSettings::default()),
        }
    }

    /// The options set that only drawing looks at.
    pub fn for_sampling(&self) -> impl Iterator<Item = &'static str> {
        let set = [
            ("--top-a", self.top_a != 0.0),
            ("--typical-p", self.typical_p != 1.0),
            ("--epsilon-cutoff", self.epsilon_cutoff != 0.0),
            ("--eta-cutoff", self.eta_cutoff != 0.0),
            ("--mirostat-tau", self.mirostat_tau != 0.0),
        ];
        set.into_iter().filter(|(_, set)| *set).map(|(name, _)| name)
    }
}
