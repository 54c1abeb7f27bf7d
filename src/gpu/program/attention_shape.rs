//! The shape of an attention: heads and their widths, and the memory that follows from them.

use super::parts::partial_sum_bytes;
use crate::gpu::kernels::{AttentionChoice, MOST_AT_ONCE};
use crate::gpu::pass::most_partials;
use crate::model::config::ScoresConfig;
use crate::model::plan::{AttentionOp, AttentionValues, Op, Plan, TensorId};
use crate::model::{CacheFormat, WeightFormat};

/// Fewest lanes of a stream of `shaders/attention_step.wgsl`, which looks at four at a time.
const LEAST_HEAD_LANES: u32 = 4;

/// What an attention's kernels share.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub layer: usize,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_width: u32,
    /// The first element of a cached head that belongs to its value: a multiple of 8.
    pub first_of_value: u32,
    /// Whether values have a cache of their own.
    pub caches_values: bool,
    pub scale: f32,
    pub scores: ScoresConfig,
    pub sinks: Option<TensorId>,
}

impl Shape {
    pub(super) fn of(op: &Op) -> Option<Self> {
        match *op {
            Op::Attention(attention) => Some(Self::from(attention)),
            _ => None,
        }
    }

    pub(super) fn vec8s(self) -> u32 {
        self.head_width.div_ceil(8)
    }

    /// Elements of a head of the values.
    pub(super) fn value_width(self) -> u32 {
        self.head_width - self.first_of_value
    }

    pub(super) fn value_vec8s(self) -> u32 {
        self.value_width().div_ceil(8)
    }

    /// Lanes that take a position's values side by side, and as many positions at a time.
    pub(super) fn head_lanes(self) -> u32 {
        self.value_vec8s().next_power_of_two().max(LEAST_HEAD_LANES)
    }

    /// Lanes of a workgroup that takes one row.
    pub(super) fn lanes(self, choice: AttentionChoice) -> u32 {
        choice.lanes.max(self.head_lanes())
    }

    /// Query heads of a workgroup: as many of a key/value head's as registers and workgroup memory hold.
    pub(super) fn shared(self, choice: AttentionChoice) -> u32 {
        let (of_group, lanes) = (self.heads / self.kv_heads, self.lanes(choice));
        // Two blocks of four for each eight of a query, a score for a lane; in the same room, two blocks that a lane mixes.
        let vec8s = self.vec8s().next_multiple_of(MOST_AT_ONCE);
        let room = |shared: u32| (32 * shared * vec8s + 4 * lanes * shared).max(32 * lanes);
        // A weight and a place for a lane.
        let bytes = |shared: u32| room(shared) + 4 * lanes * (shared + 1);
        let fits =
            |shared: &u32| of_group.is_multiple_of(*shared) && bytes(*shared) <= choice.workgroup_bytes;
        (1..=8).rev().find(fits).unwrap_or(1)
    }

    /// Workgroups of a GPU that take a row's positions together.
    fn groups(self) -> u32 {
        self.heads / self.shared(AttentionChoice::GPU)
    }

    /// Elements of a partial result: a head of values, maximum and sum, and padding to a block of four.
    pub(super) fn partial(self) -> u32 {
        8 * self.value_vec8s() + 4
    }
}

impl From<AttentionOp> for Shape {
    fn from(op: AttentionOp) -> Self {
        let AttentionOp { layer, heads, key_value_heads, head_width, scale, scores, sinks, .. } = op;
        let first_of_value = op.first_of_value();
        let [heads, kv_heads, head_width, first_of_value] =
            [heads, key_value_heads, head_width, first_of_value].map(|size| size as u32);
        let caches_values = op.values == AttentionValues::Cached;
        Self { layer, heads, kv_heads, head_width, first_of_value, caches_values, scale, scores, sinks }
    }
}

/// Most partial results of a plan's attention, splits of all rows together.
pub(super) fn partials_of(plan: &Plan) -> usize {
    most_partials_of(plan.ops.iter().filter_map(Shape::of))
}

