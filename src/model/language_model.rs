//! The trait through which strategies drive a model, whatever computes it.

use std::sync::atomic::AtomicBool;

use super::batch::{Batch, RowOutput, SequenceId};
use super::error::ModelError;
use super::probe::Probing;
use super::profiling::Profiling;
use super::selection::{RowHandle, Summary};

/// A decoder with a KV cache that many sequences share.
pub trait LanguageModel {
    /// V: how many logits a row has.
    fn vocabulary(&self) -> usize;

    /// Longest sequence, in positions.
    fn context(&self) -> usize;

    /// Most rows that one pass takes.
    fn max_rows(&self) -> usize;

    /// What it tells of rows.
    fn tells(&self) -> RowsTold {
        RowsTold::default()
    }

    /// An empty sequence, for a text that may fill the context.
    fn new_sequence(&mut self) -> SequenceId;

    /// An empty sequence, for a text of at most so many positions.
    fn new_sequence_for(&mut self, _longest: usize) -> SequenceId {
        self.new_sequence()
    }

    /// How many positions a text may get before it is computed with the rotary frequencies of long ones (LongRoPE);
    /// `None` where all texts have the same.
    fn short_texts(&self) -> Option<usize> {
        None
    }

    /// A second sequence with the same cached positions, for a text as long; full pages are shared, the last partial
    /// one copied.
    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError>;

    /// Forgets every position from `length` on, and frees the pages that nothing else uses.
    fn truncate(&mut self, sequence: SequenceId, length: usize);

    /// Forgets the sequence. Using its handle again is a programming error and panics.
    fn release(&mut self, sequence: SequenceId);

    /// Cached positions of the sequence.
    fn length(&self, sequence: SequenceId) -> usize;

    /// Computes the rows, keeps the keys and values of those that extend their sequence, and returns the
    /// logits and summaries asked for.
    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError>;

    /// As [`Self::forward`], but a pass that takes long ends in [`ModelError::Interrupted`] soon after `interrupt` is set; then
    /// nothing of it is kept.
    fn forward_unless(&mut self, batch: &Batch, _interrupt: &AtomicBool) -> Result<Outputs, ModelError> {
        self.forward(batch)
    }

    /// Keeps rows of the pass before that branched off: their keys and values go behind the sequence's cached
    /// positions. `rows` are indices of its batch, each the parent of the next, the first at the sequence's next
    /// position. Call it before the next pass.
    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError>;

    /// The V logits of a row that was summarised; `None` if newer ones have taken its place.
    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError>;

    /// Lets summaries of rows tell from now on where these tokens stand, [`super::selection::MOST_PINNED`] of them at
    /// most, all of the vocabulary. What a model tells of none it does not tell here either.
    fn pin(&mut self, _tokens: &[u32]) {}

    /// What the KV cache holds now.
    fn cache_usage(&self) -> CacheUsage;

    /// The same model with passes that begin before the last one is read, if it can do that.
    fn chained(&mut self) -> Option<&mut dyn ChainedModel> {
        None
    }

    /// The same model as one whose server chooses tokens by itself, if it has one that does.
    fn sampler(&mut self) -> Option<&mut dyn Sampler> {
        None
    }

    /// The same model as one whose passes can be looked into, if they can.
    fn probing(&mut self) -> Option<&mut dyn Probing> {
        None
    }

    /// The same model as one whose passes can be timed op by op, if they can.
    fn profiling(&mut self) -> Option<&mut dyn Profiling> {
        None
    }
}

/// A model whose next pass can begin before the results of the last one are read, with the token that the
/// model chose itself.
///
/// A pass counts as done from the start: its rows are in the cache as soon as it is submitted. Collect or discard
/// every pass.
pub trait ChainedModel {
    /// Submits a pass and returns at once.
    fn submit(&mut self, batch: &Batch) -> Result<PassId, ModelError>;

    /// Submits a pass of one row that comes after the last row of `pass`, the newest one submitted. Its token
    /// is the one that the model chooses there: that row must have asked for a summary.
    fn follow(&mut self, pass: PassId, output: RowOutput) -> Result<PassId, ModelError>;

    /// Waits for a pass and returns its results. After an error its rows are forgotten.
    fn collect(&mut self, pass: PassId) -> Result<Outputs, ModelError>;

    /// As [`Self::collect`], but a pass that takes long ends in [`ModelError::Interrupted`] soon after `interrupt` is set.
    fn collect_unless(&mut self, pass: PassId, _interrupt: &AtomicBool) -> Result<Outputs, ModelError> {
        self.collect(pass)
    }

