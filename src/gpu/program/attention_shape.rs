//! The shape of an attention: heads and their widths, and the memory that follows from them.

use super::parts::partial_sum_bytes;
use crate::gpu::kernels::MOST_AT_ONCE;
use crate::gpu::pass::MOST_PARTIALS;
use crate::model::config::ScoresConfig;
use crate::model::plan::{AttentionOp, AttentionValues, Op, Plan, TensorId};
use crate::model::{CacheFormat, WeightFormat};

/// Workgroup memory that every adapter has, as WebGPU has it.
const WORKGROUP_BYTES: u32 = 16_384;

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

    /// Query heads of a workgroup of so many lanes: as many of a key/value head's as registers and workgroup memory hold.
    pub(super) fn shared(self, lanes: u32) -> u32 {
        let of_group = self.heads / self.kv_heads;
        // Two blocks of four for each eight of a query, and of what a lane mixes; two weights and a place for a lane.
        let vec8s = self.vec8s().next_multiple_of(MOST_AT_ONCE);
        let bytes = |shared: u32| 32 * shared * vec8s + lanes * (8 * shared + 36);
        let fits = |shared: &u32| of_group.is_multiple_of(*shared) && bytes(*shared) <= WORKGROUP_BYTES;
        (1..=8).rev().find(fits).unwrap_or(1)
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

/// Bytes that a plan needs in addition to its buffers, for `rows` rows: for partial results, of which those of attention and of
/// linear maps never meet, and for queries that are ready for attention.
pub(crate) fn scratch_bytes(plan: &Plan, rows: usize) -> [u64; 2] {
    let shapes = || plan.ops.iter().filter_map(Shape::of);
    let partials = shapes().map(|shape| MOST_PARTIALS as u64 * u64::from(4 * shape.heads * shape.partial()));
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
