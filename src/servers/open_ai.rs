//! The dialect of `/v1/completions`, as vLLM and others speak it: prompts and tokens by their ids.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::asking::{StreamAsk, Top};
use super::row::Came;
use crate::model::ServerSampling;

/// Where completions are asked for.
pub(super) const COMPLETIONS: &str = "/v1/completions";
/// How a token is written where its id was asked for.
const ID: &str = "token_id:";

/// A request for one token after each prompt, with its row.
pub(super) fn rows_body(model: &str, prompt: Value, top: Top) -> Value {
    completion(model, prompt, 1, top, &ServerSampling::GREEDY)
}

/// A request that goes on with a text.
pub(super) fn stream_body(model: &str, text: &[u32], ask: &StreamAsk) -> Value {
    let mut body = completion(model, json!(text), ask.most_tokens, ask.top, &ask.sampling);
    body["stream"] = json!(true);
    body["ignore_eos"] = json!(!ask.stop_at_eos);
    body
}

fn completion(model: &str, prompt: Value, most: usize, top: Top, sampling: &ServerSampling) -> Value {
    let mut body = json!({
        "model": model,
        "prompt": prompt,
        "max_tokens": most,
        "logprobs": logprobs(top),
        "return_tokens_as_token_ids": true,
        // All of it, since a server may have other defaults.
        "temperature": sampling.temperature,
        "top_k": if sampling.top_k == 0 { -1 } else { i64::from(sampling.top_k) },
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    });
    if let Some(seed) = sampling.seed {
        body["seed"] = json!(seed);
    }
    body
}

/// How `logprobs` says how much of a row.
pub(super) fn logprobs(top: Top) -> i64 {
    match top {
        Top::Highest(count) => i64::try_from(count.max(1)).unwrap_or(i64::MAX),
        Top::All => -1,
    }
}

/// An answer, whole or an event of a stream.
#[derive(Deserialize)]
pub(super) struct Completion {
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// In the middle of a stream.
    pub error: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub index: usize,
    pub logprobs: Option<Logprobs>,
    pub finish_reason: Option<String>,
    /// vLLM's: the id that ended it.
    pub stop_reason: Option<Value>,
    /// vLLM's: one for each token of the prompt, none for the first.
    pub prompt_logprobs: Option<Vec<Option<PromptRow>>>,
}

#[derive(Deserialize)]
pub(super) struct Logprobs {
    #[serde(default)]
    pub tokens: Vec<TokenName>,
    #[serde(default)]
    pub token_logprobs: Vec<Option<f64>>,
    #[serde(default)]
    pub top_logprobs: Option<Vec<Option<Listed>>>,
}

impl Choice {
    /// The rows of its tokens, in order. An error is what is wrong with them.
    pub(super) fn rows(self) -> Result<Vec<Came>, String> {
        let Some(logprobs) = self.logprobs else {
            return Err("it has no log-probabilities, though they were asked for".to_owned());
        };
        let mut listed = logprobs.top_logprobs.unwrap_or_default().into_iter();
        let values = logprobs.token_logprobs.into_iter().chain(std::iter::repeat(None));
        let rows = logprobs.tokens.into_iter().zip(values).map(|(name, value)| {
            let chosen = name.0.ok_or("it names tokens by their texts, not by their ids")?;
            let listed = listed.next().flatten().ok_or("a row of log-probabilities is missing")?;
            Ok(Came { listed: listed.ids()?, chosen: Some((chosen, value)), ..Came::default() })
        });
        rows.collect::<Result<_, &str>>().map_err(str::to_owned)
    }
}

/// A token by its id, if the server wrote that.
pub(super) struct TokenName(pub Option<u32>);

impl<'de> Deserialize<'de> for TokenName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = TokenName;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a token")
            }

            fn visit_str<E>(self, text: &str) -> Result<TokenName, E> {
                Ok(TokenName(text.strip_prefix(ID).and_then(|id| id.parse().ok())))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// Tokens and their log-probabilities, in the order of the answer.
pub(super) struct Listed(Vec<(TokenName, Option<f64>)>);

impl Listed {
    fn ids(self) -> Result<Vec<(u32, Option<f64>)>, &'static str> {
        let by_id = |(name, value): (TokenName, _)| Some((name.0?, value));
        let ids = self.0.into_iter().map(by_id).collect::<Option<Vec<_>>>();
        ids.ok_or("it names tokens by their texts, not by their ids")
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Listed;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("tokens with their log-probabilities")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Listed(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// What may stand at a place of a prompt: by id, with its log-probability.
pub(super) struct PromptRow(pub Vec<(u32, Option<f64>)>);

impl<'de> Deserialize<'de> for PromptRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        #[derive(Deserialize)]
        struct Entry {
            logprob: Option<f64>,
        }

        impl<'de> Visitor<'de> for Entries {
            type Value = PromptRow;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("token ids with their log-probabilities")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PromptRow, A::Error> {
                let mut entries = Vec::new();
                while let Some((id, entry)) = map.next_entry::<u32, Entry>()? {
                    entries.push((id, entry.logprob));
                }
                Ok(PromptRow(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
