//! Attention, plain and fused.

use super::ids::{BufferId, RotaryId, TensorId};
use crate::model::config::ScoresConfig;

/// Softmax attention; query head h uses key/value head h·G/H.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionOp {
    /// Index of the layer whose cache is read.
    pub layer: usize,
    /// H.
    pub heads: usize,
    /// G.
    pub key_value_heads: usize,
    /// D.
    pub head_width: usize,
    /// Factor on query·key.
    pub scale: f32,
    /// What else becomes of the scores.
    pub scores: ScoresConfig,
    /// H: where present, a score for each head that takes part in the softmax and has no value.
    pub sinks: Option<TensorId>,
    /// T × H·D.
    pub query: Columns,
    /// T × H·D, another buffer than the query.
    pub output: BufferId,
    /// Where present, this op itself makes queries and keys ready and stores keys and values: no op before
    /// it has.
    pub fresh: Option<Fresh>,
}

/// Some consecutive columns of a buffer's rows; how many is known to who reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The buffer.
    pub buffer: BufferId,
    /// Its first column that counts.
    pub first: usize,
}

/// Keys and values of a pass that are not in the cache yet; queries and keys are still to be normalised by head
/// and turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fresh {
    /// T × G·D.
    pub key: Columns,
    /// T × G·D.
    pub value: Columns,
    /// Norms of the query and key heads, where the model has them.
    pub norms: Option<HeadNorms>,
    /// The angles, where the layer turns queries and keys.
    pub rotary: Option<RotaryId>,
}

/// The norms of query and key heads, as two [`super::Op::HeadNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadNorms {
    /// Under the square roots.
    pub epsilon: f32,
    /// D.
    pub query: TensorId,
    /// D.
    pub key: TensorId,
}
