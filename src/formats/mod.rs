//! Files become a [`crate::model::ModelConfig`] and canonical tensors. Knows no GPU.
//!
//! Only [`architectures`] names model families; everything else here works on containers and recipes.

use std::path::Path;

use crate::model::{ModelConfig, Weights};

pub mod architectures;

/// A model's files, opened: everything but the weights is read, and those are mapped.
pub struct ModelFile {
    /// Name for a person: the folder's name, or the built-in model's.
    pub name: String,
    /// Where it was opened from; `built-in` for the demonstration model.
    pub path: String,
    /// Family, as its own files call it, such as `llama`.
    pub family: String,
    /// The decoder.
    pub config: ModelConfig,
    /// Its canonical tensors.
    pub weights: Box<dyn Weights + Send>,
    /// Number of weights, tied ones counted once.
    pub parameters: u64,
    /// The tokenizer's files; `None` when the model has none.
    pub tokenizer: Option<TokenizerFiles>,
    /// Special tokens by the model's own files.
    pub special: SpecialIds,
    /// What works but deserves a look, in words for a person.
    pub warnings: Vec<String>,
}

/// The files that make a tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizerFiles {
    /// Contents of `tokenizer.json`.
    pub tokenizer_json: Vec<u8>,
    /// Contents of `tokenizer_config.json`, parsed.
    pub tokenizer_config: Option<serde_json::Value>,
}

/// Special token ids by `generation_config.json` and `config.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// Beginning of a sequence.
    pub bos: Option<u32>,
    /// Ends of a sequence; any of them ends a text.
    pub eos: Vec<u32>,
}

/// Why a file could not be opened as a model.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {}

/// Opens a Hugging Face folder, a `.safetensors` file in one, or a `.safetensors.index.json`.
pub fn open(_path: &Path) -> Result<ModelFile, FormatError> {
    todo!()
}

/// Opens the demonstration model inside the program.
pub fn open_built_in() -> Result<ModelFile, FormatError> {
    todo!()
}
