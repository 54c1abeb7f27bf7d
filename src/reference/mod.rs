//! The CPU twin: interprets a [`Plan`] in plain loops with f64 accumulation, one file an op.
//!
//! Between ops values are f32, rounded once an op, so that each op's output can be compared with the same
//! op's output on the GPU. Slow and plain on purpose; it knows nothing of files, devices or threads.
//!
//! Two ways in. As a [`crate::model::LanguageModel`] it computes whole passes. Op by op it goes through
//! [`Reference::begin`], [`Reference::run`] and [`Reference::finish`], with [`Reference::buffers`] open to be
//! read and overwritten in between:
//!
//! ```
//! use logitscope::model::{Batch, Op, Plan, SequenceId, LanguageModel};
//! use logitscope::model::batch::RowOutput;
//! use logitscope::model::plan::{BufferId, BufferSpec, RowSet};
//! use logitscope::reference::Reference;
//!
//! // A plan of one op, as a kernel's test makes it: output += input, on rows of two elements.
//! let buffer = |name| BufferSpec { name, columns: 2, rows: RowSet::Batch };
//! let op = Op::Add { input: BufferId(0), output: BufferId(1) };
//! let plan = Plan {
//!     tensors: vec![],
//!     buffers: vec![buffer("input"), buffer("output")],
//!     rotary_tables: vec![],
//!     cache_widths: vec![],
//!     cache_format: Default::default(),
//!     ops: vec![op.clone()],
//!     logits: BufferId(1),
//!     hidden: None,
//! };
//! let mut twin = Reference::from_values(plan, 10, vec![]);
//! let sequence = twin.new_sequence();
//! let batch = Batch::chain(sequence, 0, &[0], RowOutput::Logits);
//! let mut pass = twin.begin(&batch)?;
//! twin.buffers[0] = vec![1.0, 2.0];
//! twin.buffers[1] = vec![10.0, 20.0];
//! twin.run(&op, &mut pass);
//! assert_eq!(twin.buffers[1], [11.0, 22.0]);
//! # Ok::<(), logitscope::model::ModelError>(())
//! ```

use std::collections::BTreeMap;

use crate::model::config::NormKind;
use crate::model::plan::{AttentionOp, BufferId, Columns, Fresh, HeadNorms, RowSet, TensorId};
use crate::model::weights::TensorInfo;
use crate::model::{Batch, ModelError, Op, Plan, Row, SequenceId, Weights, WeightsError};

mod activation;
mod add;
mod attention;
mod cache;
mod embed;
mod experts;
mod linear;
mod model;
mod norm;
mod pick;
mod rotary;
mod scale;
pub mod selection;
#[cfg(test)]
mod sequence_tests;

use attention::Heads;
use cache::{KeysValues, Sequence};
use experts::Matrices;
use selection::RecentRows;

/// A model computed on the CPU, slowly and exactly: the yardstick for [`crate::gpu`].
pub struct Reference {
    /// The activations, by [`BufferId`]: rows × columns of the plan's buffer, resized by [`Self::begin`].
    pub buffers: Vec<Vec<f32>>,
    plan: Plan,
    context: usize,
    tensors: Vec<Vec<f32>>,
    sequences: BTreeMap<SequenceId, Sequence>,
    next_sequence: u32,
    recent: RecentRows,
    /// The pass before, for [`crate::model::LanguageModel::accept`].
    last: Option<Pass>,
}

/// A pass that goes on: its rows, and the keys and values they gave so far.
#[derive(Clone, Debug)]
pub struct Pass {
    rows: Vec<Row>,
    outputs: Vec<usize>,
    kept: Vec<bool>,
    fresh: Vec<KeysValues>,
}

