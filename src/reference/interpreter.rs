//! The interpreter of a plan: weights, activations and sequences, and the running of one op.

use std::collections::BTreeMap;

use super::cache::{CachedPositions, KeysValues, State, stored};
use super::selection::RecentRows;
use super::{
    activate, add, clamp, embed, expert_linear, gate, gate_rows, head_linear, head_norm, linear, mix, norm,
    pick, reorder, rotary, route, scale, soft_cap, xielu,
};
use crate::model::plan::{BufferId, RowSet, TensorId};
use crate::model::weights::TensorInfo;
use crate::model::{Batch, ModelError, Op, Plan, Row, SequenceId, Weights, WeightsError};

/// The handle of a twin's first sequence. An engine's are lower: whoever mixes up the two is told at once.
const FIRST_SEQUENCE: u32 = 1 << 20;

/// A model computed on the CPU, slowly and exactly: the yardstick for [`crate::gpu`].
pub struct Reference {
    /// The activations, by [`BufferId`]: rows × columns of the plan's buffer, resized by [`Self::begin`].
    pub buffers: Vec<Vec<f32>>,
    pub(super) plan: Plan,
    pub(super) context: usize,
    tensors: Vec<Vec<f32>>,
    pub(super) sequences: BTreeMap<SequenceId, CachedPositions>,
    pub(super) next_sequence: u32,
    pub(super) recent: RecentRows,
    /// The pass before, for [`crate::model::LanguageModel::accept`].
    pub(super) last: Option<Pass>,
}

