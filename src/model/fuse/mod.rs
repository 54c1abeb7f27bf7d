//! The plan rewritten for speed: fewer ops, each of which does more with what it has loaded.
//!
//! A plain llama layer of sixteen ops becomes five: norm and query/key/value · rotary, cache write and
//! attention · output projection and residual · norm, gate, up and activation · down and residual. The rules
//! match neighbouring ops; what matches no rule stays as it is. A test holds both forms together.

mod attention;
mod projection;

use attention::{AttentionBlock, FoundGate};
use projection::Projection;

use super::concat::{ALTERNATING_ROWS, Concat, ConcatWeights, RowOrder, concat_info};
use super::plan::{
    AttentionOp, AttentionPrologue, BufferId, BufferSpec, Columns, Epilogue, InputNorm, Op, Plan, TensorId,
    TensorSpec,
};
use super::weights::Weights;
use crate::model::config::NormKind;

/// A rewritten plan, and the weights as it reads them: tensor i of the plan is tensor i of the weights.
pub struct Fused<'a> {
    /// What is computed.
    pub plan: Plan,
    /// The source's tensors, some of them concatenated.
    pub weights: ConcatWeights<'a>,
}

/// Rewrites a plain plan. Tensor i of `weights` is the plan's tensor i.
pub fn fuse<'a>(plan: &Plan, weights: &'a dyn Weights) -> Fused<'a> {
    let concats = (0..plan.tensors.len()).map(Concat::single).collect();
    let mut fuser = Fuser { plan: plan.clone(), weights, concats };
    let rules =
        [Fuser::order, Fuser::gate, Fuser::activation, Fuser::residual, Fuser::attention, Fuser::input_norm];
    for rule in rules {
        let mut first = 0;
        while first < fuser.plan.ops.len() {
            if let Some((taken, ops)) = rule(&mut fuser, first) {
                fuser.plan.ops.splice(first..first + taken, ops);
            }
            first += 1;
        }
    }
    fuser.finish()
}

struct Fuser<'a> {
    plan: Plan,
    weights: &'a dyn Weights,
    /// One for each of the plan's tensors.
    concats: Vec<Concat>,
}

/// How many ops from a place on are replaced, and by which.
type Replacement = Option<(usize, Vec<Op>)>;

impl<'a> Fuser<'a> {
    /// What is in an order already need not be brought into it again: matrices of one input most often have the same.
    fn order(&mut self, first: usize) -> Replacement {
        let Op::Reorder { order, input, output } = self.plan.ops[first] else { return None };
        let mut before = self.plan.ops[..first].iter().rev();
        let last_change = before.find(|op| [Some(input), Some(output)].contains(&op.output()))?;
        match *last_change {
            Op::Reorder { order: other, input: same, .. } if same == input && self.are_same(order, other) => {
                Some((1, Vec::new()))
            }
            _ => None,
        }
    }

