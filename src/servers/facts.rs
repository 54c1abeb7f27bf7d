//! What a server is and can do, as it told and as one request of a token showed.

use serde::Deserialize;

/// Which engine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// vLLM.
    Vllm,
    /// llama-server, of llama.cpp.
    LlamaServer,
    /// Another one that speaks OpenAI's protocol.
    OpenAi,
}

impl ServerKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vLLM",
            Self::LlamaServer => "llama-server",
            Self::OpenAi => "OpenAI-compatible",
        }
    }
}

/// A model that a server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedModel {
    /// Its name there.
    pub id: String,
    /// Longest text, in positions, where the server tells.
    pub context: Option<usize>,
    /// V, where the server tells.
    pub vocabulary: Option<usize>,
    /// Where the server has it from, as far as it tells: a folder or a repository.
    pub root: Option<String>,
}

/// What a server is and can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Which engine.
    pub kind: ServerKind,
    /// Its version, as it tells.
    pub version: Option<String>,
    /// The model's name there.
    pub model: String,
    /// Where the server has the model from, as far as it tells.
    pub root: Option<String>,
    /// V, where the server tells.
    pub vocabulary: Option<usize>,
    /// Longest text, in positions.
    pub context: usize,
    /// Most tokens of a row that one answer lists; V where rows can be whole.
    pub most_listed: usize,
    /// Whether rows can be whole.
    pub whole_rows: bool,
    /// Whether rows inside a prompt can be had.
    pub prompt_rows: bool,
    /// Whether one request may have several texts.
    pub several_at_once: bool,
    /// Tokens after which the server ends a text, as far as they were found.
    pub eos: Vec<u32>,
    /// Whether tokens are known by their ids; without them no row can be used.
    pub knows_ids: bool,
    /// Whether it turns text into ids.
    pub tokenises: bool,
    /// The same for people, one sentence each.
    pub rows: Vec<Capability>,
}

impl ServerFacts {
    /// The engine with its version, where it tells one.
    pub fn engine(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.kind.name()),
            None => self.kind.name().to_owned(),
        }
    }
}

/// One thing that a server can or cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The thing, in a word or two.
    pub what: &'static str,
    /// Whether.
    pub answer: Answer,
    /// A sentence about it.
    pub detail: String,
}

/// Whether a server can do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// In part, in a word.
    Limited(String),
}

/// `/v1/models`.
#[derive(Deserialize)]
pub(super) struct Models {
    pub data: Vec<Model>,
}

#[derive(Deserialize)]
pub(super) struct Model {
    pub id: String,
    pub owned_by: Option<String>,
    pub root: Option<String>,
    /// Names that servers give to the context.
    #[serde(alias = "context_length", alias = "max_context_length", alias = "context_window")]
    pub max_model_len: Option<usize>,
    pub meta: Option<Meta>,
    #[serde(default)]
    pub aliases: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Meta {
    pub n_vocab: Option<usize>,
    pub n_ctx: Option<usize>,
    pub n_ctx_train: Option<usize>,
}

impl Model {
    /// What of it is told to others.
    pub(super) fn served(&self) -> ServedModel {
        let meta = self.meta.as_ref();
        let of_meta = meta.and_then(|meta| meta.n_ctx.or(meta.n_ctx_train));
        ServedModel {
            id: self.id.clone(),
            context: self.max_model_len.or(of_meta),
            vocabulary: meta.and_then(|meta| meta.n_vocab),
            root: self.root.clone(),
        }
    }

    /// Whether a person means it.
    pub(super) fn is(&self, name: &str) -> bool {
        self.id == name || self.aliases.iter().any(|alias| alias == name)
    }
}
