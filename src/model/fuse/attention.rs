//! The ops of a plain plan that make an attention, from the projections on: found and checked.

use super::projection::Projection;
use crate::model::config::{GateFunction, HeadNormPlace, NormKind};
use crate::model::plan::{AttentionOp, BufferId, Columns, HeadNorms, Op, Plan, RotaryId};

/// An attention with all that makes its queries, keys and values, as the plain plan has it.
pub(super) struct AttentionBlock {
    /// Of queries, keys and values.
    pub projections: [Projection; 3],
    /// The limit on all three.
    pub clip: Option<f32>,
    pub norms: Option<FoundNorms>,
    pub value_norm: Option<FoundValueNorm>,
    pub rotary: Option<RotaryId>,
    /// Where the cache write stores keys and values, and from where.
    written: (usize, BufferId, BufferId),
    pub attention: AttentionOp,
    /// The gates on its output.
    pub gate: Option<FoundGate>,
    /// How many ops it is.
    pub taken: usize,
}

/// Gates on the output, as the first of the ops makes them and the last multiplies by them.
#[derive(Clone, Copy)]
pub(super) struct FoundGate {
    pub projection: Projection,
    pub function: GateFunction,
    pub width: usize,
    gate: Columns,
    pub output: BufferId,
}

/// Norms of query and key heads.
#[derive(Clone, Copy)]
pub(super) struct FoundNorms {
    pub weights: HeadNorms,
    /// Elements that the norm of the queries takes together.
    width: usize,
}

/// The norm of value heads, which has no weight.
#[derive(Clone, Copy)]
pub(super) struct FoundValueNorm {
    pub epsilon: f32,
    /// Elements that it takes together.
    width: usize,
}

impl AttentionBlock {
    /// The block that begins the ops, with its gates if it has any.
    pub(super) fn find(ops: &[Op]) -> Option<Self> {
        Self::find_ungated(ops).or_else(|| Self::find_gated(ops))
    }

    fn find_gated(ops: &[Op]) -> Option<Self> {
        let [gate, rest @ ..] = ops else { return None };
        let projection = Projection::of(gate)?;
        let block = Self::find_ungated(rest)?;
        let Some(&Op::GateRows { function, width, gate, output }) = rest.get(block.taken) else {
            return None;
        };
        let gate = Some(FoundGate { projection, function, width, gate, output });
        Some(Self { gate, taken: block.taken + 2, ..block })
    }

    fn find_ungated(ops: &[Op]) -> Option<Self> {
        let [query, key, value, rest @ ..] = ops else { return None };
        let projections = [Projection::of(query)?, Projection::of(key)?, Projection::of(value)?];
        let outputs = projections.map(|part| part.output);
        let (clip, rest) = find_clip(rest, outputs);
        let (norms, rest) = find_norms(rest, outputs, HeadNormPlace::BeforeRotary);
        let (value_norm, rest) = find_value_norm(rest, outputs);
        let (rotary, rest) = find_rotary(rest, outputs);
        let (norms, rest) = match norms {
            Some(norms) => (Some(norms), rest),
            None => find_norms(rest, outputs, HeadNormPlace::AfterRotary),
        };
        let [Op::CacheWrite { layer, key, value: Some(value) }, Op::Attention(attention), after @ ..] = rest
        else {
            return None;
        };
        let (written, attention) = ((*layer, *key, *value), *attention);
        let taken = ops.len() - after.len();
        Some(Self { projections, clip, norms, value_norm, rotary, written, attention, gate: None, taken })
    }

    /// The linear maps that become one: those of queries, keys and values, and then that of the gates.
    pub(super) fn linear_maps(&self) -> Vec<Projection> {
        let [query, key, value] = self.projections;
        let value = Some(value).filter(|_| !self.has_values_of_keys());
        [query, key].into_iter().chain(value).chain(self.gate.map(|gate| gate.projection)).collect()
    }

    /// Whether keys and values are made by one projection.
    pub(super) fn has_values_of_keys(&self) -> bool {
        let [_, key, value] = self.projections.map(|map| (map.weight, map.bias));
        key == value
    }