    /// Whether two vectors have the same numbers.
    fn are_same(&self, one: TensorId, other: TensorId) -> bool {
        let read = |tensor: TensorId| self.weights.read(self.concats[tensor.0].parts[0], 0..1);
        matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other)
    }

    /// up and gate, and the gate's op: one linear map.
    fn gate(&mut self, first: usize) -> Replacement {
        let (up, gate, activation, output) = match self.plan.ops[first..] {
            [
                ref up,
                ref gate,
                Op::Gate { activation, up: Columns { buffer: up_buffer, first: 0 }, output },
                ..,
            ] => {
                let (up, gate) = (Projection::of(up)?, Projection::of(gate)?);
                let fits = up.output == up_buffer && gate.output == output && up.input == gate.input;
                fits.then_some((up, gate, activation, output))?
            }
            _ => return None,
        };
        let whole_blocks = self.plan.buffer(output).columns.is_multiple_of(ALTERNATING_ROWS);
        if !whole_blocks || self.is_read_after(first + 3, up.output) {
            return None;
        }
        let (weight, bias) = self.concat(&[gate, up], RowOrder::Alternating)?;
        let epilogue = Epilogue::Gate(activation);
        Some((3, vec![Op::Linear { norm: None, weight, bias, input: up.input, output, epilogue }]))
    }

    /// A linear map and a non-linearity.
    fn activation(&mut self, first: usize) -> Replacement {
        match self.plan.ops[first..] {
            [ref linear, Op::Activate { activation, buffer }, ..] => {
                let Projection { weight, bias, input, output } = Projection::of(linear)?;
                let epilogue = Epilogue::Activate(activation);
                let fused = Op::Linear { norm: None, weight, bias, input, output, epilogue };
                (output == buffer).then(|| (2, vec![fused]))
            }
            _ => None,
        }
    }

    /// A linear map and the addition of its result.
    fn residual(&mut self, first: usize) -> Replacement {
        match self.plan.ops[first..] {
            [ref linear, Op::Add { input: update, output: sum }, ..] => {
                let Projection { weight, bias, input, output } = Projection::of(linear)?;
                let fits = output == update && input != sum && !self.is_read_after(first + 2, update);
                let fused =
                    Op::Linear { norm: None, weight, bias, input, output: sum, epilogue: Epilogue::Add };
                fits.then(|| (2, vec![fused]))
            }
            _ => None,
        }
    }

    /// Query, key and value projections, everything between them and the attention, and the attention: one
    /// linear map and one op, with a clamp between them if there is a limit on all three. If the output has gates, the
    /// linear map makes them too.
    fn attention(&mut self, first: usize) -> Replacement {
        let found = AttentionBlock::find(&self.plan.ops[first..])?;
        let read_later = |part: &Projection| self.is_read_after(first + found.taken, part.output);
        let parts = found.linear_maps();
        if !found.fits(&self.plan) || parts.iter().any(read_later) {
            return None;
        }
        let (weight, bias) = self.concat(&parts, RowOrder::Sequential)?;
        let [query, key, value] = found.projections;
        let one_for_both = found.has_values_of_keys();
        let output = self.buffer(BufferSpec {
            name: if found.gate.is_some() {
                "queries, keys, values, gates"
            } else {
                "queries, keys and values"
            },
            columns: self.plan.tensor(weight).rows,
            rows: self.plan.buffer(query.output).rows,
        });
        let width = |part: Projection| self.plan.buffer(part.output).columns;
        let [query_width, key_width, value_width] = [query, key, value].map(width);
        let columns = |first| Columns { buffer: output, first };
        let first_value = if one_for_both { query_width } else { query_width + key_width };
        let prologue = AttentionPrologue {
            key: columns(query_width),
            value: columns(first_value),
            norms: found.norms.map(|norms| norms.weights),
            value_norm: found.value_norm.map(|norm| norm.epsilon),
            rotary: found.rotary,
        };
        let epilogue = Epilogue::Store;
        let linear = Op::Linear { norm: None, weight, bias, input: query.input, output, epilogue };
        let clamp = found.clip.map(|limit| Op::Clamp { limit, buffer: output });
        let attention = AttentionOp { query: columns(0), prologue: Some(prologue), ..found.attention };
        let gate = found.gate.map(|FoundGate { function, width, output, .. }| {
            let gate = columns(first_value + value_width);
            Op::GateRows { function, width, gate, output }
        });
        let ops = [linear].into_iter().chain(clamp).chain([Op::Attention(attention)]).chain(gate);
        Some((found.taken, ops.collect()))
    }

    /// An RMSNorm goes into the linear maps that read its result, when nothing else does.
    fn input_norm(&mut self, first: usize) -> Replacement {
        let Op::Norm { kind: NormKind::Rms, epsilon, weight, bias: None, input: raw, output: normed } =
            self.plan.ops[first]
        else {
            return None;
        };
        // Strategies may ask for the final hidden states.
        if self.plan.hidden == Some(normed) {
            return None;
        }
        let mut ops = self.plan.ops[first + 1..].to_vec();
        let mut readers = 0;
        // Up to the op that writes the buffer anew; the raw input must still be what it was at every reader.
        let mut is_stale = false;
        for op in &mut ops {
            if op.reads(normed) {
                match op {
                    Op::Linear { norm: norm @ None, input, output, .. }
                        if *input == normed && *output != raw && !is_stale =>
                    {
                        *norm = Some(InputNorm { epsilon, weight, normed });
                        *input = raw;
                        readers += 1;
                    }
                    _ => return None,
                }
            }
            is_stale |= op.output() == Some(raw);
            if op.overwrites(normed) {
                break;
            }
        }
        (readers > 0).then(|| (self.plan.ops.len() - first, ops))
    }

    /// The weights and biases of linear maps that share an input, as one map; `None` if their formats differ.
    fn concat(&mut self, parts: &[Projection], order: RowOrder) -> Option<(TensorId, Option<TensorId>)> {
        let infos = self.weights.tensors();
        let first = self.concats[parts[0].weight.0].parts[0];
        let alike = |part: &Projection| {
            let (info, first) = (&infos[self.concats[part.weight.0].parts[0]], &infos[first]);
            (info.format, info.columns) == (first.format, first.columns) && info.rows > 1
        };
        let biases: Vec<TensorId> = parts.iter().filter_map(|part| part.bias).collect();
        let bias_format = |bias: &TensorId| infos[self.concats[bias.0].parts[0]].format;
        let biases_fit = (biases.is_empty() || biases.len() == parts.len())
            && biases.iter().all(|bias| bias_format(bias) == bias_format(&biases[0]));
        if !parts.iter().all(alike) || !biases_fit {
            return None;
        }
        let weights: Vec<TensorId> = parts.iter().map(|part| part.weight).collect();
        let weight = self.tensor(&weights, order);
        Some((weight, (!biases.is_empty()).then(|| self.tensor(&biases, order))))
    }

    fn tensor(&mut self, parts: &[TensorId], order: RowOrder) -> TensorId {
        let parts = parts.iter().flat_map(|part| self.concats[part.0].parts.clone()).collect();
        let concat = Concat { parts, order };
        let info = concat_info(self.weights.tensors(), &concat);
        self.concats.push(concat);
        self.plan.tensors.push(TensorSpec { name: info.name, rows: info.rows, columns: info.columns });
        TensorId(self.concats.len() - 1)
    }

    fn buffer(&mut self, spec: BufferSpec) -> BufferId {
        let known = self.plan.buffers.iter().position(|buffer| *buffer == spec);
        BufferId(known.unwrap_or_else(|| {
            self.plan.buffers.push(spec);
            self.plan.buffers.len() - 1
        }))
    }

    /// Whether an op from `first` on reads the buffer's contents before another op has replaced them.
    fn is_read_after(&self, first: usize, buffer: BufferId) -> bool {
        let next = self.plan.ops[first..].iter().find(|op| op.reads(buffer) || op.overwrites(buffer));
        next.is_some_and(|op| op.reads(buffer))
    }

    /// Drops the tensors and buffers that no op names any more.
    fn finish(self) -> Fused<'a> {
        let Self { mut plan, weights, concats } = self;
        let (mut tensors, mut buffers) = (Vec::new(), Vec::new());
        for op in &mut plan.ops {
            op.tensors_mut().for_each(|id| id.0 = place(&mut tensors, id.0));
            op.buffers_mut().for_each(|id| id.0 = place(&mut buffers, id.0));
        }
        let named = [Some(&mut plan.logits), plan.hidden.as_mut(), plan.carried.as_mut()];
        named.into_iter().flatten().for_each(|id| id.0 = place(&mut buffers, id.0));
        plan.tensors = tensors.iter().map(|&old| plan.tensors[old].clone()).collect();
        plan.buffers = buffers.iter().map(|&old| plan.buffers[old].clone()).collect();
        let concats = tensors.iter().map(|&old| concats[old].clone()).collect();
        Fused { plan, weights: ConcatWeights::new(weights, concats) }
    }
}

/// The index of `old` among those kept, to which its first use adds it.
fn place(kept: &mut Vec<usize>, old: usize) -> usize {
    kept.iter().position(|&known| known == old).unwrap_or_else(|| {
        kept.push(old);
        kept.len() - 1
    })
}
