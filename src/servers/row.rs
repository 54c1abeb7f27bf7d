//! A row of log-probabilities as a server sent it, checked before anybody uses it.

use super::asking::Top;
use super::error::ServerError;

/// At and below this a server means −∞, which JSON has no word for: vLLM writes −9999, llama-server the lowest f32.
const LOWEST: f64 = -9999.0;
/// Most that rounding puts a log-probability above 0.
const ROUNDING: f64 = 1e-3;
/// How far from 1 the probabilities of a whole row may be together.
const SLACK: f64 = 0.01;

/// The text of a token, as a server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPiece {
    /// The token.
    pub id: u32,
    /// Its text; with U+FFFD where its bytes are no text.
    pub piece: String,
    /// Its bytes, where the server tells or the text has them all.
    pub bytes: Option<Vec<u8>>,
    /// Whether it stands for something else than text, where that is known.
    pub special: Option<bool>,
}

/// A row: the tokens that may follow a text.
#[derive(Clone, Debug, PartialEq)]
pub struct SentRow {
    /// Ids by descending log-probability and then ascending id: as many as were asked for, or V.
    pub tokens: Vec<u32>,
    /// Their log-probabilities, in nats: of the softmax of the raw logits. −∞ is possible.
    pub log_probabilities: Vec<f32>,
    /// What the server chose; of a row inside a prompt, what comes there.
    pub chosen: u32,
    /// Its log-probability; it may not be among the tokens.
    pub chosen_log_probability: Option<f32>,
    /// The texts of some of the tokens, where the server tells them unasked.
    pub pieces: Vec<SentPiece>,
    /// What the server says that it took, where it does.
    pub server_seconds: Option<f64>,
}

/// What a row has to keep to.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    pub host: &'a str,
    /// V, where known.
    pub vocabulary: Option<usize>,
    pub top: Top,
}

/// A row as it came.
#[derive(Default)]
pub(super) struct Came {
    /// Ids and log-probabilities in any order.
    pub listed: Vec<(u32, Option<f64>)>,
    /// What was chosen.
    pub chosen: Option<(u32, Option<f64>)>,
    pub pieces: Vec<SentPiece>,
    pub server_seconds: Option<f64>,
}

impl Came {
    /// Checks and orders it.
    pub(super) fn row(self, limits: Limits<'_>) -> Result<SentRow, ServerError> {
        let wrong = |what: String| ServerError::Strange { host: limits.host.to_owned(), what };
        if self.listed.is_empty() {
            return Err(wrong("it has no log-probabilities, though they were asked for".to_owned()));
        }
        let checked = |(id, value)| check(id, value, limits.vocabulary).map_err(wrong);
        let mut pairs = self.listed.into_iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        pairs.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        let chosen = self.chosen.map(checked).transpose()?;
        let chosen = chosen.or_else(|| pairs.first().copied());
        let (chosen, chosen_log_probability) = chosen.unwrap_or_default();
        let mut ids: Vec<u32> = pairs.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("token {} is in a row twice", twice[0])));
        }
        match (limits.top, limits.vocabulary) {
            // The chosen one may come on top of those that were asked for.
            (Top::Highest(count), _) => pairs.truncate(count),
            (Top::All, Some(vocabulary)) if pairs.len() != vocabulary => {
                return Err(wrong(format!("a whole row has {} tokens instead of {vocabulary}", pairs.len())));
            }
            (Top::All, _) => {}
        }
        let together: f64 = pairs.iter().map(|(_, value)| f64::from(*value).exp()).sum();
        let is_less = limits.top == Top::All && together < 1.0 - SLACK;
        if is_less || together > 1.0 + SLACK {
            let all = if limits.top == Top::All { "a whole row" } else { "a row" };
            return Err(wrong(format!("the probabilities of {all} are {together:.3} together")));
        }
        Ok(SentRow {
            tokens: pairs.iter().map(|(id, _)| *id).collect(),
            log_probabilities: pairs.iter().map(|(_, value)| *value).collect(),
            chosen,
            chosen_log_probability: Some(chosen_log_probability),
            pieces: self.pieces,
            server_seconds: self.server_seconds,
        })
    }
}

fn check(id: u32, value: Option<f64>, vocabulary: Option<usize>) -> Result<(u32, f32), String> {
    if let Some(vocabulary) = vocabulary.filter(|vocabulary| id as usize >= *vocabulary) {
        return Err(format!("token {id} is outside its vocabulary of {vocabulary}"));
    }
    match value {
        None => Err(format!("the log-probability of token {id} is missing")),
        Some(value) if value.is_nan() => Err(format!("the log-probability of token {id} is no number")),
        Some(value) if value > ROUNDING => {
            Err(format!("the log-probability of token {id} is {value}, which is above 0"))
        }
        Some(value) if value <= LOWEST => Ok((id, f32::NEG_INFINITY)),
        // Adding 0 makes −0 equal to it.
        Some(value) => Ok((id, value as f32 + 0.0)),
    }
}
