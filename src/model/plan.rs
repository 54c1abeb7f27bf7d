//! The plan: a decoder as a list of [`Op`]s over named buffers, which [`crate::reference`] runs in plain
//! loops and [`crate::gpu`] runs as kernels.
//!
//! A plan has no control flow and no shapes but two that vary by pass: the number of rows, and how many of
//! them want logits. Constants such as an epsilon exist only here, so that twin and kernel cannot disagree.

use super::cache::CacheFormat;
use super::config::{Activation, NormKind, ScoresConfig, Shares};
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
    /// How keys and values are stored.
    pub cache_format: CacheFormat,
    /// The operations, first to last.
    pub ops: Vec<Op>,
    /// The buffer that holds the logits after the last op: V columns, one row for each output.
    pub logits: BufferId,
    /// The buffer that holds the final hidden states, which the LM head reads: C columns, one row for each
    /// output. `None` in a plan without a head.
    pub hidden: Option<BufferId>,
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
    /// Normalises each of a row's heads by itself, in place, over the D elements of a head.
    HeadNorm {
        /// The formula.
        kind: NormKind,
        /// Under the square root.
        epsilon: f32,
        /// D for all heads, or heads·D.
        weight: TensorId,
        /// Heads in the buffer.
        heads: usize,
        /// D.
        head_width: usize,
        /// T × heads·D.
        buffer: BufferId,
    },
    /// result\[t\]\[r\] = Σ_c weight\[r\]\[c\] · input\[t\]\[c\] (+ bias\[r\]), which [`Finish`] turns into the output.
    Linear {
        /// Where present, the input is normalised on its way in.
        norm: Option<InputNorm>,
        /// rows × columns.
        weight: TensorId,
        /// rows.
        bias: Option<TensorId>,
        /// T × columns.
        input: BufferId,
        /// T × rows (half as many for [`Finish::Gate`]), another buffer than the input.
        output: BufferId,
        /// What becomes of the result.
        finish: Finish,
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
        /// What else becomes of the scores.
        scores: ScoresConfig,
        /// H: where present, a score for each head that takes part in the softmax and has no value.
        sinks: Option<TensorId>,
        /// T × H·D.
        query: Columns,
        /// T × H·D, another buffer than the query.
        output: BufferId,
        /// Where present, this op itself makes queries and keys ready and stores keys and values: no op before
        /// it has.
        fresh: Option<Fresh>,
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
    /// buffer\[t\] = factor · buffer\[t\], in place.
    Scale {
        /// The factor.
        factor: f32,
        /// T × columns.
        buffer: BufferId,
    },
    /// buffer\[t\] = min(max(buffer\[t\], −limit), limit), in place.
    Clamp {
        /// What no result exceeds either way.
        limit: f32,
        /// T × columns.
        buffer: BufferId,
    },
    /// buffer\[t\] = cap · tanh(buffer\[t\] / cap), in place (Bello et al. 2017).
    SoftCap {
        /// What no result exceeds.
        cap: f32,
        /// T × columns.
        buffer: BufferId,
    },
    /// Chooses the experts of each row: those with the highest scores, the lower index among equals.
    Route {
        /// K: how many are chosen.
        active: usize,
        /// What each one's share is.
        shares: Shares,
        /// T × E: the router's scores.
        scores: BufferId,
        /// T × 2K: the indices of the chosen experts by descending score, as numbers, and then their shares.
        output: BufferId,
    },
    /// A linear map by the experts of each row, one block of results after the other:
    /// output\[t\]\[k·R + r\] = Σ_c weight\[e(t, k)·R + r\]\[c\] · x\[c\] (+ bias\[e(t, k)·R + r\]).
    ExpertLinear {
        /// E·R × columns: the experts' matrices one below the other.
        weight: TensorId,
        /// E·R.
        bias: Option<TensorId>,
        /// E: how many there are.
        experts: usize,
        /// T × 2K, as [`Self::Route`] makes it.
        routes: BufferId,
        /// T × columns, or T × K·columns for [`ExpertInput::Own`].
        input: BufferId,
        /// Which part of the input is x.
        takes: ExpertInput,
        /// T × K·R, another buffer than the input.
        output: BufferId,
    },
    /// output\[t\]\[c\] = Σ_k share(t, k) · input\[t\]\[k·C + c\].
    Mix {
        /// T × 2K, as [`Self::Route`] makes it.
        routes: BufferId,
        /// T × K·C.
        input: BufferId,
        /// T × C.
        output: BufferId,
    },
    /// output\[t\] = sigmoid(gate\[t\]) · output\[t\].
    GateRows {
        /// T × 1.
        gate: BufferId,
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

/// RMSNorm of a linear map's input, as [`Op::Norm`] without a bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputNorm {
    /// Under the square root.
    pub epsilon: f32,
    /// C.
    pub weight: TensorId,
    /// T × C: scratch for the normalised input, of use when there are many rows.
    pub normed: BufferId,
}

/// What becomes of a linear map's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finish {
    /// output = result.
    Store,
    /// output += result.
    Add,
    /// output = activation(result).
    Activate(Activation),
    /// output\[f\] = activation(gate\[f\]) · up\[f\]. The weight's rows come in blocks of eight: four of the gate, and
    /// the same four of up.
    Gate(Activation),
}

