//! Which kernels compute an attention, for each kind of pass.
//!
//! Where every row is the only new one of its sequence (decoding, beams), one kernel normalises, turns, appends
//! and attends, with a second one after long contexts that were split. Rows that see other rows of the pass
//! (prefill, drafts, trees) need all keys in the cache first, so there a cache write comes before.

use super::attention_kernels::{Append, Rows, Source, Split};
use super::attention_shape::Shape;
use super::compiled::Program;
use super::compiler::Compiler;
use super::resources::Resources;
use super::spec::{Binding, DispatchSpec};
use super::steps::AttentionDispatches;
use crate::gpu::kernels::{FEW_ROWS, KernelUse, PrefillAttention, TunedKernels};
use crate::model::CacheFormat;
use crate::model::plan::{AttentionOp, AttentionPrologue, BufferId, Op};

/// Most blocks of eight in a head for `attention_shuffle_tiles.wgsl`: each of its lanes mixes two.
const MOST_SHUFFLE_VEC8S: u32 = 16;

impl Compiler<'_> {
    pub(super) fn cache_write(&self, layer: usize, key: BufferId, value: Option<BufferId>) -> DispatchSpec {
        let source = Source { values: self.rows(value.unwrap_or(key)), ..Source::ready(self.rows(key), 0) };
        self.write_cache(self.cache_shape(layer), source, 0)
    }

    /// The dispatches of an [`AttentionOp`].
    pub(super) fn attention(&self, op: AttentionOp) -> AttentionDispatches<DispatchSpec> {
        let AttentionOp { query, output, .. } = op;
        let shape = Shape::from(op);
        let output = self.rows(output);
        let Some(source) = self.prologue_source(op) else {
            let source = Source::ready(self.rows(query.buffer), query.first);
            let alone = self.by_rows(shape, source, output, Append::Done, &[]);
            let many = self.many(shape, source, output, &[]);
            let fewest = fewest_of_many(self.prefill_kernel(shape, source));
            return AttentionDispatches { chained: alone.clone(), alone, many, fewest };
        };
        let alone = self.by_rows(shape, source, output, Append::Here, &[]);
        let write = [self.write_cache(shape, source, shape.heads)];
        let ready = Source::ready(self.ready_rows(shape), 0);
        let chained = self.by_rows(shape, ready, output, Append::Done, &write);
        let many = self.many(shape, ready, output, &write);
        let fewest = fewest_of_many(self.prefill_kernel(shape, ready));
        AttentionDispatches { alone, chained, many, fewest }
    }

    /// Where an attention that makes queries, keys and values ready itself has them from.
    pub(super) fn prologue_source(&self, op: AttentionOp) -> Option<Source> {
        let AttentionPrologue { key, value, norms, value_norm, rotary } = op.prologue?;
        let one_buffer = [key.buffer, value.buffer] == [op.query.buffer; 2];
        assert!(one_buffer, "the projections of a fused attention share a buffer");
        Some(Source {
            rows: self.rows(op.query.buffer),
            first_query: op.query.first,
            first_key: key.first,
            values: self.rows(value.buffer),
            first_value: value.first,
            norms,
            value_norm,
            rotary: rotary.map(|id| (id.0, self.plan.rotary_tables[id.0].pairs())),
        })
    }

    /// The kernel for many rows: the chosen one, where the heads and the workgroup memory allow it.
    fn prefill_kernel(&self, shape: Shape, source: Source) -> PrefillAttention {
        let chosen = self.tuned.attention().unwrap_or(self.choice.attention.prefill);
        let in_blocks = shape.head_width.is_multiple_of(8) && source.first_query.is_multiple_of(4);
        if !in_blocks || !shape.caches_values {
            return PrefillAttention::Rows;
        }
        let is_half = self.plan.cache_format == CacheFormat::F16;
        match chosen {
            PrefillAttention::MatrixUnits(units) if is_half && units.suit(shape.vec8s()) => chosen,
            PrefillAttention::MatrixUnits(_) | PrefillAttention::Tiles if self.tile_keys(shape).is_some() => {
                PrefillAttention::Tiles
            }
            PrefillAttention::ShuffleTiles if shape.vec8s() <= MOST_SHUFFLE_VEC8S => chosen,
            _ => PrefillAttention::Rows,
        }
    }

    /// `before`, then attention row by row: in one go, and in splits that are combined.
    fn by_rows(
        &self,
        shape: Shape,
        source: Source,
        output: Rows,
        append: Append,
        before: &[DispatchSpec],
    ) -> [Vec<DispatchSpec>; 2] {
        let whole = self.rows_kernel(shape, source, output, append, Split::Whole);
        let partials = Rows { binding: Binding::Partials, stride: 0 };
        let split = self.rows_kernel(shape, source, partials, append, Split::Parts);
        let combine = self.combine(shape, output);
        [[before, &[whole]].concat(), [before, &[split, combine]].concat()]
    }

    /// `before`, then attention of many rows: by tiles, or row by row where tiles do not pay or do not fit.
    fn many(&self, shape: Shape, source: Source, output: Rows, before: &[DispatchSpec]) -> Vec<DispatchSpec> {
        let attention = match (self.prefill_kernel(shape, source), self.tile_keys(shape)) {
            (PrefillAttention::MatrixUnits(units), _) => self.unit_tiles(shape, source, output, units),
            (PrefillAttention::Tiles, Some(keys)) => self.tiles(shape, source, output, keys),
            (PrefillAttention::ShuffleTiles, _) => self.shuffle_tiles(shape, source, output),
            _ => self.rows_kernel(shape, source, output, Append::Done, Split::Whole),
        };
        [before, &[attention]].concat()
    }

    /// The attention that reads a layer's cache.
    fn cache_shape(&self, layer: usize) -> Shape {
        let mut shapes = self.plan.ops.iter().filter_map(Shape::of);
        shapes.find(|shape| shape.layer == layer).expect("a cache that is written is read by attention")
    }
}

