//! The plan: a decoder as a list of [`Op`]s over named buffers, which [`crate::reference`] runs in plain
//! loops and [`crate::gpu`] runs as kernels.
//!
//! A plan has no control flow and no shapes but two that vary by pass: the number of rows, and how many of
//! them want logits. Constants such as an epsilon exist only here, so that twin and kernel cannot disagree.

use super::config::{Activation, NormKind};
use super::rotary::RotaryTable;
use super::weights::TensorInfo;

/// Index into [`Plan::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub usize);

/// Index into [`Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub usize);

/// Index into [`Plan::rotary_tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RotaryId(pub usize);

/// Everything a pass computes, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The weights that the ops read.
    pub tensors: Vec<TensorSpec>,
    /// The activations that the ops read and write.
    pub buffers: Vec<BufferSpec>,
    /// The rotary embeddings that the ops apply; layers with the same one share it.
    pub rotary_tables: Vec<RotaryTable>,
    /// Elements of a key (and of a value) row of each layer's KV cache.
    pub cache_widths: Vec<usize>,
    /// The operations, first to last.
    pub ops: Vec<Op>,
    /// The buffer that holds the logits after the last op: V columns, one row for each output.
    pub logits: BufferId,
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

/// The two sets of rows of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowSet {
    /// Every row of the batch.
    Batch,
    /// The rows whose logits were asked for.
    Outputs,
}

/// One operation. Shapes: T rows of the output's [`RowSet`], C, H, G, D, F, V as in [`super::config`].
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// output\[t\] = table\[token(t)\] (+ positions\[position(t)\]).
    Embed {
        /// V × C.
        table: TensorId,
        /// context × C, where positions are learned.
        positions: Option<TensorId>,
        /// T × C.
        output: BufferId,
    },
    /// output\[t\] = normalised input\[t\], as [`NormKind`] defines it.
    Norm {
        /// The formula.
        kind: NormKind,
        /// Under the square root.
        epsilon: f32,
        /// C.
        weight: TensorId,
        /// C.
        bias: Option<TensorId>,
        /// T × C.
        input: BufferId,
        /// T × C, another buffer than the input.
        output: BufferId,
    },
    /// output\[t\]\[r\] = Σ_c weight\[r\]\[c\] · input\[t\]\[c\] (+ bias\[r\]).
    Linear {
        /// rows × columns.
        weight: TensorId,
        /// rows.
        bias: Option<TensorId>,
        /// T × columns.
        input: BufferId,
        /// T × rows, another buffer than the input.
        output: BufferId,
    },
    /// Turns each head's pairs (i, i + pairs) by the angles of the row's position, in place.
    Rotary {
        /// The angles.
        table: RotaryId,
        /// Heads in the buffer.
        heads: usize,
        /// D.
        head_width: usize,
        /// T × heads·D.
        buffer: BufferId,
    },
    /// Stores each row's keys and values at its place in the layer's cache.
    CacheWrite {
        /// Index of the layer.
        layer: usize,
        /// T × G·D.
        key: BufferId,
        /// T × G·D.
        value: BufferId,
    },
    /// Softmax attention of each row over the positions it sees, itself included; query head h uses
    /// key/value head h·G/H.
    Attention {
        /// Index of the layer whose cache is read.
        layer: usize,
        /// H.
        heads: usize,
        /// G.
        key_value_heads: usize,
        /// D.
        head_width: usize,
        /// Factor on query·key.
        scale: f32,
        /// T × H·D.
        query: BufferId,
        /// T × H·D, another buffer than the query.
        output: BufferId,
    },
    /// output\[t\] = activation(output\[t\]), in place.
    Activate {
        /// The non-linearity.
        activation: Activation,
        /// T × F.
        buffer: BufferId,
    },
    /// output\[t\] = activation(output\[t\]) · up\[t\]; the output holds the gate's values before.
    Gate {
        /// The non-linearity.
        activation: Activation,
        /// T × F.
        up: BufferId,
        /// T × F: the gate before, the product after.
        output: BufferId,
    },
    /// output\[t\] += input\[t\].
    Add {
        /// T × C.
        input: BufferId,
        /// T × C.
        output: BufferId,
    },
    /// output = those rows of input whose logits were asked for.
    Pick {
        /// T × C, rows of the batch.
        input: BufferId,
        /// Output rows × C.
        output: BufferId,
    },
}

impl Op {
    /// The buffer that the op writes; a cache write has none.
    pub fn output(&self) -> Option<BufferId> {
        match *self {
            Self::Embed { output, .. }
            | Self::Norm { output, .. }
            | Self::Linear { output, .. }
            | Self::Attention { output, .. }
            | Self::Gate { output, .. }
            | Self::Add { output, .. }
            | Self::Pick { output, .. } => Some(output),
            Self::Rotary { buffer, .. } | Self::Activate { buffer, .. } => Some(buffer),
            Self::CacheWrite { .. } => None,
        }
    }

    /// The op's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embed { .. } => "embed",
            Self::Norm { .. } => "norm",
            Self::Linear { .. } => "linear",
            Self::Rotary { .. } => "rotary",
            Self::CacheWrite { .. } => "cache write",
            Self::Attention { .. } => "attention",
            Self::Activate { .. } => "activate",
            Self::Gate { .. } => "gate",
            Self::Add { .. } => "add",
            Self::Pick { .. } => "pick",
        }
    }
}

/// A file whose tensors do not fit the plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// A tensor that an op needs is not there.
    #[error("tensor {name} ({rows} × {columns}) is missing")]
    Missing {
        /// Canonical name.
        name: String,
        /// Rows needed.
        rows: usize,
        /// Columns needed.
        columns: usize,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor {name} is {found}, but the configuration makes it {needed} (rows × columns)")]
    Shape {
        /// Canonical name.
        name: String,
        /// Shape in the file.
        found: String,
        /// Shape in the plan.
        needed: String,
    },
    /// A tensor that no op reads: the file holds something that we would silently ignore.
    #[error("tensor {name} is in the file, but nothing in this architecture reads it")]
    Unread {
        /// Canonical name.
        name: String,
    },
}

impl Plan {
    /// For each of the plan's tensors its index in `found`; refuses missing, misshapen and unread tensors.
    pub fn bind(&self, found: &[TensorInfo]) -> Result<Vec<usize>, BindError> {
        let by_name: std::collections::HashMap<&str, usize> =
            found.iter().enumerate().map(|(index, info)| (info.name.as_str(), index)).collect();
        let mut read = vec![false; found.len()];
        let mut bound = Vec::with_capacity(self.tensors.len());
        for spec in &self.tensors {
            let &index = by_name.get(spec.name.as_str()).ok_or_else(|| BindError::Missing {
                name: spec.name.clone(),
                rows: spec.rows,
                columns: spec.columns,
            })?;
            let info = &found[index];
            if (info.rows, info.columns) != (spec.rows, spec.columns) {
                return Err(BindError::Shape {
                    name: spec.name.clone(),
                    found: format!("{} × {}", info.rows, info.columns),
                    needed: format!("{} × {}", spec.rows, spec.columns),
                });
            }
            read[index] = true;
            bound.push(index);
        }
        match read.iter().position(|read| !read) {
            Some(index) => Err(BindError::Unread { name: found[index].name.clone() }),
            None => Ok(bound),
        }
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
