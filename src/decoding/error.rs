//! Why decoding cannot begin or go on.

use crate::model::ModelError;
use crate::units::{counted, grouped};

/// Why decoding cannot begin or go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodingError {
    /// There is nothing to continue.
    #[error("the prompt has no tokens: type a text, or let the tokenizer add its beginning-of-text token")]
    EmptyPrompt,
    /// An id of the prompt that the model has no row for.
    #[error(
        "token {index} of the prompt has id {token}, but the model's ids go from 0 to {}: tokenise the text with this model's own tokenizer",
        vocabulary.saturating_sub(1)
    )]
    PromptOutsideVocabulary {
        /// Where it stands in the prompt, from 0.
        index: usize,
        /// The id.
        token: u32,
        /// V.
        vocabulary: usize,
    },
    /// No position is left for a new token.
    #[error(
        "the prompt has {}, but the context has {}, new tokens included: shorten the prompt, or allow a longer context",
        counted(*tokens, "token"),
        grouped(*context as u64)
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// The context length.
        context: usize,
    },
    /// A stage for contrastive search.
    #[error(
        "contrastive search weighs the model's own probabilities, so the stage `{stage}` has no part in it: leave it out, or choose another strategy"
    )]
    WithoutStages {
        /// The stage's name.
        stage: &'static str,
    },
    /// What was chosen needs more than the model's server sends.
    #[error("{what} needs {needed}, which this server does not send: {advice}")]
    NotSent {
        /// The strategy or stage.
        what: &'static str,
        /// What it needs.
        needed: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A server is to choose, and the model is on this computer.
    #[error("a server is to choose the tokens, but this model has none: choose another strategy")]
    NoServer,
    /// A setting outside its range.
    #[error("{what} is {value}, but {rule}")]
    Setting {
        /// The setting's name, in words.
        what: &'static str,
        /// What it is.
        value: String,
        /// What it has to be.
        rule: String,
    },
    /// The model computed NaN or +∞.
    #[error(
        "step {step}: the model gave the logit {logit} for token {token}: its weights or the GPU's driver may be broken; `logitscope check` tells which"
    )]
    BrokenLogit {
        /// The step, from 1.
        step: usize,
        /// The id.
        token: u32,
        /// NaN or +∞.
        logit: f32,
    },
    /// A stage that bans tokens left none.
    #[error("step {step}: the stage `{stage}` leaves no token to choose: {reason}")]
    NothingLeft {
        /// The step, from 1.
        step: usize,
        /// The stage's name.
        stage: &'static str,
        /// Why that is so, and what to do.
        reason: &'static str,
    },
    /// The user interrupted a pass. Calling the strategy again goes on where it stopped.
    #[error("interrupted")]
    Interrupted,
    /// The model could not compute.
    #[error(transparent)]
    Model(ModelError),
}

impl From<ModelError> for DecodingError {
    /// An interrupted pass is an interrupted step.
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Interrupted => Self::Interrupted,
            error => Self::Model(error),
        }
    }
}

/// An error for a setting that does not keep its rule.
pub(super) fn ensure(
    holds: bool,
    what: &'static str,
    value: impl ToString,
    rule: &str,
) -> Result<(), DecodingError> {
    if holds {
        return Ok(());
    }
    Err(DecodingError::Setting { what, value: value.to_string(), rule: rule.to_owned() })
}