/// As many as the layer needs that has the fewest workgroups.
fn most_partials_of(shapes: impl Iterator<Item = Shape>) -> usize {
    most_partials(shapes.map(Shape::groups).min().unwrap_or(1) as usize)
}

/// Bytes that a plan needs in addition to its buffers, for `rows` rows: for partial results, of which those of attention and of
/// linear maps never meet, and for queries that are ready for attention.
pub(crate) fn scratch_bytes(plan: &Plan, rows: usize) -> [u64; 2] {
    let shapes = || plan.ops.iter().filter_map(Shape::of);
    let most = partials_of(plan) as u64;
    let partials = shapes().map(|shape| most * u64::from(4 * shape.heads * shape.partial()));
    let has_prologue = |op: &&Op| matches!(op, Op::Attention(AttentionOp { prologue: Some(_), .. }));
    let ready = plan.ops.iter().filter(has_prologue).filter_map(Shape::of);
    let ready = ready.map(|shape| 4 * rows as u64 * u64::from(shape.heads * shape.head_width + 3));
    [partials.max().unwrap_or_default().max(partial_sum_bytes(plan, rows)), ready.max().unwrap_or_default()]
}

/// The keys or values of one position of a layer's cache, without padding.
pub(crate) fn decode(plan: &Plan, layer: usize, bytes: &[u8]) -> Vec<f32> {
    let shape = plan.ops.iter().filter_map(Shape::of).find(|shape| shape.layer == layer);
    let shape = shape.expect("the layer has an attention");
    let format = match plan.cache_format {
        CacheFormat::F32 => WeightFormat::F32,
        CacheFormat::F16 => WeightFormat::F16,
    };
    let heads = format.decode(bytes);
    let head = |head: &[f32]| head[..shape.head_width as usize].to_vec();
    heads.chunks_exact(8 * shape.vec8s() as usize).flat_map(head).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heads, key/value heads and width.
    fn shape([heads, kv_heads, head_width]: [u32; 3]) -> Shape {
        let scores = ScoresConfig { window: None, chunk: None, cap: None, linear_bias: None, growth: None };
        let (layer, first_of_value, caches_values, scale, sinks) = (0, 0, true, 1.0, None);
        Shape { layer, heads, kv_heads, head_width, first_of_value, caches_values, scale, scores, sinks }
    }

    #[test]
    fn the_layer_with_the_fewest_workgroups_has_enough_splits() {
        // Eight workgroups a split, and two.
        let (wide, narrow) = (shape([32, 8, 128]), shape([8, 2, 256]));
        assert_eq!([wide, narrow].map(Shape::groups), [8, 2]);
        assert_eq!(
            [most_partials_of([wide].into_iter()), most_partials_of([wide, narrow].into_iter())],
            [64, 128]
        );
    }

    #[test]
    fn a_workgroup_takes_as_many_heads_as_there_is_room_for() {
        // Heads, key/value heads and width; heads at once on GPUs, and on software drivers.
        for (heads, of_gpus, of_software) in [
            ([32, 32, 128], 1, 1),
            ([9, 3, 64], 3, 3),
            ([40, 8, 128], 5, 5),
            // 7168 bytes of queries and scores, 4096 of weights and places: 11 KiB.
            ([28, 4, 128], 7, 7),
            ([64, 8, 64], 8, 8),
            // Eight would take 12,800 bytes.
            ([64, 8, 128], 4, 8),
            ([8, 1, 256], 4, 8),
            ([8, 4, 512], 2, 2),
            // Eight would take 16,384 bytes of queries alone.
            ([8, 1, 512], 2, 4),
        ] {
            let found =
                [AttentionChoice::GPU, AttentionChoice::CPU].map(|choice| shape(heads).shared(choice));
            assert_eq!(found, [of_gpus, of_software], "{heads:?}");
        }
    }
}
