//! What can be wrong with a model's files, each error naming the file, the thing and the cause.

use crate::model::ConfigError;
use crate::system_errors::words;

/// Why a file or folder could not be opened as a model.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A model on a server.
    #[error("{0} is a model on a server, and has no files here: give a folder or a file")]
    Elsewhere(String),
    /// Nothing lies at this path.
    #[error(
        "{path}: there is no such file or folder; a model is the folder of a Hugging Face download, a .safetensors file in one or a .gguf; `logitscope models` lists those on this computer"
    )]
    Absent {
        /// The path as it was given.
        path: String,
    },
    /// The operating system would not let us read it.
    #[error("{file}: it cannot be read: {}", words(reason))]
    Unreadable {
        /// The file or folder.
        file: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A path at which no model was found.
    #[error("{path}: there is no model here: {reason}")]
    NoModel {
        /// The folder or file.
        path: String,
        /// What was looked for, and what to do.
        reason: String,
    },
    /// A file that contradicts its own format.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A tensor that is missing, misplaced, misshapen, unreadable, or that nothing reads.
    #[error("{file}: tensor {tensor}: {reason}")]
    Tensor {
        /// The file, or the folder where the tensor is in none of its files.
        file: String,
        /// The tensor's name in the file.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A family of models that this program does not know.
    #[error("{file}: {reason}")]
    UnsupportedFamily {
        /// The configuration file.
        file: String,
        /// What it is, what is missing for it, and what can be opened instead.
        reason: String,
    },
    /// A field of `config.json`, or a key of a GGUF file's metadata, that is missing, out of range, or asks for something unsupported.
    #[error("{file}: {field} is {value}: {reason}")]
    Field {
        /// The configuration file.
        file: String,
        /// The field, with its parents: `rope_scaling.factor`; or the key, after `metadata`.
        field: String,
        /// Its value as JSON, shortened; `missing` where there is none.
        value: String,
        /// What it has to be, or why it cannot be used.
        reason: String,
    },
    /// Values of `config.json` that fit no decoder together.
    #[error("{file}: {reason}")]
    Config {
        /// The configuration file.
        file: String,
        /// Which value, and why.
        reason: ConfigError,
    },
}

impl FormatError {
    pub(super) fn malformed(file: &str, reason: impl Into<String>) -> Self {
        Self::Malformed { file: file.to_owned(), reason: one_line(&reason.into()) }
    }

    pub(super) fn tensor(file: &str, tensor: &str, reason: impl Into<String>) -> Self {
        Self::Tensor { file: file.to_owned(), tensor: one_line(tensor), reason: one_line(&reason.into()) }
    }
}

/// What a file says, for a message of one line: control characters as escapes.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_debug());
        } else {
            line.push(character);
        }
    }
    line
}