    /// Whether its parts belong together, and the attention's kernels can do what they do.
    pub(super) fn fits(&self, plan: &Plan) -> bool {
        let [query, key, value] = self.projections;
        let AttentionOp { layer, head_width, prologue, .. } = self.attention;
        // Only norms of single heads, with one weight for all of them.
        let norms_fit =
            self.norms.is_none_or(|FoundNorms { weights: HeadNorms { place, query, key, .. }, width }| {
                let columns = |tensor| plan.tensor(tensor).columns;
                // The kernels take a head's length before it is turned for that after it.
                let keeps_length = self.rotary.is_none_or(|id| plan.rotary_tables[id.0].amplitude == 1.0);
                [columns(query), columns(key), width] == [head_width; 3]
                    && (place == HeadNormPlace::BeforeRotary || keeps_length)
            });
        let value_norm_fits = self.value_norm.is_none_or(|norm| norm.width == head_width);
        // A clamp of the common buffer would limit gates too.
        let gate_fits = self.gate.is_none_or(|found| {
            found.projection.input == query.input
                && found.gate == Columns { buffer: found.projection.output, first: 0 }
                && found.output == self.attention.output
                && self.clip.is_none()
        });
        norms_fit
            && value_norm_fits
            && gate_fits
            && prologue.is_none()
            && [query.input, key.input] == [value.input; 2]
            && self.written == (layer, key.output, value.output)
            && self.attention.query == Columns { buffer: query.output, first: 0 }
            && head_width.is_multiple_of(4)
    }
}

/// The limit on queries, keys and values that begins the ops, if there is one, and the ops after it.
fn find_clip(ops: &[Op], outputs: [BufferId; 3]) -> (Option<f32>, &[Op]) {
    match ops {
        [
            Op::Clamp { limit, buffer: query },
            Op::Clamp { limit: key_limit, buffer: key },
            Op::Clamp { limit: value_limit, buffer: value },
            after @ ..,
        ] if [*query, *key, *value] == outputs && [key_limit, value_limit] == [limit; 2] => {
            (Some(*limit), after)
        }
        _ => (None, ops),
    }
}

/// The norms of query and key heads that begin the ops, if there are any, and the ops after them.
fn find_norms(
    ops: &[Op],
    [queries, keys, _]: [BufferId; 3],
    place: HeadNormPlace,
) -> (Option<FoundNorms>, &[Op]) {
    match *ops {
        [
            Op::HeadNorm {
                kind: NormKind::Rms,
                epsilon,
                weight: Some(query),
                head_width: width,
                columns,
                ..
            },
            Op::HeadNorm {
                kind: NormKind::Rms,
                epsilon: key_epsilon,
                weight: Some(key),
                columns: of_keys,
                ..
            },
            ref after @ ..,
        ] if [columns, of_keys] == [queries, keys].map(whole) && epsilon == key_epsilon => {
            (Some(FoundNorms { weights: HeadNorms { place, epsilon, query, key }, width }), after)
        }
        _ => (None, ops),
    }
}

/// All columns of a buffer.
const fn whole(buffer: BufferId) -> Columns {
    Columns { buffer, first: 0 }
}

/// The norm of value heads that begins the ops, if there is one, and the ops after it.
fn find_value_norm(ops: &[Op], [_, _, values]: [BufferId; 3]) -> (Option<FoundValueNorm>, &[Op]) {
    match *ops {
        [
            Op::HeadNorm { kind: NormKind::Rms, epsilon, weight: None, head_width: width, columns, .. },
            ref after @ ..,
        ] if columns == whole(values) => (Some(FoundValueNorm { epsilon, width }), after),
        _ => (None, ops),
    }
}

/// The rotary embedding of queries and keys that begins the ops, if there is one, and the ops after it.
fn find_rotary(ops: &[Op], [queries, keys, _]: [BufferId; 3]) -> (Option<RotaryId>, &[Op]) {
    match *ops {
        [
            Op::Rotary { table, buffer, .. },
            Op::Rotary { table: key_table, buffer: key_buffer, .. },
            ref after @ ..,
        ] if [buffer, key_buffer] == [queries, keys] && table == key_table => (Some(table), after),
        _ => (None, ops),
    }
}
