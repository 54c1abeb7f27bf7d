//! Chat templates: messages become the text that a model was trained to continue.
//!
//! Renders Jinja as `apply_chat_template` of transformers does, with its functions and settings. A template comes
//! from a model's files and is not trusted: the work and the memory it may take are limited. Knows nothing of
//! where a template comes from, and adds no tokens: the text goes through the tokenizer with special tokens
//! recognised and none added, as templates write their own.
//!
//! Minijinja parses and runs templates; what is Python's in Jinja is done here: `source` prepares the text, `lower`
//! puts functions in place of operators, and the other modules are these functions, filters, tests and methods. What
//! cannot be done as in transformers is an error, never another text.

mod access;
mod casing;
mod comparison;
mod conversation;
mod filters;
mod format_spec;
mod functions;
mod json;
mod kinds;
mod lower;
mod lower_expressions;
mod lower_names;
mod macros;
mod mappings;
mod method_names;
mod methods;
mod numbers;
mod objects;
mod operators;
mod percent;
mod repr;
mod safety;
mod sequences;
mod sorting;
mod source;
mod str_format;
mod string_parts;
mod strings;
mod syntax;
mod tests;
mod time;
mod values;
mod words;

use std::collections::BTreeMap;
use std::error::Error as _;

use jiff::civil::DateTime;
use minijinja::machinery::{self, CodeGenerator};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, Value};

pub use conversation::{Conversation, MESSAGES, Message, SWITCHES, Switch};
use values::{Arguments, bind, failure, needed, text};

/// Work that a rendering may do, in minijinja's units: an instruction is one, 64 bytes of data are one. Real
/// templates take a few thousand for a short conversation; this is about 0.1 s and 64 MB at most.
const FUEL: u64 = 1_000_000;

/// The stack of a rendering: expressions and macros within one another take it, and both have limits.
const STACK: usize = 128 << 20;

/// The name under which errors would place a template.
const NAME: &str = "chat template";

/// A chat template with the texts of the special tokens that it may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTemplate {
    source: String,
    special: BTreeMap<String, String>,
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
        let source = source::prepared(source).map_err(|reason| ChatError::Malformed { reason })?;
        let template = Self { source, special };
        on_large_stack(|| template.run(None))?;
        Ok(template)
    }

    /// The usual switches that the template reads, as far as its text tells.
    pub fn switches(&self) -> Vec<Switch> {
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        let reads = |name: &str| self.source.split(|letter| !is_part(letter)).any(|word| word == name);
        SWITCHES.into_iter().filter(|switch| reads(switch.name)).collect()
    }

    /// The text of a conversation, up to where the assistant begins to speak. `now` is what the template takes for
    /// the present local time.
    pub fn render(&self, conversation: &Conversation, now: DateTime) -> Result<String, ChatError> {
        let mut context: BTreeMap<&str, Value> =
            self.special.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str()))).collect();
        context.insert("add_generation_prompt", Value::from(true));
        context.insert("tools", Value::from(()));
        context.insert("documents", Value::from(()));
        context.extend(conversation.values());
        on_large_stack(|| self.run(Some((context, now))))
    }

    /// Compiles the template and, with a context and the time, renders it.
    fn run(&self, with: Option<(BTreeMap<&str, Value>, DateTime)>) -> Result<String, minijinja::Error> {
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
        let parsed = machinery::parse(&self.source, NAME, syntax)?;
        let lowered = lower::template(&parsed, &self.source)?;
        let mut generator = CodeGenerator::new(NAME, &self.source);
        generator.compile_stmt(&lowered);
        let (instructions, blocks) = generator.finish();
        let mut text = String::new();
        if let Some((context, now)) = with {
            let environment = environment(now);
            let mut output = machinery::make_string_output(&mut text);
            let context = Value::from_pairs(context);
            machinery::eval(&environment, &instructions, context, &blocks, &mut output, AutoEscape::None)?;
        }
        Ok(text)
    }
}

/// Runs on a thread with a stack for expressions and values that are nested deep.
fn on_large_stack(
    work: impl FnOnce() -> Result<String, minijinja::Error> + Send,
) -> Result<String, ChatError> {
    let work = || work().map_err(|error| chat_error(&error));
    let failed = |reason: String| ChatError::Failed { reason };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("chat template".to_owned()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work).map_err(|error| failed(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(failed("the template engine broke down".to_owned())))
    })
}

/// The functions, filters and tests that transformers gives a template.
fn environment(now: DateTime) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(format_as_python);
    environment.set_unknown_method_callback(methods::call);
    filters::add_to(&mut environment);
    tests::add_to(&mut environment);
    operators::add_to(&mut environment);
    environment.add_global("dict", Value::from_object(functions::Dict));
    environment.add_global("self", Value::from_object(objects::ItSelf));
    environment.add_function("lipsum", functions::lipsum);
    environment.add_function("range", objects::range);
    environment.add_function("cycler", functions::cycler);
    environment.add_function("joiner", functions::joiner);
    environment.add_function("namespace", namespace);
    environment.add_function("raise_exception", raise);
    environment.add_function("strftime_now", move |state: &State, arguments: Arguments| {
        let [format] = bind(&arguments.into_values(), ["format"])?;
        time::format(state, text(&needed(format)?)?, now)
    });
    environment.add_function(source::GENERATION, |state: &mut State, arguments: Arguments| {
        let [caller] = bind(&arguments.into_values(), ["caller"])?;
        needed(caller)?.call(state, &[])
    });
    environment
}

/// `namespace(**attributes)`.
fn namespace(state: &mut State, arguments: Arguments) -> Result<Value, minijinja::Error> {
    let attributes = Value::from_object(functions::Dict).call(state, &arguments.into_values())?;
    for name in attributes.try_iter()? {
        if name.as_str().is_none_or(|name| name.starts_with('_')) {
            return Err(failure("the names of a namespace are texts that begin with no underscore"));
        }
    }
    // With a name that no template has, as an empty one would be false.
    let mut attributes = mappings::pairs(state, &attributes)?;
    attributes.push((Value::from(""), Value::from(true)));
    let attributes = Value::from_pairs(attributes);
    Value::from_function(minijinja::functions::namespace).call(state, &[attributes])
}

/// `raise_exception(message)`.
fn raise(state: &mut State, arguments: Arguments) -> Result<Value, minijinja::Error> {
    let [message] = bind(&arguments.into_values(), ["message"])?;
    Err(failure(repr::str(state, &needed(message)?)?).with_source(Raised))
}

/// Writes a value as Python's `str` does.
fn format_as_python(output: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let escapes = *state.auto_escape() != AutoEscape::None;
    match value.as_str().filter(|_| value.kind() == ValueKind::String) {
        Some(text) if value.is_safe() || !escapes => output.write_str(text)?,
        _ => {
            let text = repr::str(state, value)?;
            output.write_str(&if escapes { safety::escape(&text) } else { text })?;
        }
    }
    Ok(())
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
