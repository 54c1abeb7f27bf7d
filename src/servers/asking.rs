//! What is asked of a server: how much of a row, and how it is to choose.

use crate::model::ServerSampling;

/// How much of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// So many tokens with the highest log-probabilities.
    Highest(usize),
    /// All V.
    All,
}

/// How a server goes on with a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamAsk {
    /// How much of each row.
    pub top: Top,
    /// Most tokens.
    pub most_tokens: usize,
    /// How it chooses.
    pub sampling: ServerSampling,
    /// Whether an end-of-sequence token ends it. Where it does not, vLLM goes on behind such a token, and llama-server
    /// never chooses one; rows are the same.
    pub stop_at_eos: bool,
}
