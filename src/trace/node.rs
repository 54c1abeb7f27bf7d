//! One decision of a strategy: the distribution it saw, what the stages made of it, and the token chosen.

use serde::{Deserialize, Serialize};

/// The pass that a node's logits came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// One pass over the whole prompt.
    #[default]
    Initiation,
    /// A pass over the newest token, and over what may follow it where a strategy tries that out: then one pass may
    /// give several nodes, and what it cost stands at the first.
    Incremental,
}

/// Who chose a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// The run's strategy.
    #[default]
    Strategy,
    /// A person, who began a branch with it.
    Hand,
}

/// One chosen token and how it was chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Index of the node before it in [`super::Run::nodes`]; `None` for the first generated token.
    pub parent: Option<usize>,
    /// Step number from 1: the first generated token is step 1.
    pub step: usize,
    /// The pass that gave the logits.
    pub phase: Phase,
    /// The chosen token's id.
    pub token: u32,
    /// Who chose it.
    #[serde(default)]
    pub chosen_by: ChosenBy,
    /// The token as the vocabulary spells it; empty without a tokenizer.
    pub piece: String,
    /// The text that this token added; empty while bytes are held back, and without a tokenizer.
    pub text: String,
    /// Bytes held back after this token, because they do not make a whole character yet.
    pub held: Vec<u8>,
    /// The chosen token's raw logit.
    pub logit: f32,
    /// Its log-probability under the raw softmax, in nats (computed: logit − log-sum-exp).
    pub log_probability: f32,
    /// Its rank by raw logit, from 1.
    pub rank: usize,
    /// Entropy of the raw softmax, in nats (computed).
    pub entropy: f32,
    /// Where a server has sent the highest log-probabilities alone, `entropy` is the least that it can be, and this the most
    /// (computed); `None` where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy_at_most: Option<f32>,
    /// log Σ exp of the raw logits, in nats (computed).
    pub log_sum_exp: f32,
    /// The stages that ran, in the order applied.
    pub stages: Vec<StageRecord>,
    /// The recorded candidates, by descending raw logit; the chosen token is always among them.
    pub candidates: Vec<Candidate>,
    /// All vocabulary entries that are not among the candidates.
    pub others: Others,
    /// The tokens that were pinned, listed or not, where the row told of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<Pinned>,
    /// The random draw, where one decided.
    pub draw: Option<Draw>,
    /// Where the time went.
    pub timing: NodeTiming,
    /// What it cost.
    pub counters: Counters,
}

/// What one stage of the chain did to the whole row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The stage's name, such as `temperature` or `top-k`.
    pub name: String,
    /// Its setting as a person writes it, such as `0.8`.
    pub setting: String,
    /// Vocabulary entries still kept after it.
    pub kept: usize,
    /// Vocabulary entries whose value it changed without cutting them.
    pub changed: usize,
    /// What it carried into this step from those before, where its work depends on that: mirostat's μ, in bits
    /// (computed). With it the step replays alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<f64>,
}

/// One vocabulary entry at one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its id.
    pub token: u32,
    /// The token as the vocabulary spells it; empty without a tokenizer.
    pub piece: String,
    /// Its raw logit.
    pub logit: f32,
    /// Its value after each stage, in the order of [`Node::stages`]; ends before the stage that cut it.
    pub after: Vec<f32>,
    /// Index into [`Node::stages`] of the stage that cut it.
    pub cut_by: Option<usize>,
    /// Its probability in the distribution that the strategy chose from; 0 when cut.
    pub probability: f32,
    /// Its probability under the raw softmax.
    pub raw_probability: f32,
}

/// Where a pinned token stood at one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pinned {
    /// Its id.
    pub token: u32,
    /// Its raw logit.
    pub logit: f32,
    /// Its rank by raw logit, from 1.
    pub rank: usize,
    /// Its probability in the distribution that the strategy chose from; 0 when cut.
    pub probability: f32,
}

