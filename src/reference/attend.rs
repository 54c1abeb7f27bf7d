//! Attention over the cache: what each row sees, and the keys and values that the op stores itself.

use super::attention::{Heads, attention, scores};
use super::cache::{KeysValues, stored};
use super::head_norm::head_norm;
use super::interpreter::{Pass, Reference};
use super::rotary::rotary;
use crate::model::Row;
use crate::model::batch::chain;
use crate::model::config::{HeadNormPlace, NormKind};
use crate::model::plan::{AttentionOp, AttentionPrologue, AttentionValues, Columns, HeadNorms};

impl Reference {
    /// The keys and values that the pass gave a layer, rows of G·D.
    pub fn keys_values<'a>(&self, pass: &'a Pass, layer: usize) -> [&'a [f32]; 2] {
        [&pass.computed[layer].keys, &pass.computed[layer].values]
    }

    /// Runs an attention that stores its own keys and values again, with these instead: those of another
    /// interpreter, whose rounding to the cache's precision may fall on the other side.
    pub fn run_with(&mut self, op: &AttentionOp, pass: &mut Pass, [keys, values]: [Vec<f32>; 2]) {
        let mut output = std::mem::take(&mut self.buffers[op.output.0]);
        self.attention(op, Some(KeysValues { keys, values }), pass, &mut output);
        self.buffers[op.output.0] = output;
    }

    /// Attention of every row. `given` are the keys and values to be cached, if they are not those that the op itself
    /// would store.
    pub(super) fn attention(
        &self,
        op: &AttentionOp,
        given: Option<KeysValues>,
        pass: &mut Pass,
        output: &mut [f32],
    ) {
        let heads = Heads::from(op);
        let mut queries = self.columns(op.query, heads.query * heads.width);
        let made =
            op.prologue.map(|prologue| self.norm_and_rotate(&prologue, heads, &pass.rows, &mut queries));
        if let Some(cached) = given.or(made) {
            pass.computed[op.layer] = cached;
        }
        self.attend(op, pass, &queries, output);
    }

    /// Attention of every row, with queries that are normalised and rotated.
    fn attend(&self, op: &AttentionOp, pass: &Pass, queries: &[f32], output: &mut [f32]) {
        let heads = Heads::from(op);
        let sinks = self.optional(op.sinks).unwrap_or_default();
        let width = heads.query * heads.width;
        for (index, output) in output.chunks_exact_mut(heads.query * op.value_width()).enumerate() {
            let [keys, values] = self.seen(op, pass, index);
            attention(heads, sinks, &queries[index * width..][..width], &keys, &values, output);
        }
    }

    /// The scores of the first row before the softmax, a list for each head. The attention has run.
    pub(super) fn first_scores(&self, op: &AttentionOp, pass: &Pass) -> Vec<Vec<f64>> {
        let heads = Heads::from(op);
        let mut queries = self.columns(op.query, heads.query * heads.width);
        if let Some(prologue) = op.prologue {
            self.norm_and_rotate(&prologue, heads, &pass.rows, &mut queries);
        }
        let [keys, _] = self.seen(op, pass, 0);
        (0..heads.query).map(|head| scores(heads, head, &queries, &keys)).collect()
    }

    /// The keys and values of each position that a row sees.
    fn seen<'a>(&'a self, op: &AttentionOp, pass: &'a Pass, index: usize) -> [Vec<&'a [f32]>; 2] {
        let chain = chain(&pass.rows, index);
        let first = &pass.rows[chain[0]];
        let width = op.key_value_heads * op.head_width;
        let seen = Seen { cached: first.position, chain: &chain, width };
        let cached = &self.sequence(first.sequence).layers[op.layer];
        let computed = &pass.computed[op.layer];
        let keys = seen.of(&cached.keys, &computed.keys);
        let values = match op.values {
            AttentionValues::Cached => seen.of(&cached.values, &computed.values),
            AttentionValues::OfKeys { .. } => keys.clone(),
        };
        [keys, values]
    }

    /// Normalises and rotates queries and keys as `prologue` says, and gives the keys and values to be cached.
    fn norm_and_rotate(
        &self,
        prologue: &AttentionPrologue,
        heads: Heads,
        rows: &[Row],
        queries: &mut [f32],
    ) -> KeysValues {
        let width = heads.key_value * heads.width;
        let (mut keys, mut values) = (self.columns(prologue.key, width), self.columns(prologue.value, width));
        let norm = |place: HeadNormPlace, queries: &mut [f32], keys: &mut [f32]| {
            let Some(norms) = prologue.norms.filter(|norms| norms.place == place) else { return };
            let HeadNorms { epsilon, query, key, .. } = norms;
            head_norm(NormKind::Rms, epsilon, Some(self.tensor(query)), heads.width, queries);
            head_norm(NormKind::Rms, epsilon, Some(self.tensor(key)), heads.width, keys);
        };
        norm(HeadNormPlace::BeforeRotary, queries, &mut keys);
        if let Some(epsilon) = prologue.value_norm {
            head_norm(NormKind::Rms, epsilon, None, heads.width, &mut values);
        }
        if let Some(id) = prologue.rotary {
            let table = &self.plan.rotary_tables[id.0];
            let longest = |row: &Row| self.sequence(row.sequence).longest;
            rotary(rows, longest, table, heads.query, heads.width, queries);
            rotary(rows, longest, table, heads.key_value, heads.width, &mut keys);
        }
        norm(HeadNormPlace::AfterRotary, queries, &mut keys);
        stored(self.plan.cache_format, keys, values)
    }

    /// `width` columns of every row of a buffer.
    pub(super) fn columns(&self, columns: Columns, width: usize) -> Vec<f32> {
        let rows = self.buffer(columns.buffer).chunks_exact(self.plan.buffer(columns.buffer).columns);
        rows.flat_map(|row| &row[columns.first..][..width]).copied().collect()
    }
}

/// Which positions a row sees.
struct Seen<'a> {
    /// The first so many cached ones.
    cached: usize,
    /// Then those of these rows of the batch.
    chain: &'a [usize],
    /// Elements of a position's keys, or values.
    width: usize,
}

impl Seen<'_> {
    /// The keys, or values, of each position.
    fn of<'a>(&self, cached: &'a [f32], computed: &'a [f32]) -> Vec<&'a [f32]> {
        let own = self.chain.iter().map(|row| &computed[row * self.width..][..self.width]);
        cached.chunks_exact(self.width).take(self.cached).chain(own).collect()
    }
}
