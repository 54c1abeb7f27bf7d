//! Why a tokenizer could not be made or used.

use super::chat::ChatError;

/// Why a tokenizer could not be made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenizerError {
    /// The file is not a tokenizer that the `tokenizers` format describes.
    #[error("the tokenizer file cannot be used ({reason}): get tokenizer.json from the model's source again")]
    Malformed {
        /// What the parser said.
        reason: String,
    },
    /// The file is not a SentencePiece model.
    #[error("tokenizer.model cannot be used ({reason}): get it from the model's source again")]
    SentencePiece {
        /// What is wrong.
        reason: String,
    },
    /// The files of byte-level BPE contradict themselves or one another.
    #[error("the tokenizer files cannot be used ({reason}): get them from the model's source again")]
    Merges {
        /// What is wrong, and in which file.
        reason: String,
    },
    /// The tokenizer metadata of a GGUF file contradicts itself.
    #[error("the tokenizer metadata cannot be used ({reason}): get the file from its source again")]
    Metadata {
        /// What is wrong.
        reason: String,
    },
    /// The files do not say how to tokenise, or in a way that is not known.
    #[error(
        "the model's files cannot reproduce its tokenisation ({reason}): give token ids, or use the model's folder with its tokenizer.json"
    )]
    Unreproducible {
        /// What is missing.
        reason: String,
    },
    /// A text that the tokenizer cannot turn into ids.
    #[error("the text cannot be turned into tokens ({reason}): try another text, or give token ids instead")]
    Encode {
        /// What the tokenizer said.
        reason: String,
    },
    /// The server whose tokenizer it is did not do it.
    #[error("{reason}")]
    Server {
        /// What happened, and what to do.
        reason: String,
    },
    /// A conversation that the chat template cannot render.
    #[error(transparent)]
    Chat(#[from] ChatError),
}

/// A `tokenizer.json` that cannot be used.
pub(super) fn malformed(reason: String) -> TokenizerError {
    TokenizerError::Malformed { reason }
}

/// A token for a message.
pub(super) fn short(token: &str) -> String {
    token.chars().take(40).flat_map(char::escape_debug).collect()
}
