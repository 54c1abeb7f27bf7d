//! Grammars over tokens: which ids may follow a text, so that it stays the beginning of something that the
//! grammar describes. The work is llguidance's; GBNF is translated for it (`gbnf`).
//!
//! Owns the parser's state and the limits of its work; knows nothing of logits.

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv};
use llguidance::{Matcher, ParserFactory};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::byte_order_mark::without_byte_order_mark;
use super::codec::Tokenizer;
use super::gbnf::{self, GbnfError};
use super::schema::{self, Rounded};
use super::token_bytes::TokenBytes;

/// The languages that a grammar may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrammarLanguage {
    /// llama.cpp's, beginning at the rule `root`.
    Gbnf,
    /// A JSON schema: the text is JSON that fits it.
    JsonSchema,
    /// A regular expression that the whole text matches.
    Regex,
}

/// Most bytes of a grammar's text.
const LONGEST_TEXT: usize = 256 << 10;

/// Why a grammar cannot be used, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// The text has no characters but blanks.
    #[error("the grammar is empty: write one, or leave it out")]
    Empty,
    /// The text is too long.
    #[error("the grammar has {bytes} bytes, but at most {LONGEST_TEXT} are allowed: shorten it")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// The text is not GBNF.
    #[error("the grammar cannot be read: {0}")]
    Gbnf(#[from] GbnfError),
    /// The schema is not JSON.
    #[error("the JSON schema is not JSON: {reason}")]
    Json {
        /// What the parser said, with line and column.
        reason: String,
    },
    /// A number of the schema that no double is.
    #[error(
        "the JSON schema's `{keyword}` has the number {number}, which would be rounded to another one: whole numbers are exact up to 9007199254740991, others to 15 digits; write one of these, or describe a string"
    )]
    Rounded {
        /// The keyword.
        keyword: String,
        /// The number, shortened where it is long.
        number: String,
    },
    /// The library refused the grammar.
    #[error("the grammar cannot be used: {reason}")]
    Refused {
        /// What it said, on one line.
        reason: String,
    },
    /// A token that the grammar does not allow, chosen by hand.
    #[error(
        "token {token} cannot follow by the grammar, which stands at new token {place}: choose one that the grammar keeps"
    )]
    Outside {
        /// The id.
        token: u32,
        /// Its place among the new tokens, from 1.
        place: usize,
    },
    /// No token can follow, but the text may not end.
    #[error(
        "after {place} new tokens the grammar cannot go on: none of the model's tokens fits it ({reason}); make the grammar wider or simpler"
    )]
    Stuck {
        /// How many new tokens there are.
        place: usize,
        /// What the library said, on one line.
        reason: String,
    },
}

impl GrammarError {
    /// The same, where `before` other new tokens come before those that the grammar saw.
    pub(super) fn behind(self, before: usize) -> Self {
        match self {
            Self::Outside { token, place } => Self::Outside { token, place: place + before },
            Self::Stuck { place, reason } => Self::Stuck { place: place + before, reason },
            other => other,
        }
    }
}

/// A grammar and where it stands.
pub struct Grammar {
    /// At the beginning of the text.
    fresh: Matcher,
    /// After `tokens`.
    now: Matcher,
    tokens: Vec<u32>,
    bytes: TokenBytes,
    eos: Vec<u32>,
    /// What may follow `tokens`, once it was asked for.
    allowed: Option<Vec<bool>>,
}

/// Whether a grammar can be used with any model whose tokens spell every byte.
pub fn check(language: GrammarLanguage, text: &str) -> Result<(), GrammarError> {
    fresh(parsed(language, text)?, &ApproximateTokEnv::single_byte_env()).map(|_| ())
}

/// A parser at the beginning of a text.
fn fresh(grammar: TopLevelGrammar, env: &TokEnv) -> Result<Matcher, GrammarError> {
    let refused = |error: String| GrammarError::Refused { reason: essence(&error) };
    let mut factory = ParserFactory::new_simple(env).map_err(|error| refused(error.to_string()))?;
    factory.quiet();
    *factory.limits_mut() = limits();
    let matcher = Matcher::new(factory.create_parser(grammar));
    match matcher.get_error() {
        Some(error) => Err(refused(error)),
        None => Ok(matcher),
    }
}

impl Grammar {
    /// A grammar at the beginning of a text, for a model with `vocabulary` ids, of which `eos` end the text.
    pub fn new(
        language: GrammarLanguage,
        text: &str,
        tokenizer: &Tokenizer,
        vocabulary: usize,
        eos: &[u32],
    ) -> Result<Self, GrammarError> {
        let grammar = parsed(language, text)?;
        let bytes = tokenizer.token_bytes(vocabulary);
        let fresh = fresh(grammar, &bytes.env)?;
        let now = fresh.clone();
        Ok(Self { fresh, now, tokens: Vec::new(), bytes, eos: eos.to_vec(), allowed: None })
    }

    /// For each id whether it may follow the new tokens. Those that end the text may where the grammar may end,
    /// whatever their own bytes are.
    pub fn allowed(&mut self, generated: &[u32]) -> Result<&[bool], GrammarError> {
        self.go_to(generated)?;
        if self.allowed.is_none() {
            self.allowed = Some(self.compute()?);
        }
        Ok(self.allowed.as_deref().unwrap_or_default())
    }

    /// Whether nothing but the end can follow the new tokens.
    pub fn is_complete(&mut self, generated: &[u32]) -> Result<bool, GrammarError> {
        let eos = self.eos.clone();
        Ok(only_ends(self.allowed(generated)?, &eos))
    }

