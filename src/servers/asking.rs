//! What is asked of a server: how much of a row, and how it is to choose.

/// How much of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// So many tokens with the highest log-probabilities.
    Highest(usize),
    /// All V.
    All,
}

/// How a server chooses: its own stages, in its own order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerSampling {
    /// Divides the logits; 0 is greedy.
    pub temperature: f32,
    /// Keeps the k highest; 0 is off.
    pub top_k: u32,
    /// Keeps the fewest tokens whose probabilities reach p together; 1 is off.
    pub top_p: f32,
    /// Keeps tokens with at least this fraction of the highest probability; 0 is off.
    pub min_p: f32,
    /// Divides the logits of tokens that were there, or multiplies negative ones; 1 is off.
    pub repetition_penalty: f32,
    /// Subtracted from the logits of tokens that were there; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted for each time that a token was there; 0 is off.
    pub frequency_penalty: f32,
    /// `None`: the server takes one of its own.
    pub seed: Option<u64>,
}

impl ServerSampling {
    /// The highest logit.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        seed: None,
    };
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