    /// Forgets a pass and its rows without waiting for it. Discard passes that followed it first.
    fn discard(&mut self, pass: PassId);
}

/// What a model tells of rows of logits, where that is not everything: a server sends what it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsTold {
    /// The most log-probabilities of a row that it tells, the highest ones; `None` where whole rows can be had.
    pub highest: Option<usize>,
    /// Whether its logits are log-probabilities: they differ from what the LM head computed by a number that is the same for
    /// all of a row.
    pub are_normalised: bool,
    /// Whether it keeps its final hidden states to itself.
    pub hides_states: bool,
}

/// A model whose server can choose the tokens: it samples in its own way, and tells what it chose.
pub trait Sampler {
    /// Begins after a text: from now on the server chooses up to so many tokens as asked. What it was asked before ends.
    fn begin(
        &mut self,
        text: &[u32],
        sampling: &ServerSampling,
        most_tokens: usize,
    ) -> Result<(), ModelError>;

    /// Waits for the next token; `None` where the server has ended the text.
    fn next(&mut self, interrupt: &AtomicBool) -> Result<Option<Sampled>, ModelError>;

    /// Ends what is under way.
    fn end(&mut self);
}

/// A token that a server chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Its row; `chosen` is the token.
    pub summary: Summary,
    /// The token's log-probability, in nats.
    pub log_probability: f32,
    /// How long it took.
    pub timing: PassTiming,
}

/// How a server is asked to choose. What is neutral is not asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerSampling {
    /// Divides the logits; 0 takes the highest.
    pub temperature: f32,
    /// Keeps the k highest; 0 is off.
    pub top_k: u32,
    /// Keeps the fewest tokens whose probabilities reach p together; 1 is off.
    pub top_p: f32,
    /// Keeps tokens with at least this fraction of the highest probability; 0 is off.
    pub min_p: f32,
    /// Divides positive logits of tokens that occurred, and multiplies others; 1 is off.
    pub repetition_penalty: f32,
    /// Taken off the logits of tokens that occurred in the new text; 0 is off.
    pub presence_penalty: f32,
    /// The same for each time; 0 is off.
    pub frequency_penalty: f32,
    /// Seed of the server's own draws; `None` leaves it to the server.
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

/// A pass that was submitted and is neither collected nor discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassId(pub u64);

/// What a pass returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// V raw logits for each row that asked for them, in the batch's order.
    pub logits: Vec<Vec<f32>>,
    /// A summary for each row that asked for one, in the batch's order.
    pub summaries: Vec<Summary>,
    /// The final hidden state (after the last norm, before the LM head; C elements) of each row of
    /// [`Batch::hidden`].
    pub hidden: Vec<Vec<f32>>,
    /// How long it took.
    pub timing: PassTiming,
}

/// Where the time of a pass went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PassTiming {
    /// From the call to the result, by the clock; for a pass that was submitted and collected, from the one
    /// to the other.
    pub total_seconds: f64,
    /// From the call until the GPU has its commands, by the clock.
    pub encode_seconds: f64,
    /// Waiting for the results, by the clock: the work that the GPU still had when the CPU asked.
    pub wait_seconds: f64,
    /// Of the waiting, the time in which the CPU recorded commands for a next pass of the same shape.
    pub ahead_seconds: f64,
    /// Of the whole time, what a server says that it took itself; `None` where none computed, or it does not tell.
    pub server_seconds: Option<f64>,
    /// Computing, by GPU timestamps; `None` if the adapter has none.
    pub gpu_seconds: Option<f64>,
    /// Not computing, because weights had to cross the bus first, by GPU timestamps; `None` if the adapter has none, and
    /// where all weights are on the GPU.
    pub bus_seconds: Option<f64>,
}

/// Pages and bytes of the KV cache, and what lies beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Pages that some sequence uses; a shared page counts once.
    pub pages: usize,
    /// Positions a page holds.
    pub page_positions: usize,
    /// Bytes of those pages over all layers, keys and values.
    pub bytes: u64,
    /// Bytes allocated for the cache, used or free.
    pub allocated_bytes: u64,
    /// Stored states: the newest of each sequence, and checkpoints; a shared one counts once.
    pub states: usize,
    /// Bytes of those states over all layers.
    pub state_bytes: u64,
    /// Positions that were computed again, so far, because a state of theirs was not stored.
    pub recomputed: u64,
}