impl Program {
    /// The plan's attention ops, by their indices, together where they have the same kernel; of those for which these kernels for
    /// prompts come down to different ones.
    pub(crate) fn attention_shapes(
        &self,
        resources: &Resources,
        kernels: &[PrefillAttention],
    ) -> Vec<Vec<usize>> {
        let shapes = resources.shapes();
        let tuned: Vec<_> = kernels.iter().map(|&kernel| TunedKernels::of_attention(kernel)).collect();
        let uses = |op: AttentionOp| -> Vec<KernelUse> {
            let of_many =
                |tuned| self.compiler(&shapes, tuned).attention(op).many.pop().map(|spec| spec.kernel);
            tuned.iter().filter_map(of_many).collect()
        };
        let mut groups: Vec<(Vec<KernelUse>, Vec<usize>)> = Vec::new();
        for (index, op) in self.plan.ops.iter().enumerate() {
            let Op::Attention(op) = *op else { continue };
            let uses = uses(op);
            match groups.iter_mut().find(|(known, _)| *known == uses) {
                Some((_, ops)) => ops.push(index),
                None if uses.iter().any(|used| *used != uses[0]) => groups.push((uses, vec![index])),
                None => {}
            }
        }
        groups.into_iter().map(|(_, ops)| ops).collect()
    }
}

/// Fewest rows for which a kernel for many pays.
fn fewest_of_many(kernel: PrefillAttention) -> usize {
    match kernel {
        PrefillAttention::Rows | PrefillAttention::Tiles | PrefillAttention::MatrixUnits(_) => FEW_ROWS + 1,
        // Measured: it takes eight rows in the time of two row by row; and what is not used need not be compiled.
        PrefillAttention::ShuffleTiles => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::{SHUFFLE_LANES, shader_text};

    #[test]
    fn the_shader_mixes_as_many_blocks_as_are_allowed() {
        let shader = shader_text::constants("attention_shuffle_tiles.wgsl");
        let most = shader["MOST_BLOCKS"] * shader["LANES"];
        assert_eq!((most, shader["LANES"]), (f64::from(MOST_SHUFFLE_VEC8S), f64::from(SHUFFLE_LANES)));
    }
}
