//! Text to token ids and back, on the `tokenizers` crate.
//!
//! Owns pieces, bytes and the streaming detokeniser; knows nothing of models or files' places.

pub mod detokeniser;

pub use detokeniser::{Detokenised, Detokeniser};

/// A model's tokenizer.
pub struct Tokenizer {}

/// Why a tokenizer could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {}

impl Tokenizer {
    /// From the contents of `tokenizer.json` and, where there is one, `tokenizer_config.json`.
    pub fn from_json(
        _tokenizer_json: &[u8],
        _tokenizer_config: Option<&serde_json::Value>,
    ) -> Result<Self, TokenizerError> {
        todo!()
    }

    /// The ids of a text; `special` says whether the special tokens that the file asks for (BOS, …) are added.
    pub fn encode(&self, _text: &str, _special: AddSpecial) -> Result<Vec<u32>, TokenizerError> {
        todo!()
    }

    /// The token as the vocabulary spells it, such as `Ġthe` or `▁the`; `None` for an unknown id.
    pub fn piece(&self, _id: u32) -> Option<String> {
        todo!()
    }

    /// The text of ids, special tokens left out.
    pub fn decode(&self, _ids: &[u32]) -> String {
        todo!()
    }

    /// Whether the id is a special token, which has no text.
    pub fn is_special(&self, _id: u32) -> bool {
        todo!()
    }
}

/// Whether special tokens are added around a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddSpecial {
    /// As the tokenizer's file says.
    AsFileSays,
    /// None.
    Never,
}
