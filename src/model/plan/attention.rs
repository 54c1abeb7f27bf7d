//! Attention, plain and fused.

use super::ids::{BufferId, RotaryId, TensorId};
use crate::model::config::{HeadNormPlace, ScoresConfig};

/// Softmax attention; query head h uses key/value head h·G/H.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionOp {
    /// Index of the cache that is read, into [`super::Plan::cache_widths`].
    pub layer: usize,
    /// H.
    pub heads: usize,
    /// G.
    pub key_value_heads: usize,
    /// D.
    pub head_width: usize,
    /// Where the values are.
    pub values: AttentionValues,
    /// Factor on query·key.
    pub scale: f32,
    /// What else is done to the scores.
    pub scores: ScoresConfig,
    /// H: if present, a score for each head that takes part in the softmax but has no value.
    pub sinks: Option<TensorId>,
    /// T × H·D.
    pub query: Columns,
    /// T × H times the width of values, another buffer than the query.
    pub output: BufferId,
    /// If present, this op itself normalises and rotates queries and keys, and appends keys and values to the cache.
    /// Otherwise ops before it have done so.
    pub prologue: Option<AttentionPrologue>,
}

/// Where the values of an attention are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionValues {
    /// In the cache beside the keys, with heads of the same width.
    Cached,
    /// They are what each key has from its element `first` on.
    OfKeys {
        /// The first element of a value.
        first: usize,
    },
}

impl AttentionOp {
    /// Elements of a head of the values.
    pub fn value_width(&self) -> usize {
        self.head_width - self.first_of_value()
    }

    /// The first element of a cached head that belongs to its value.
    pub fn first_of_value(&self) -> usize {
        match self.values {
            AttentionValues::Cached => 0,
            AttentionValues::OfKeys { first } => first,
        }
    }
}

/// Consecutive columns of a buffer's rows; the reader knows how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The buffer.
    pub buffer: BufferId,
    /// The first column.
    pub first: usize,
}

/// What an attention does first with queries, keys and values as they are projected: it normalises them by head, rotates
/// queries and keys, and appends keys and values to the cache. Keys and values may be made of the same columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionPrologue {
    /// T × G·D.
    pub key: Columns,
    /// T × G·D.
    pub value: Columns,
    /// Norms of the query and key heads, if the model has them.
    pub norms: Option<HeadNorms>,
    /// The ε of the value heads' norm, which has no weight, if the model has one: as an [`super::Op::HeadNorm`].
    pub value_norm: Option<f32>,
    /// The angles, if the layer rotates queries and keys.
    pub rotary: Option<RotaryId>,
}

/// The norms of query and key heads, as two [`super::Op::HeadNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadNorms {
    /// Before or after the rotary embedding.
    pub place: HeadNormPlace,
    /// Under the square roots.
    pub epsilon: f32,
    /// D.
    pub query: TensorId,
    /// D.
    pub key: TensorId,
}
