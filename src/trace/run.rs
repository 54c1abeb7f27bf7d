//! One run: the prompt, the five phases with their figures, and the nodes.

use serde::{Deserialize, Serialize};

use super::{AdapterFacts, ModelFacts, Node};

/// Everything that is known of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The model.
    pub model: ModelFacts,
    /// The adapter that computed it.
    pub adapter: AdapterFacts,
    /// The strategy's name, such as `greedy`.
    pub strategy: String,
    /// The seed of the draws.
    pub seed: u64,
    /// The tokens that went in, special ones included.
    pub prompt: Vec<PromptToken>,
    /// What each phase took.
    pub phases: Phases,
    /// The decisions, in the order they were made.
    pub nodes: Vec<Node>,
    /// Why it ended; `None` while it goes on.
    pub stop: Option<StopReason>,
}

/// One token of the prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PromptToken {
    /// Its id.
    pub token: u32,
    /// The token as the vocabulary spells it; empty without a tokenizer.
    pub piece: String,
    /// The text it stands for; empty for special tokens, held bytes, and without a tokenizer.
    pub text: String,
}

/// Figures of the five phases; those not reached yet are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// The weights went to the GPU; `amount` is bytes.
    pub load: PhaseFigures,
    /// The prompt became ids; `amount` is tokens.
    pub tokenise: PhaseFigures,
    /// One pass over the prompt; `amount` is token rows computed.
    pub initiation: PhaseFigures,
    /// One pass a token; `amount` is token rows computed.
    pub incremental: PhaseFigures,
    /// Incremental steps made.
    pub incremental_steps: usize,
    /// Ids became text; `amount` is tokens.
    pub detokenise: PhaseFigures,
}

/// Time and work of one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseFigures {
    /// Seconds (measured by the clock).
    pub seconds: f64,
    /// Work done, in the phase's unit (counted).
    pub amount: u64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model chose an end-of-sequence token.
    Eos,
    /// A stop text appeared.
    StopText,
    /// The number of new tokens asked for is reached.
    MaxTokens,
    /// The sequence fills the context.
    ContextFull,
    /// The user stopped it.
    Cancelled,
    /// The model could not go on; the message was shown.
    Failed,
}

impl Run {
    /// Ids of the generated tokens.
    pub fn generated_ids(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.token).collect()
    }

    /// Ids of the prompt.
    pub fn prompt_ids(&self) -> Vec<u32> {
        self.prompt.iter().map(|token| token.token).collect()
    }

    /// The generated text so far.
    pub fn text(&self) -> String {
        self.nodes.iter().map(|node| node.text.as_str()).collect()
    }
}