/// What the experts of a row read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpertInput {
    /// The whole row, each of them.
    Shared,
    /// Each its own block of the row.
    Own,
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

/// The norms of query and key heads, as two [`Op::HeadNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadNorms {
    /// Under the square roots.
    pub epsilon: f32,
    /// D.
    pub query: TensorId,
    /// D.
    pub key: TensorId,
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
            | Self::Route { output, .. }
            | Self::ExpertLinear { output, .. }
            | Self::Mix { output, .. }
            | Self::GateRows { output, .. }
            | Self::Pick { output, .. } => Some(output),
            Self::HeadNorm { buffer, .. }
            | Self::Rotary { buffer, .. }
            | Self::Activate { buffer, .. }
            | Self::Scale { buffer, .. }
            | Self::Clamp { buffer, .. }
            | Self::SoftCap { buffer, .. } => Some(buffer),
            Self::CacheWrite { .. } => None,
        }
    }

    /// Every buffer that the op names, its output included.
    pub fn buffers_mut(&mut self) -> Vec<&mut BufferId> {
        match self {
            Self::Embed { output, .. } => vec![output],
            Self::Norm { input, output, .. } | Self::Add { input, output } | Self::Pick { input, output } => {
                vec![input, output]
            }
            Self::Linear { norm, input, output, .. } => {
                let normed = norm.as_mut().map(|norm| &mut norm.normed);
                [input, output].into_iter().chain(normed).collect()
            }
            Self::HeadNorm { buffer, .. }
            | Self::Rotary { buffer, .. }
            | Self::Activate { buffer, .. }
            | Self::Scale { buffer, .. }
            | Self::Clamp { buffer, .. }
            | Self::SoftCap { buffer, .. } => vec![buffer],
            Self::CacheWrite { key, value, .. } => vec![key, value],
            Self::Attention { query, output, fresh, .. } => {
                let fresh = fresh.as_mut();
                let fresh = fresh.map(|fresh| [&mut fresh.key.buffer, &mut fresh.value.buffer]);
                [&mut query.buffer, output].into_iter().chain(fresh.into_iter().flatten()).collect()
            }
            Self::Gate { up, output, .. } => vec![up, output],
            Self::Route { scores, output, .. } => vec![scores, output],
            Self::ExpertLinear { routes, input, output, .. } | Self::Mix { routes, input, output } => {
                vec![routes, input, output]
            }
            Self::GateRows { gate, output } => vec![gate, output],
        }
    }

    /// Every tensor that the op reads.
    pub fn tensors_mut(&mut self) -> Vec<&mut TensorId> {
        match self {
            Self::Embed { table, positions, .. } => [table].into_iter().chain(positions).collect(),
            Self::Norm { weight, bias, .. } => [weight].into_iter().chain(bias).collect(),
            Self::Linear { norm, weight, bias, .. } => {
                let norm = norm.as_mut().map(|norm| &mut norm.weight);
                [weight].into_iter().chain(bias).chain(norm).collect()
            }
            Self::HeadNorm { weight, .. } => vec![weight],
            Self::ExpertLinear { weight, bias, .. } => [weight].into_iter().chain(bias).collect(),
            Self::Attention { sinks, fresh, .. } => {
                let norms = fresh.as_mut().and_then(|fresh| fresh.norms.as_mut());
                let norms = norms.map(|norms| [&mut norms.query, &mut norms.key]);
                sinks.iter_mut().chain(norms.into_iter().flatten()).collect()
            }
            Self::Rotary { .. }
            | Self::CacheWrite { .. }
            | Self::Activate { .. }
            | Self::Gate { .. }
            | Self::Add { .. }
            | Self::Scale { .. }
            | Self::Clamp { .. }
            | Self::SoftCap { .. }
            | Self::Route { .. }
            | Self::Mix { .. }
            | Self::GateRows { .. }
            | Self::Pick { .. } => Vec::new(),
        }
    }

    /// The op's name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embed { .. } => "embed",
            Self::Norm { .. } => "norm",
            Self::HeadNorm { .. } => "head norm",
            Self::Linear { .. } => "linear",
            Self::Rotary { .. } => "rotary",
            Self::CacheWrite { .. } => "cache write",
            Self::Attention { .. } => "attention",
            Self::Activate { .. } => "activate",
            Self::Gate { .. } => "gate",
            Self::Add { .. } => "add",
            Self::Scale { .. } => "scale",
            Self::Clamp { .. } => "clamp",
            Self::SoftCap { .. } => "soft cap",
            Self::Route { .. } => "route",
            Self::ExpertLinear { .. } => "expert linear",
            Self::Mix { .. } => "mix",
            Self::GateRows { .. } => "gate rows",
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

    /// Bytes that one position takes in the KV cache, keys and values of all layers, without padding.
    pub fn cache_bytes_per_position(&self) -> u64 {
        let elements: usize = self.cache_widths.iter().map(|width| 2 * width).sum();
        (elements * self.cache_format.element_bytes()) as u64
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
