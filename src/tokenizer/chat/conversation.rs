//! What a template is given: who said what, and switches that it may read.

use minijinja::Value;
use serde::{Deserialize, Serialize};
use serde_json::Map;

/// A conversation, as a template takes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversation {
    /// What was said, in order.
    pub messages: Vec<Message>,
    /// What else the template is given, by name: switches that it reads, such as `enable_thinking`.
    pub arguments: Map<String, serde_json::Value>,
}

/// One message of a conversation: an object with a `role` (`system`, `user`, `assistant`, …), mostly a `content`, and
/// whatever else the template reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Message(pub Map<String, serde_json::Value>);

/// A value that some templates read, to change how the assistant answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its name in the template.
    pub name: &'static str,
    /// What it is, for a person.
    pub label: &'static str,
    /// What it may be: for a person, and as JSON.
    pub values: &'static [(&'static str, &'static str)],
}

const ON_OFF: &[(&str, &str)] = &[("on", "true"), ("off", "false")];

/// The usual ones.
pub const SWITCHES: [Switch; 3] = [
    Switch { name: "enable_thinking", label: "Thinking", values: ON_OFF },
    Switch { name: "thinking", label: "Thinking", values: ON_OFF },
    Switch {
        name: "reasoning_effort",
        label: "Reasoning effort",
        values: &[("low", "\"low\""), ("medium", "\"medium\""), ("high", "\"high\"")],
    },
];

/// The name of a template's argument that is the messages themselves.
pub const MESSAGES: &str = "messages";

impl Message {
    /// That somebody of this role says this.
    pub fn new(role: &str, content: &str) -> Self {
        let fields = [("role", role), ("content", content)];
        Self(fields.map(|(name, text)| (name.to_owned(), text.into())).into_iter().collect())
    }
}

impl Conversation {
    /// In which a user says this alone.
    pub fn asking(text: &str) -> Self {
        Self { messages: vec![Message::new("user", text)], arguments: Map::new() }
    }

    /// Whether the assistant has spoken before.
    pub fn goes_on(&self) -> bool {
        let is_assistant = |message: &Message| message.0.get("role").is_some_and(|role| role == "assistant");
        self.messages.iter().any(is_assistant)
    }

    /// What the template is given, by name.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, Value)> {
        let messages = self.messages.iter().map(|message| object(&message.0)).collect();
        let arguments = self.arguments.iter().map(|(name, value)| (name.as_str(), value_of(value)));
        arguments.chain([(MESSAGES, messages)])
    }
}

fn object(fields: &Map<String, serde_json::Value>) -> Value {
    Value::from_pairs(fields.iter().map(|(name, value)| (name.as_str(), value_of(value))))
}

/// The value that Python's `json.loads` would make.
fn value_of(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(whole)) => Value::from(whole),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value_of).collect(),
        Json::Object(fields) => object(fields),
    }
}