/// The vocabulary entries that a node does not list one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Others {
    /// How many there are.
    pub count: usize,
    /// How many of them survived every stage.
    pub kept: usize,
    /// Their probability together in the distribution that the strategy chose from.
    pub probability: f32,
    /// Their probability together under the raw softmax.
    pub raw_probability: f32,
    /// The highest raw logit among them; `None` where there are none, and in traces from before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f32>,
}

/// A random choice: the kept tokens lie end to end on 0–1, by descending probability and then ascending id,
/// and the one that contains `value` is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// The random number, 0 ≤ value < 1; a pure function of seed and step.
    pub value: f64,
    /// The run's seed.
    pub seed: u64,
    /// The step's number.
    pub step: u64,
    /// Where the chosen token's segment begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
}

/// Seconds that a step took, by part. A pass may run on the GPU while the step before is being watched: then
/// the parts overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeTiming {
    /// The whole step, from its beginning to the chosen token (measured by the clock), and no less than what
    /// it took on the GPU.
    pub total_seconds: f64,
    /// Until the GPU had its commands (measured by the clock): a step as the one before finds most of them recorded.
    pub encode_seconds: f64,
    /// Waiting for the GPU's results (measured by the clock); 0 in traces from before it was recorded.
    #[serde(default)]
    pub wait_seconds: f64,
    /// Of the whole step, what a server says that it computed (sent by the server); left out where none did, or it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_seconds: Option<f64>,
    /// Computing on the GPU (measured by GPU timestamps); `None` where the adapter has none.
    pub gpu_seconds: Option<f64>,
    /// Not computing on the GPU, because weights had to cross the bus first (measured by GPU timestamps); left out where all
    /// weights are on the GPU, and where the adapter has no timestamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus_seconds: Option<f64>,
    /// Stages and choice, on the CPU (measured by the clock).
    pub choose_seconds: f64,
}

/// What is stored of states after a step, and what cutting them back has cost in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateCounters {
    /// States that are stored after it: the newest of each sequence, and checkpoints to which a sequence can be cut
    /// back; a shared one counts once (measured).
    pub stored: usize,
    /// Bytes of those states, of all layers together (measured).
    pub bytes: u64,
    /// Positions that the step computed once more, because no state was stored where a sequence was cut back; they are
    /// not among its rows (measured).
    pub recomputed_positions: u64,
}

/// What a step cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Token rows that the decoder computed for this step; a pass that was begun ahead with another token and
    /// then forgotten belongs to none.
    pub rows: usize,
    /// Positions in the KV cache after it.
    pub cached_positions: usize,
    /// Bytes of KV cache pages in use after it.
    pub cache_bytes: u64,
    /// The states beside it; left out where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<StateCounters>,
}

impl Counters {
    /// Those of another decision from the same pass: what is kept, and no work of its own.
    pub fn without_work(self) -> Self {
        let kept = |states| StateCounters { recomputed_positions: 0, ..states };
        Self { rows: 0, states: self.states.map(kept), ..self }
    }
}

impl Node {
    /// The chosen token among the candidates.
    pub fn chosen(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.token == self.token)
    }

    /// The node that it would be with another of its recorded candidates, chosen by hand: of the same step and
    /// the same row of logits, at no cost. `None` for a token that is not among the candidates.
    pub fn chosen_by_hand(&self, token: u32) -> Option<Self> {
        let place = self.candidates.iter().position(|candidate| candidate.token == token)?;
        let candidate = &self.candidates[place];
        // All but the last one are the highest there are; that one is where it is because it was chosen.
        let rank = if token == self.token { self.rank } else { place + 1 };
        Some(Self {
            token,
            chosen_by: ChosenBy::Hand,
            piece: candidate.piece.clone(),
            text: String::new(),
            held: Vec::new(),
            logit: candidate.logit,
            log_probability: candidate.logit - self.log_sum_exp,
            rank,
            draw: None,
            timing: NodeTiming::default(),
            counters: self.counters.without_work(),
            ..self.clone()
        })
    }
}