    /// Moves to the end of a text; a text that does not go on from the last one is read from its beginning.
    fn go_to(&mut self, generated: &[u32]) -> Result<(), GrammarError> {
        if !generated.starts_with(&self.tokens) {
            self.now = self.fresh.clone();
            self.tokens.clear();
            self.allowed = None;
        }
        let known = self.tokens.len();
        if known < generated.len() {
            self.allowed = None;
        }
        for (place, &token) in generated.iter().enumerate().skip(known) {
            let first = self.bytes.first.get(token as usize).copied().unwrap_or(token);
            // Asked first: a token that does not fit would leave the parser broken.
            let fits = self.now.validate_tokens(&[first]).is_ok_and(|count| count == 1);
            if self.eos.contains(&token) || !fits || self.now.consume_token(first).is_err() {
                self.now = self.fresh.clone();
                self.tokens.clear();
                return Err(GrammarError::Outside { token, place: place + 1 });
            }
            self.tokens.push(token);
        }
        Ok(())
    }

    fn compute(&mut self) -> Result<Vec<bool>, GrammarError> {
        let place = self.tokens.len();
        let stuck = |reason: String| GrammarError::Stuck { place, reason: one_line(&reason) };
        let ends = self.now.is_accepting().map_err(|error| stuck(error.to_string()))?;
        let mut allowed = vec![false; self.bytes.first.len()];
        if !(ends && self.now.is_stopped()) {
            // A copy is asked: where only the end may follow, an empty answer would stop the parser for good.
            match self.now.clone().compute_mask() {
                Ok(mask) => {
                    for (allowed, &first) in allowed.iter_mut().zip(&*self.bytes.first) {
                        *allowed = mask.is_allowed(first);
                    }
                }
                Err(_) if ends => {}
                Err(error) => return Err(stuck(error.to_string())),
            }
        }
        for &token in &self.eos {
            if let Some(allowed) = allowed.get_mut(token as usize) {
                *allowed = ends;
            }
        }
        if !ends && !allowed.contains(&true) {
            return Err(stuck("no token is left".to_owned()));
        }
        Ok(allowed)
    }
}

/// Whether no ids are allowed but those that end the text.
pub(super) fn only_ends(allowed: &[bool], eos: &[u32]) -> bool {
    allowed.iter().zip(0..).all(|(&allowed, id)| !allowed || eos.contains(&id))
}

/// What a grammar may cost: memory of some tens of MiB, and a mask of some tens of milliseconds.
fn limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_lexer_states: 50_000,
        max_grammar_size: 200_000,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

fn parsed(language: GrammarLanguage, text: &str) -> Result<TopLevelGrammar, GrammarError> {
    let text = match language {
        GrammarLanguage::Gbnf | GrammarLanguage::JsonSchema => without_byte_order_mark(text),
        GrammarLanguage::Regex => text,
    };
    if text.trim().is_empty() {
        return Err(GrammarError::Empty);
    }
    if text.len() > LONGEST_TEXT {
        return Err(GrammarError::TooLong { bytes: text.len() });
    }
    Ok(match language {
        GrammarLanguage::Gbnf => TopLevelGrammar::from_lark(gbnf::to_lark(text)?),
        GrammarLanguage::Regex => TopLevelGrammar::from_regex(text.trim_end_matches(['\r', '\n'])),
        GrammarLanguage::JsonSchema => {
            let not_json = |error: serde_json::Error| GrammarError::Json { reason: error.to_string() };
            // As such first: a number that is too large for a double is JSON.
            serde_json::from_str::<&RawValue>(text).map_err(not_json)?;
            if let Some(Rounded { keyword, number }) = schema::rounded(text) {
                return Err(GrammarError::Rounded { keyword, number: shortened(&number) });
            }
            TopLevelGrammar::from_json_schema(spaced(serde_json::from_str(text).map_err(not_json)?))
        }
    })
}

/// The schema with one space behind comma and colon and no other blanks, unless it says otherwise: a model that
/// may write as many blanks as it likes may never come to an end.
fn spaced(mut schema: Value) -> Value {
    let spaces = json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
    if let Some(schema) = schema.as_object_mut() {
        schema.entry("x-guidance").or_insert(spaces);
    }
    schema
}

/// A number as far as it fits a sentence.
fn shortened(number: &str) -> String {
    const MOST_DIGITS: usize = 40;
    if number.len() <= MOST_DIGITS { number.to_owned() } else { format!("{}…", &number[..MOST_DIGITS]) }
}

/// What the library says, in a sentence. Where it draws the text with a mark below a place, that place is told by the text
/// from there on.
fn essence(message: &str) -> String {
    const SHOWN: usize = 16;
    let lines: Vec<&str> = message.lines().collect();
    let is_mark = |line: &&str| !line.trim().is_empty() && line.trim().chars().all(|c| c == '^');
    let mark = lines.iter().position(is_mark).filter(|mark| *mark > 0);
    let said = lines.iter().rev().find_map(|line| line.trim().strip_prefix("error: "));
    match (mark, said) {
        (Some(mark), Some(said)) => {
            let place = lines[mark].chars().take_while(|c| *c != '^').count();
            let rest: String = lines[mark - 1].chars().skip(place).take(SHOWN).collect();
            format!("{said}, at `{}`", rest.trim_end())
        }
        _ => one_line(message),
    }
}

/// The first line of what the library says, without its marks.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('<'));
    let line = lines.take_while(|line| !line.starts_with("Stack backtrace")).collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}
