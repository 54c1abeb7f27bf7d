//! What can be wrong with a model: with its configuration, and during a pass.

/// A configuration that describes no decoder; the text says which value and why.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} is {value}, but {rule}")]
pub struct ConfigError {
    /// The value's name, in words.
    pub what: String,
    /// What it is.
    pub value: String,
    /// What it has to be.
    pub rule: String,
}

/// Why a model could not compute.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// A token id that the model has no row for.
    #[error("token id {token} is outside the vocabulary: ids go from 0 to {}", vocabulary - 1)]
    TokenOutsideVocabulary {
        /// The id.
        token: u32,
        /// V.
        vocabulary: usize,
    },
    /// A position beyond the context.
    #[error("position {position} is beyond the context of {context} positions")]
    BeyondContext {
        /// The position, from 0.
        position: usize,
        /// The context length.
        context: usize,
    },
    /// The pass was ended by whoever asked for it.
    #[error("the pass was interrupted")]
    Interrupted,
    /// A probe of a plan that is no decoder's.
    #[error("there are no layers to look into: what the model computes is not a decoder's plan")]
    NoLayers,
    /// The server that computes did not do it; the model stays, and the same may be asked again.
    #[error("{reason}")]
    Server {
        /// What happened, and what to do.
        reason: String,
    },
    /// What was asked of a row is not among what the server sends.
    #[error("{reason}")]
    NotSent {
        /// What, and what to do.
        reason: String,
    },
    /// The device has no memory left.
    #[error(
        "the GPU has no memory left for {what}: try a shorter context, a smaller model, or close other programs that use the GPU"
    )]
    OutOfMemory {
        /// What the memory was for.
        what: String,
    },
    /// The device went away during the run.
    #[error("the GPU stopped answering ({reason}): load the model again, or choose another adapter")]
    DeviceLost {
        /// What the driver said.
        reason: String,
    },
    /// The GPU's driver refused a valid command.
    #[error("the GPU driver reported an error: {reason}")]
    Device {
        /// What the driver said.
        reason: String,
    },
}

/// Refuses a value that breaks a rule.
pub(super) fn ensure(
    holds: bool,
    what: &str,
    value: impl ToString,
    rule: impl FnOnce() -> String,
) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError { what: what.to_owned(), value: value.to_string(), rule: rule() })
}

/// Refuses what cannot be a factor.
pub(super) fn is_factor(what: &str, value: f32) -> Result<(), ConfigError> {
    ensure(value.is_finite() && value != 0.0, what, value, || "it has to be finite, and not 0".to_owned())
}

/// Refuses a size of 0, or above `most`.
pub(super) fn in_range(what: &str, value: usize, most: usize) -> Result<(), ConfigError> {
    ensure((1..=most).contains(&value), what, value, || format!("it has to be 1 to {most}"))
}