impl Reference {
    /// Reads all weights as f32; tensor i of `weights` is the plan's tensor i.
    pub fn new(plan: Plan, context: usize, weights: &dyn Weights) -> Result<Self, WeightsError> {
        let read =
            |(index, info): (usize, &TensorInfo)| Ok(info.format.decode(&weights.read(index, 0..info.rows)?));
        let tensors = weights.tensors().iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self::from_values(plan, context, tensors))
    }

    /// With the plan's tensors given as numbers, each row-major; panics if one has another size than planned.
    pub fn from_values(plan: Plan, context: usize, tensors: Vec<Vec<f32>>) -> Self {
        assert_eq!(tensors.len(), plan.tensors.len(), "one list of numbers for each tensor of the plan");
        for (spec, values) in plan.tensors.iter().zip(&tensors) {
            assert_eq!(values.len(), spec.rows * spec.columns, "elements of {}", spec.name);
        }
        let buffers = vec![Vec::new(); plan.buffers.len()];
        Self {
            buffers,
            plan,
            context,
            tensors,
            sequences: BTreeMap::new(),
            next_sequence: 0,
            recent: RecentRows::default(),
            last: None,
        }
    }

    /// Begins a pass over `batch`: checks it, and makes every buffer as large as the pass needs.
    pub fn begin(&mut self, batch: &Batch) -> Result<Pass, ModelError> {
        let cached = |sequence: SequenceId| self.sequence(sequence).length;
        batch.check(self.plan.vocabulary(), self.context, cached)?;
        let pass = Pass {
            rows: batch.rows.clone(),
            outputs: batch.picked().collect(),
            kept: batch.kept(cached),
            fresh: vec![KeysValues::default(); self.plan.cache_widths.len()],
        };
        for (buffer, spec) in self.buffers.iter_mut().zip(&self.plan.buffers) {
            let rows = match spec.rows {
                RowSet::Batch => pass.rows.len(),
                RowSet::Outputs => pass.outputs.len(),
            };
            buffer.resize(rows * spec.columns, 0.0);
        }
        Ok(pass)
    }

    /// Runs one op on the buffers as they are now. An attention reads what the pass's cache write of the same
    /// layer stored, and the sequences' cached positions.
    pub fn run(&mut self, op: &Op, pass: &mut Pass) {
        // The output is taken out while inputs are borrowed; no op reads the buffer it writes through another.
        let mut output = op.output().map(|id| std::mem::take(&mut self.buffers[id.0])).unwrap_or_default();
        match *op {
            Op::Embed { table, positions, .. } => {
                let columns = self.plan.tensor(table).columns;
                let positions = positions.map(|id| self.tensor(id));
                embed::embed(&pass.rows, self.tensor(table), positions, columns, &mut output);
            }
            Op::Norm { kind, epsilon, weight, bias, input, .. } => {
                let bias = bias.map(|id| self.tensor(id));
                norm::norm(kind, epsilon, self.tensor(weight), bias, self.buffer(input), &mut output);
            }
            Op::HeadNorm { kind, epsilon, weight, head_width, .. } => {
                norm::head_norm(kind, epsilon, self.tensor(weight), head_width, &mut output);
            }
            Op::Linear { norm, weight, bias, input, finish, .. } => {
                let normed =
                    norm.map(|norm| norm::rms(norm.epsilon, self.tensor(norm.weight), self.buffer(input)));
                let input = normed.as_deref().unwrap_or(self.buffer(input));
                let columns = self.plan.tensor(weight).columns;
                let bias = bias.map(|id| self.tensor(id));
                linear::linear(self.tensor(weight), bias, columns, input, finish, &mut output);
            }
            Op::Rotary { table, heads, head_width, .. } => {
                let table = &self.plan.rotary_tables[table.0];
                rotary::rotary(&pass.rows, table, heads, head_width, &mut output);
            }
            Op::CacheWrite { layer, key, value } => {
                let stored = |buffer: BufferId| self.rounded(self.buffer(buffer).to_vec());
                pass.fresh[layer] = KeysValues { keys: stored(key), values: stored(value) };
            }
            Op::Attention(ref attention) => self.attention(attention, None, pass, &mut output),
            Op::Activate { activation, .. } => activation::activate(activation, &mut output),
            Op::Gate { activation, up, .. } => activation::gate(activation, self.buffer(up), &mut output),
            Op::Add { input, .. } => add::add(self.buffer(input), &mut output),
            Op::Scale { factor, .. } => scale::scale(factor, &mut output),
            Op::Clamp { limit, .. } => scale::clamp(limit, &mut output),
            Op::SoftCap { cap, .. } => scale::soft_cap(cap, &mut output),
            Op::Route { active, shares, scores, .. } => {
                let experts = self.plan.buffer(scores).columns;
                experts::route(active, shares, experts, self.buffer(scores), &mut output);
            }
            Op::ExpertLinear { weight, bias, experts, routes, input, takes, .. } => {
                let matrices = Matrices {
                    weight: self.tensor(weight),
                    bias: bias.map(|id| self.tensor(id)),
                    experts,
                    columns: self.plan.tensor(weight).columns,
                };
                let active = self.plan.buffer(routes).columns / 2;
                let (routes, input) = (self.buffer(routes), self.buffer(input));
                experts::expert_linear(matrices, active, routes, input, takes, &mut output);
            }
            Op::Mix { routes, input, .. } => {
                let active = self.plan.buffer(routes).columns / 2;
                experts::mix(active, self.buffer(routes), self.buffer(input), &mut output);
            }
            Op::GateRows { gate, .. } => experts::gate_rows(self.buffer(gate), &mut output),
            Op::Pick { input, .. } => {
                let columns = self.plan.buffer(input).columns;
                pick::pick(&pass.outputs, columns, self.buffer(input), &mut output);
            }
        }
        if let Some(id) = op.output() {
            self.buffers[id.0] = output;
        }
    }

    /// The keys and values that the pass gave a layer, rows of G·D.
    pub fn fresh<'a>(&self, pass: &'a Pass, layer: usize) -> [&'a [f32]; 2] {
        [&pass.fresh[layer].keys, &pass.fresh[layer].values]
    }

    /// Runs an attention that stores its own keys and values again, with these instead: those of another
    /// interpreter, whose rounding to the cache's precision may fall on the other side.
    pub fn run_with(&mut self, attention: &AttentionOp, pass: &mut Pass, [keys, values]: [Vec<f32>; 2]) {
        let mut output = std::mem::take(&mut self.buffers[attention.output.0]);
        self.attention(attention, Some(KeysValues { keys, values }), pass, &mut output);
        self.buffers[attention.output.0] = output;
    }

    /// Ends a pass: the keys and values of rows that extend their sequence join its cached positions. The
    /// logits stay in the plan's logits buffer.
    pub fn finish(&mut self, pass: Pass) {
        for (index, row) in pass.rows.iter().enumerate().filter(|(index, _)| pass.kept[*index]) {
            let sequence = self.sequences.get_mut(&row.sequence).expect("checked by begin");
            sequence.append(&pass.fresh, index, &self.plan.cache_widths);
        }
        self.last = Some(pass);
    }

    /// Attention of every row. `given` are the keys and values to be cached, where they are not the ones that the op
    /// itself would store.
    fn attention(&self, op: &AttentionOp, given: Option<KeysValues>, pass: &mut Pass, output: &mut [f32]) {
        let heads = Heads::from(op);
        let mut queries = self.columns(op.query, heads.query * heads.width);
        let made = op.fresh.map(|fresh| self.make_ready(&fresh, heads, &pass.rows, &mut queries));
        if let Some(stored) = given.or(made) {
            pass.fresh[op.layer] = stored;
        }
        self.attend(op, pass, &queries, output);
    }

    /// Attention of every row, with queries that are ready.
    fn attend(&self, op: &AttentionOp, pass: &Pass, queries: &[f32], output: &mut [f32]) {
        let (heads, layer) = (Heads::from(op), op.layer);
        let sinks = op.sinks.map_or(&[][..], |id| self.tensor(id));
        let width = heads.query * heads.width;
        let position_width = heads.key_value * heads.width;
        for (index, output) in output.chunks_exact_mut(width).enumerate() {
            let chain = cache::chain(&pass.rows, index);
            let first = &pass.rows[chain[0]];
            let cached = &self.sequence(first.sequence).layers[layer];
            let fresh = &pass.fresh[layer];
            let keys = visible(&cached.keys, first.position, &fresh.keys, &chain, position_width);
            let values = visible(&cached.values, first.position, &fresh.values, &chain, position_width);
            attention::attention(heads, sinks, &queries[index * width..][..width], &keys, &values, output);
        }
    }

    /// Normalises and turns queries and keys as `fresh` says, and gives the keys and values to be cached.
    fn make_ready(&self, fresh: &Fresh, heads: Heads, rows: &[Row], queries: &mut [f32]) -> KeysValues {
        let width = heads.key_value * heads.width;
        let (mut keys, values) = (self.columns(fresh.key, width), self.columns(fresh.value, width));
        if let Some(HeadNorms { epsilon, query, key }) = fresh.norms {
            norm::head_norm(NormKind::Rms, epsilon, self.tensor(query), heads.width, queries);
            norm::head_norm(NormKind::Rms, epsilon, self.tensor(key), heads.width, &mut keys);
        }
        if let Some(id) = fresh.rotary {
            let table = &self.plan.rotary_tables[id.0];
            rotary::rotary(rows, table, heads.query, heads.width, queries);
            rotary::rotary(rows, table, heads.key_value, heads.width, &mut keys);
        }
        KeysValues { keys: self.rounded(keys), values: self.rounded(values) }
    }

    /// What the cache gives back for these keys or values.
    fn rounded(&self, mut values: Vec<f32>) -> Vec<f32> {
        values.iter_mut().for_each(|value| *value = self.plan.cache_format.round(*value));
        values
    }

    /// `width` columns of every row of a buffer.
    fn columns(&self, columns: Columns, width: usize) -> Vec<f32> {
        let rows = self.buffer(columns.buffer).chunks_exact(self.plan.buffer(columns.buffer).columns);
        rows.flat_map(|row| &row[columns.first..][..width]).copied().collect()
    }

    fn tensor(&self, id: TensorId) -> &[f32] {
        &self.tensors[id.0]
    }

    fn buffer(&self, id: BufferId) -> &[f32] {
        &self.buffers[id.0]
    }

    fn sequence(&self, id: SequenceId) -> &Sequence {
        self.sequences.get(&id).expect("the sequence was made by this model and is not released")
    }
}

/// The rows of `width` elements that a row sees: the first `count` of the cache, then the chain's own.
fn visible<'a>(
    cached: &'a [f32],
    count: usize,
    fresh: &'a [f32],
    chain: &[usize],
    width: usize,
) -> Vec<&'a [f32]> {
    let own = chain.iter().map(|row| &fresh[row * width..][..width]);
    cached.chunks_exact(width).take(count).chain(own).collect()
}
