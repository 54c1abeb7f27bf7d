//! Chat templates: messages become the text that a model was trained to continue.
//!
//! Renders Jinja as `apply_chat_template` of transformers does, with its functions and settings. A template comes
//! from a model's files and is not trusted: the work and the memory it may take are limited. Knows nothing of
//! where a template comes from, and adds no tokens: the text goes through the tokenizer with special tokens
//! recognised and none added, as templates write their own.

mod json;
mod time;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::SystemTime;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, Output, State, Value};
use minijinja_contrib::pycompat;

/// Work that a rendering may do, in minijinja's units: an instruction is one, 64 bytes of data are one. Real
/// templates take a few thousand for a short conversation; this is about 0.1 s and 64 MB at most.
const FUEL: u64 = 1_000_000;

/// The name under which errors would place a template.
const NAME: &str = "chat template";

/// A chat template with the texts of the special tokens that it may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTemplate {
    source: String,
    special: BTreeMap<String, String>,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What they say.
    pub content: String,
}

/// Why a conversation could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// There is no template.
    #[error("the model's files have no chat template: give the whole prompt as text, without chat")]
    Missing,
    /// The template is no Jinja.
    #[error("the model's chat template is malformed ({reason}): give the whole prompt as text instead")]
    Malformed {
        /// What the parser said, with the line.
        reason: String,
    },
    /// The template itself says no, by `raise_exception`.
    #[error("the model's chat template refuses these messages: {message}")]
    Refused {
        /// Its words.
        message: String,
    },
    /// The template ran out of the work it may do.
    #[error(
        "the model's chat template takes too much work or memory, as if it never ended: give the whole prompt as text instead"
    )]
    Endless,
    /// The template does something that cannot be done.
    #[error(
        "the model's chat template fails on these messages ({reason}): give the whole prompt as text instead"
    )]
    Failed {
        /// What happened, with the line.
        reason: String,
    },
}

/// The texts of the special tokens that `tokenizer_config.json` names, by the names that templates use. Each is
/// a text or an object with its `content`; `extra_special_tokens` holds further ones by name.
pub fn special_texts(tokenizer_config: &serde_json::Value) -> BTreeMap<String, String> {
    let named = |value: &serde_json::Value| -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| {
            value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned)
        };
        let entries = value.as_object().into_iter().flatten();
        let tokens = entries.filter(|(name, _)| name.ends_with("_token") && !name.starts_with("add_"));
        tokens.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
    };
    let mut texts: BTreeMap<String, String> =
        named(&tokenizer_config["extra_special_tokens"]).into_iter().collect();
    texts.extend(named(tokenizer_config));
    texts
}

/// Marks an error as the template's own, in place of a failure of ours.
#[derive(Debug, thiserror::Error)]
#[error("raised by the template")]
struct Raised;

impl ChatTemplate {
    /// A template as its file has it; `special` holds texts by name, such as `bos_token`. Refuses what is no Jinja.
    pub fn new(source: &str, special: BTreeMap<String, String>) -> Result<Self, ChatError> {
        let template = Self { source: plain_blocks(source), special };
        template.environment(SystemTime::UNIX_EPOCH)?;
        Ok(template)
    }

    /// The text of a conversation, up to where the assistant begins to speak. `now` is what the template takes for
    /// the present date (in UTC).
    pub fn render(&self, messages: &[Message], now: SystemTime) -> Result<String, ChatError> {
        let environment = self.environment(now)?;
        let template = environment.get_template(NAME).map_err(|error| chat_error(&error))?;
        let mut context: BTreeMap<&str, Value> =
            self.special.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))).collect();
        let messages = messages.iter().map(|message| {
            Value::from_pairs([("role", message.role.as_str()), ("content", message.content.as_str())])
        });
        context.insert("messages", messages.collect());
        context.insert("add_generation_prompt", Value::from(true));
        context.insert("tools", Value::from(()));
        context.insert("documents", Value::from(()));
        template.render(context).map_err(|error| chat_error(&error))
    }

    /// The settings and functions that transformers gives a template, with this one in it.
    fn environment(&self, now: SystemTime) -> Result<Environment<'_>, ChatError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| chat_error(&error))?);
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(format_as_python);
        environment.set_unknown_method_callback(python_method);
        environment.add_test("sequence", is_sequence);
        environment.add_test("iterable", is_sequence);
        environment.add_filter("tojson", json::to_json);
        environment.add_function("raise_exception", raise);
        environment.add_function("strftime_now", move |format: &str| time::format(format, now));
        environment.add_template(NAME, &self.source).map_err(|error| chat_error(&error))?;
        Ok(environment)
    }
}

/// The methods of Python's texts and mappings.
fn python_method(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, minijinja::Error> {
    match value.as_str() {
        Some(text) if method == "title" && arguments.is_empty() => Ok(Value::from(title(text))),
        _ => pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

/// Python's `str.title`: a letter is large where no letter stands before it.
fn title(text: &str) -> String {
    let mut before = ' ';
    text.chars().fold(String::with_capacity(text.len()), |mut titled, character| {
        if before.is_alphabetic() {
            titled.extend(character.to_lowercase());
        } else {
            titled.extend(character.to_uppercase());
        }
        before = character;
        titled
    })
}

/// Python counts texts and mappings among its sequences; templates rely on it to tell what content is.
fn is_sequence(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::String | ValueKind::Bytes | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
    )
}

/// `raise_exception(message)`.
fn raise(message: &str) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message.to_owned()).with_source(Raised))
}

/// Writes a value as Python's `str` does where Jinja's own words differ.
fn format_as_python(output: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    if value.is_none() {
        return Ok(output.write_str("None")?);
    }
    if value.kind() == ValueKind::Bool {
        return Ok(output.write_str(if value.is_true() { "True" } else { "False" })?);
    }
    minijinja::escape_formatter(output, state, value)
}

/// Turns `{% generation %}` blocks, which only mark what an assistant said, into blocks that change nothing.
fn plain_blocks(source: &str) -> String {
    let mut plain = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(begin) = rest.find("{%") {
        let (before, tag) = rest.split_at(begin);
        plain.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let inside = &tag[2..end];
        let word = inside.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+'));
        match word {
            "generation" => plain.push_str(&format!("{{%{}%}}", inside.replacen(word, "if true", 1))),
            "endgeneration" => plain.push_str(&format!("{{%{}%}}", inside.replacen(word, "endif", 1))),
            _ => plain.push_str(&tag[..end + 2]),
        }
        rest = &tag[end + 2..];
    }
    plain.push_str(rest);
    plain
}

fn chat_error(error: &minijinja::Error) -> ChatError {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.is::<Raised>() {
            let message = one_line(error.detail().unwrap_or("no reason given"));
            return ChatError::Refused { message };
        }
        source = inner.source();
    }
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let reason = one_line(&match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    });
    match error.kind() {
        ErrorKind::OutOfFuel => ChatError::Endless,
        ErrorKind::SyntaxError | ErrorKind::UnknownFilter | ErrorKind::UnknownTest => {
            ChatError::Malformed { reason }
        }
        _ => ChatError::Failed { reason },
    }
}

/// A message without line breaks, and not longer than a line or two.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_blocks_change_nothing_but_their_tags() {
        assert_eq!(plain_blocks("{%- generation -%}a{%endgeneration%}{% x"), "{%- if true -%}a{%endif%}{% x");
        assert_eq!(plain_blocks("{% set generation = 1 %}"), "{% set generation = 1 %}");
    }
}
