//! Why a run cannot begin or go on.

use std::fmt;

use super::load::LoadError;
use crate::decoding::DecodingError;
use crate::model::ModelError;
use crate::tokenizer::TokenizerError;
use crate::tokenizer::grammar::GrammarError;

/// A model without a tokenizer: why the one in its files cannot be used, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingTokenizer(pub Option<String>);

impl fmt::Display for MissingTokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => formatter.write_str("no tokenizer (tokenizer.json)"),
            Some(problem) => write!(formatter, "no tokenizer that can be used ({problem})"),
        }
    }
}

/// Why a run cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A text for a model without a tokenizer.
    #[error(
        "{model} has {missing}, so a text cannot become ids: give token ids, in the terminal by `logitscope generate --prompt-ids`"
    )]
    NoTokenizer {
        /// The model's name.
        model: String,
        /// What there is instead.
        missing: MissingTokenizer,
    },
    /// The tokenizer failed on the prompt.
    #[error("the prompt could not be tokenised: {0}")]
    Tokenizer(#[from] TokenizerError),
    /// A grammar for a model without a tokenizer.
    #[error("{model} has {missing}, so a grammar cannot tell which ids fit it: leave the grammar out")]
    GrammarWithoutTokenizer {
        /// The model's name.
        model: String,
        /// What there is instead.
        missing: MissingTokenizer,
    },
    /// The grammar cannot be used, or not any more.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// A branch at a token that the step does not list.
    #[error("step {step} cannot go on with token {token}: choose one of the candidates that the step lists")]
    NoCandidate {
        /// The step, from 1; 0 if there is none.
        step: usize,
        /// The token asked for.
        token: u32,
    },
    /// A line that ends in a node that is not there.
    #[error("the run has {nodes} nodes and no node {node}: choose one of those that the tree shows")]
    NoNode {
        /// The node asked for, from 0.
        node: usize,
        /// How many there are.
        nodes: usize,
    },
    /// A draft model is to draft, and there is none.
    #[error("a draft model is to draft, but none is open: open one, or let another drafter draft")]
    NoDraftModel,
    /// A head is to draft that the model does not have.
    #[error(
        "{model} has no drafting head (multi-token prediction) that can be used here: let another drafter draft"
    )]
    NoDraftingHead {
        /// The model's name.
        model: String,
    },
    /// The model's head that is to draft.
    #[error("the model's drafting head could not be loaded: {0}")]
    DraftingHead(LoadError),
    /// The strategy cannot begin or go on.
    #[error(transparent)]
    Decoding(#[from] DecodingError),
}

impl RunError {
    /// Whether the same step may succeed later, or with other settings of a server: nothing of the run is lost.
    pub fn may_pass(&self) -> bool {
        let Self::Decoding(DecodingError::Model(error)) = self else { return false };
        matches!(error, ModelError::Server { .. } | ModelError::NotSent { .. })
    }
}