/// A pass that goes on: its rows, and the keys and values they gave so far.
#[derive(Clone, Debug)]
pub struct Pass {
    pub(super) rows: Vec<Row>,
    /// The rows of which anything is wanted.
    outputs: Vec<usize>,
    /// For each row whether its keys and values join its sequence.
    kept: Vec<bool>,
    /// By cache.
    pub(super) computed: Vec<KeysValues>,
    /// By state, for each row what it made of it.
    pub(super) states: Vec<Vec<State>>,
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
            next_sequence: FIRST_SEQUENCE,
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
            computed: vec![KeysValues::default(); self.plan.cache_widths.len()],
            states: vec![Vec::new(); self.plan.states.len()],
        };
        for (buffer, spec) in self.buffers.iter_mut().zip(&self.plan.buffers) {
            let rows = match spec.rows {
                RowSet::Batch => pass.rows.len(),
                RowSet::Outputs => pass.outputs.len(),
            };
            buffer.resize(rows * spec.columns, 0.0);
        }
        if let Some(carried) = self.plan.carried {
            self.buffers[carried.0] = batch.carried.concat();
        }
        Ok(pass)
    }

    /// Runs one op on the buffers as they are now. An attention reads what the pass's cache write of the same
    /// layer stored, and the sequences' cached positions.
    pub fn run(&mut self, op: &Op, pass: &mut Pass) {
        // The output is taken out while inputs are borrowed; no op reads the buffer it writes through another.
        let mut taken = op.output().map(|id| std::mem::take(&mut self.buffers[id.0])).unwrap_or_default();
        let output = &mut taken[..];
        match *op {
            Op::Embed { table, positions, .. } => {
                let (columns, positions) = (self.columns_of(table), self.optional(positions));
                embed::embed(&pass.rows, self.tensor(table), positions, columns, output);
            }
            Op::Norm { kind, epsilon, weight, bias, input, .. } => {
                let (weight, bias) = (self.tensor(weight), self.optional(bias));
                norm::norm(kind, epsilon, weight, bias, self.buffer(input), output);
            }
            Op::HeadNorm { kind, epsilon, weight, heads, head_width, columns } => {
                let weight = self.optional(weight);
                for row in output.chunks_exact_mut(self.plan.buffer(columns.buffer).columns) {
                    let normed = &mut row[columns.first..][..heads * head_width];
                    head_norm::head_norm(kind, epsilon, weight, head_width, normed);
                }
            }
            Op::Linear { norm, weight, bias, input, epilogue, .. } => {
                let input = self.buffer(input);
                let normed = norm.map(|norm| norm::rms(norm.epsilon, self.tensor(norm.weight), input));
                let input = normed.as_deref().unwrap_or(input);
                let (columns, bias) = (self.columns_of(weight), self.optional(bias));
                linear::linear(self.tensor(weight), bias, columns, input, epilogue, output);
            }
            Op::Reorder { order, input, .. } => {
                reorder::reorder(self.tensor(order), self.buffer(input), output);
            }
            Op::Rotary { table, heads, head_width, .. } => {
                let longest = |row: &Row| self.sequence(row.sequence).longest;
                let table = &self.plan.rotary_tables[table.0];
                rotary::rotary(&pass.rows, longest, table, heads, head_width, output);
            }
            Op::HeadLinear { weight, heads, kept, input, .. } => {
                let matrices = head_linear::Matrices {
                    weight: self.tensor(weight),
                    heads,
                    columns: self.columns_of(weight),
                };
                head_linear::head_linear(matrices, kept, self.buffer(input), output);
            }
            Op::CacheWrite { layer, key, value } => {
                let keys = self.buffer(key).to_vec();
                let values = value.map(|value| self.buffer(value).to_vec()).unwrap_or_default();
                pass.computed[layer] = stored(self.plan.cache_format, keys, values);
            }
            Op::Attention(ref attention) => self.attention(attention, None, pass, output),
            Op::Convolution(ref op) => self.convolution(op, pass, output),
            Op::Recurrence(ref op) => self.recurrence(op, pass, output),
            Op::Activate { activation, .. } => activate::activate(activation, output),
            Op::Xielu { xielu: numbers, .. } => xielu::xielu(numbers, output),
            Op::Gate { activation, up, output: gated } => {
                let width = self.plan.buffer(gated).columns;
                gate::gate(activation, &self.columns(up, width), output);
            }
            Op::Add { input, .. } => add::add(self.buffer(input), output),
            Op::Scale { factor, .. } => scale::scale(factor, output),
            Op::ScaleBy { factor, .. } => scale::scale(self.tensor(factor)[0], output),
            Op::Clamp { limit, .. } => clamp::clamp(limit, output),
            Op::SoftCap { cap, .. } => soft_cap::soft_cap(cap, output),
            Op::Route { active, router, bias, factors, scores, .. } => {
                let experts = self.plan.buffer(scores).columns;
                let (bias, factors) = (self.optional(bias), self.optional(factors));
                let routing = route::Routing { active, router, bias, factors, experts };
                route::route(&routing, self.buffer(scores), output);
            }
            Op::ExpertLinear { weight, bias, experts, routes, input, expert_input, .. } => {
                let (columns, bias) = (self.columns_of(weight), self.optional(bias));
                let weight = self.tensor(weight);
                let matrices = expert_linear::Matrices { weight, bias, experts, columns };
                let (active, routes) = self.routes(routes);
                expert_linear::expert_linear(
                    matrices,
                    active,
                    routes,
                    self.buffer(input),
                    expert_input,
                    output,
                );
            }
            Op::Mix { share_use, routes, input, .. } => {
                let (active, routes) = self.routes(routes);
                mix::mix(share_use, active, routes, self.buffer(input), output);
            }
            Op::GateRows { function, width, gate, output: gated } => {
                let gates = self.plan.buffer(gated).columns / width;
                gate_rows::gate_rows(function, width, &self.columns(gate, gates), output);
            }
            Op::Pick { input, .. } => {
                pick::pick(&pass.outputs, self.plan.buffer(input).columns, self.buffer(input), output);
            }
        }
        if let Some(id) = op.output() {
            self.buffers[id.0] = taken;
        }
    }

    /// Ends a pass: the keys and values of rows that extend their sequence join its cached positions. The
    /// logits stay in the plan's logits buffer.
    pub fn finish(&mut self, pass: Pass) {
        for (index, row) in pass.rows.iter().enumerate().filter(|(index, _)| pass.kept[*index]) {
            let sequence = self.sequences.get_mut(&row.sequence).expect("checked by begin");
            sequence.append(&pass.computed, &pass.states, index, &self.plan.cache_widths);
        }
        self.last = Some(pass);
    }

    pub(super) fn tensor(&self, id: TensorId) -> &[f32] {
        &self.tensors[id.0]
    }

    pub(super) fn optional(&self, id: Option<TensorId>) -> Option<&[f32]> {
        id.map(|id| self.tensor(id))
    }

    pub(super) fn buffer(&self, id: BufferId) -> &[f32] {
        &self.buffers[id.0]
    }

    pub(super) fn sequence(&self, id: SequenceId) -> &CachedPositions {
        self.sequences.get(&id).expect("the sequence was made by this model and is not released")
    }

    fn columns_of(&self, id: TensorId) -> usize {
        self.plan.tensor(id).columns
    }

    /// How many experts compute a row, and which: as [`Op::Route`] makes them.
    fn routes(&self, id: BufferId) -> (usize, &[f32]) {
        (self.plan.buffer(id).columns / 2, self.buffer(id))
    }
}
