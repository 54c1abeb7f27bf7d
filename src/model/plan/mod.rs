//! The plan: a decoder as a list of [`Op`]s over named buffers, which [`crate::reference`] runs in plain
//! loops and [`crate::gpu`] runs as kernels.
//!
//! A plan has no control flow. Its shapes are fixed but for two numbers that vary from pass to pass: how many rows a
//! batch has, and how many of them want logits. Constants such as an epsilon exist only here, so that twin and kernel
//! cannot disagree.
//!
//! # Notation
//!
//! The documentation of every op, its twin and its kernel use these letters:
//!
//! | letter | what it counts |
//! | --- | --- |
//! | T | rows of the op: those of the batch, or of its outputs ([`RowSet`]) |
//! | t | one of them |
//! | C | elements of the residual stream ([`ModelConfig::width`](crate::model::ModelConfig::width)) |
//! | H | query heads |
//! | G | key/value heads; query head h reads key/value head h·G/H |
//! | D | elements of a head |
//! | F | elements between the two linear maps of a feed-forward block, or of one expert |
//! | E | experts |
//! | K | experts that compute a row |
//! | R | rows of one expert's matrix |
//! | V | entries of the vocabulary |
//!
//! Blocks with a state count otherwise: H are heads of values and matrices of their state, G heads of keys and queries, N
//! elements of a key, P of a value.
//!
//! Shapes are rows × columns: "T × H·D" are T rows of H heads one after the other. `weight[r][c]` is row r, column c.
//! "In place" means that the op reads the buffer that it writes.
//!
//! How to add an op: `docs/adding-an-op.md`.

mod attention;
mod ids;
mod kinds;
mod linear;
mod op;
mod recurrent;

pub use attention::{AttentionOp, AttentionPrologue, AttentionValues, Columns, HeadNorms};
pub use ids::{BufferId, RotaryId, StateId, TensorId};
pub use linear::{Epilogue, ExpertInput, InputNorm};
pub use op::Op;
pub use recurrent::{ConvolutionOp, RecurrenceOp, RecurrenceRule};

use super::cache::CacheFormat;
use super::rotary::RotaryTable;

/// Everything a pass computes, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The weights that the ops read.
    pub tensors: Vec<TensorSpec>,
    /// The activations that the ops read and write.
    pub buffers: Vec<BufferSpec>,
    /// The rotary embeddings that the ops apply; layers with the same one share it.
    pub rotary_tables: Vec<RotaryTable>,
    /// Elements of a row of each KV cache: one for each layer with attention that does not read another's.
    pub cache_widths: Vec<CacheWidths>,
    /// The states of fixed size that a sequence has, one or two for each layer with a recurrent block.
    pub states: Vec<StateSpec>,
    /// How keys and values are stored.
    pub cache_format: CacheFormat,
    /// The operations, first to last.
    pub ops: Vec<Op>,
    /// The buffer that holds the logits after the last op: V columns, one row for each output.
    pub logits: BufferId,
    /// The buffer that holds the final hidden states, which the LM head reads: C columns, one row for each
    /// output. `None` in a plan without a head.
    pub hidden: Option<BufferId>,
    /// The buffer that [`Batch::carried`](crate::model::Batch::carried) goes into before the first op: C columns, one row
    /// for each of the batch. `None` in a plan that computes from tokens alone.
    pub carried: Option<BufferId>,
}

/// A tensor that the plan needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Canonical name, such as `layers.3.attention.query.weight`.
    pub name: String,
    /// Rows; 1 for a vector.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

/// An activation buffer: f32, one row of `columns` elements for each row of its set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferSpec {
    /// What it holds, for messages.
    pub name: &'static str,
    /// Elements of a row.
    pub columns: usize,
    /// Which rows it has.
    pub rows: RowSet,
}

/// Elements of what a KV cache has for a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheWidths {
    /// Of its keys, all heads together.
    pub keys: usize,
    /// Of its values; 0 where they are parts of the keys.
    pub values: usize,
}

impl CacheWidths {
    /// Keys and values of the same width.
    pub const fn alike(width: usize) -> Self {
        Self { keys: width, values: width }
    }
}

/// A state that a sequence has beside its KV cache: f32, zeros before the first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSpec {
    /// What it holds, for messages.
    pub name: &'static str,
    /// Elements.
    pub elements: usize,
}

/// The two sets of rows of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowSet {
    /// Every row of the batch.
    Batch,
    /// The rows whose logits were asked for.
    Outputs,
}

impl Plan {
    /// Bytes that one position takes in the KV cache, keys and values of all layers, without padding.
    pub fn cache_bytes_per_position(&self) -> u64 {
        let elements: usize = self.cache_widths.iter().map(|widths| widths.keys + widths.values).sum();
        (elements * self.cache_format.element_bytes()) as u64
    }

    /// How many positions a text may get before it is a long one, with other rotary frequencies; `None` where all texts
    /// have the same.
    pub fn short_texts(&self) -> Option<usize> {
        self.rotary_tables.iter().filter_map(|table| table.long.as_ref()).map(|long| long.beyond).min()
    }

    /// Bytes of all states of one sequence.
    pub fn state_bytes(&self) -> u64 {
        self.states.iter().map(|state| 4 * state.elements as u64).sum()
    }

    /// V: logits of a row.
    pub fn vocabulary(&self) -> usize {
        self.buffer(self.logits).columns
    }

    /// The shape of a tensor.
    pub fn tensor(&self, id: TensorId) -> &TensorSpec {
        &self.tensors[id.0]
    }

    /// The shape of a buffer.
    pub fn buffer(&self, id: BufferId) -> &BufferSpec {
        &self.buffers[id.0]
    }
}
