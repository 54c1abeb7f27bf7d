//! What vLLM has beyond OpenAI's protocol: rows inside a prompt, its tokenizer, its limits.

use serde::Deserialize;
use serde_json::{Value, json};

use super::asking::Top;
use super::open_ai::{Choice, logprobs, rows_body};
use super::row::Came;

/// An id beyond every vocabulary.
const BEYOND: &str = "999999999";

/// `/version`.
#[derive(Deserialize)]
pub(super) struct Version {
    pub version: String,
}

/// `/tokenize`.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub tokens: Vec<u32>,
}

/// `/detokenize`.
#[derive(Deserialize)]
pub(super) struct Text {
    pub prompt: String,
}

pub(super) fn tokenise_body(model: &str, text: &str, add_special: bool) -> Value {
    json!({"model": model, "prompt": text, "add_special_tokens": add_special})
}

pub(super) fn detokenise_body(model: &str, ids: &[u32]) -> Value {
    json!({"model": model, "tokens": ids})
}

/// The tokens of a conversation, by the model's own chat template.
pub(super) fn chat_body(model: &str, messages: &Value, template_kwargs: &Value) -> Value {
    let mut body = json!({
        "model": model,
        "messages": messages,
        "add_generation_prompt": true,
        "add_special_tokens": false,
    });
    if template_kwargs.is_object() {
        body["chat_template_kwargs"] = template_kwargs.clone();
    }
    body
}

/// A request for the rows inside a prompt, and the one after it.
pub(super) fn prompt_rows_body(model: &str, text: &[u32], top: Top) -> Value {
    let mut body = rows_body(model, json!(text), top);
    body["prompt_logprobs"] = json!(logprobs(top));
    body
}

/// A request that is refused with the size of the vocabulary, without a pass of the model.
pub(super) fn vocabulary_body(model: &str, text: &[u32]) -> Value {
    let mut body = rows_body(model, json!(text), Top::Highest(1));
    body["logit_bias"] = json!({BEYOND: 1});
    body
}

/// A request that is refused with the number of tokens that a row lists at most, without a pass of the model.
pub(super) fn most_listed_body(model: &str, text: &[u32]) -> Value {
    rows_body(model, json!(text), Top::Highest(999_999_999))
}

/// A request that can choose nothing but this token: where it ends there, the token is an end of sequence.
pub(super) fn end_body(model: &str, text: &[u32], token: u32) -> Value {
    let mut body = rows_body(model, json!(text), Top::Highest(1));
    body["max_tokens"] = json!(2);
    body["allowed_token_ids"] = json!([token]);
    body
}

/// The number behind some words of an error.
pub(super) fn number_after(message: &str, words: &str) -> Option<usize> {
    let rest = message.split(words).nth(1)?.trim_start();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The rows after `text[..=i]` for i from `first` on: those of the prompt, and the one after it.
pub(super) fn prompt_rows(mut choice: Choice, text: &[u32], first: usize) -> Result<Vec<Came>, String> {
    let sent = choice.prompt_logprobs.take().unwrap_or_default();
    if sent.len() != text.len() {
        return Err(format!("it has {} rows for a prompt of {} tokens", sent.len(), text.len()));
    }
    let inside = sent.into_iter().zip(text).skip(first + 1);
    let mut rows = inside
        .map(|(row, token)| {
            let listed = row.ok_or("a row of the prompt is missing")?.0;
            let here = listed.iter().find(|(id, _)| id == token);
            let chosen = here.copied().ok_or("a row of the prompt lacks the token that is there")?;
            Ok(Came { listed, chosen: Some(chosen), ..Came::default() })
        })
        .collect::<Result<Vec<_>, &str>>()?;
    rows.extend(choice.rows()?);
    Ok(rows)
}
