//! The dialect of llama-server: `/completion`, with the tokens' bytes beside their ids.

use serde::Deserialize;
use serde_json::{Value, json};

use super::asking::StreamAsk;
use super::row::{Came, SentPiece};
use crate::model::ServerSampling;

/// Where completions are asked for.
pub(super) const COMPLETION: &str = "/completion";
/// Raises a token's logit beyond all others. Rows are of the raw logits and do not show it.
const FORCED: f32 = 10_000.0;

/// `/props`.
#[derive(Deserialize)]
pub(super) struct Properties {
    pub default_generation_settings: Option<Defaults>,
    pub build_info: Option<String>,
    pub eos_token: Option<String>,
    pub model_path: Option<String>,
    pub total_slots: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct Defaults {
    /// Positions of a slot.
    pub n_ctx: Option<usize>,
}

/// `/tokenize`.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub tokens: Vec<u32>,
}

/// `/detokenize`.
#[derive(Deserialize)]
pub(super) struct Text {
    pub content: String,
}

/// `/apply-template`.
#[derive(Deserialize)]
pub(super) struct Prompt {
    pub prompt: String,
}

pub(super) fn tokenise_body(text: &str, add_special: bool) -> Value {
    json!({"content": text, "add_special": add_special, "parse_special": true})
}

pub(super) fn detokenise_body(ids: &[u32]) -> Value {
    json!({"tokens": ids})
}

pub(super) fn template_body(messages: &Value, template_kwargs: &Value) -> Value {
    let mut body = json!({"messages": messages, "add_generation_prompt": true});
    if template_kwargs.is_object() {
        body["chat_template_kwargs"] = template_kwargs.clone();
    }
    body
}

/// A request for the rows after prompts. What is chosen does not matter, but must be a whole character: the server
/// leaves out the rows of tokens that end in the middle of one. `plain` is a token that does not.
pub(super) fn rows_body(prompt: Value, top: usize, plain: u32) -> Value {
    let mut body = completion(prompt, 1, top, &ServerSampling::GREEDY);
    body["logit_bias"] = json!([[plain, FORCED]]);
    body["response_fields"] = json!(["index", "tokens", "completion_probabilities", "stop_type", "timings"]);
    body
}

/// A request that chooses this token: where it ends there, the token is an end of sequence.
pub(super) fn end_body(text: &[u32], token: u32) -> Value {
    let mut body = rows_body(json!(text), 1, token);
    body["n_predict"] = json!(2);
    body
}

/// A request that goes on with a text.
pub(super) fn stream_body(text: &[u32], top: usize, ask: &StreamAsk) -> Value {
    let mut body = completion(json!(text), ask.most_tokens, top, &ask.sampling);
    body["stream"] = json!(true);
    body["timings_per_token"] = json!(true);
    body["ignore_eos"] = json!(!ask.stop_at_eos);
    // Penalties look back over the whole text, as those of others do. It refuses −1, and reserves what it is told.
    body["repeat_last_n"] = json!(text.len() + ask.most_tokens);
    body
}

fn completion(prompt: Value, most: usize, top: usize, sampling: &ServerSampling) -> Value {
    let mut body = json!({
        "prompt": prompt,
        "n_predict": most,
        "n_probs": top.max(1),
        "cache_prompt": true,
        "return_tokens": true,
        // All of it, since a server may have other defaults.
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repeat_last_n": 0,
        "typical_p": 1.0,
        "top_n_sigma": -1.0,
        "xtc_probability": 0.0,
        "dry_multiplier": 0.0,
        "dynatemp_range": 0.0,
        "mirostat": 0,
    });
    if let Some(seed) = sampling.seed {
        // It keeps 32 bits.
        body["seed"] = json!(seed & 0xffff_ffff);
    }
    body
}

/// An answer, whole or an event of a stream.
#[derive(Deserialize)]
pub(super) struct Completion {
    #[serde(default)]
    pub index: usize,
    #[serde(default)]
    pub tokens: Vec<u32>,
    #[serde(default)]
    pub completion_probabilities: Vec<Probabilities>,
    pub stop_type: Option<String>,
    #[serde(default)]
    pub stop: bool,
    /// Tokens so far.
    pub tokens_predicted: Option<usize>,
    pub timings: Option<Timings>,
    /// In the middle of a stream.
    pub error: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Probabilities {
    id: Option<u32>,
    logprob: Option<f64>,
    top_logprobs: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    id: Option<u32>,
    token: Option<String>,
    bytes: Option<Vec<u8>>,
    logprob: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct Timings {
    #[serde(default)]
    prompt_ms: f64,
    #[serde(default)]
    predicted_ms: f64,
}

impl Completion {
    /// The rows of its tokens, in order. An error is what is wrong with them.
    pub(super) fn rows(self) -> Result<Vec<Came>, String> {
        let seconds = self.timings.map(|timings| (timings.prompt_ms + timings.predicted_ms) / 1e3);
        let rows = self.completion_probabilities.into_iter().map(|sent| {
            let mut row = Came { server_seconds: seconds, ..Came::default() };
            let chosen = sent.id.ok_or("a token has no id")?;
            row.chosen = Some((chosen, sent.logprob));
            for entry in sent.top_logprobs.ok_or("a row of log-probabilities is missing")? {
                let id = entry.id.ok_or("a token has no id")?;
                row.listed.push((id, entry.logprob));
                row.pieces.extend(entry.bytes.map(|bytes| piece(id, entry.token.as_deref(), bytes)));
            }
            Ok(row)
        });
        rows.collect::<Result<_, &str>>().map_err(str::to_owned)
    }
}

/// The server writes no text and no bytes for tokens that stand for something else.
fn piece(id: u32, text: Option<&str>, bytes: Vec<u8>) -> SentPiece {
    let is_special = bytes.is_empty() && text.is_none_or(str::is_empty);
    let piece = String::from_utf8_lossy(&bytes).into_owned();
    SentPiece { id, piece, bytes: Some(bytes), special: Some(is_special) }
}
