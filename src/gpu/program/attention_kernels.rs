//! The kernels of attention and of the cache write, each as a dispatch.

use super::attention_shape::Shape;
use super::compiler::Compiler;
use super::spec::{Binding, DispatchSpec, Grid, Height, numbered};
use crate::gpu::cache::PAGE_POSITIONS;
use crate::gpu::kernels::{AttentionUnits, Kernel, KernelUse, Override, SHUFFLE_LANES, Variant};
use crate::gpu::pass::TILE_ROWS;
use crate::model::CacheFormat;
use crate::model::config::{HeadNormPlace, ScoresConfig};
use crate::model::plan::{BufferId, HeadNorms};

/// Workgroup memory for the keys or values of a tile, in `vec4<u32>`.
const TILE_UNITS: u32 = 560;
/// Keys of a tile of `attention_tiles.wgsl`, as far as they fit.
const TILE_KEYS: [u32; 3] = [32, 16, 8];
/// Most blocks of eight in a head for it: each lane of a group mixes four.
const MOST_TILE_VEC8S: u32 = 32;
/// Groups of four rows in a workgroup of `attention_tiles.wgsl`.
const ROW_GROUPS: u32 = TILE_ROWS as u32 / 4;
/// Lanes of a group: as many as a tile has keys at the least.
const KEY_COLUMNS: u32 = 8;
/// The same for heads of more than eight blocks of eight, unless the tile has fewer keys: a lane that mixed more than one
/// or two of the blocks would leave registers for few waves.
const WIDE_KEY_COLUMNS: u32 = 16;

/// Where queries, keys and values come from, and what is yet to be done with queries and keys.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// Queries and keys.
    pub rows: Rows,
    pub first_query: usize,
    pub first_key: usize,
    pub values: Rows,
    pub first_value: usize,
    pub norms: Option<HeadNorms>,
    /// The ε of the values' norm.
    pub value_norm: Option<f32>,
    /// Index of the rotary table, and its pairs.
    pub rotary: Option<(usize, usize)>,
}

/// A buffer, and the elements from one of its rows to the next.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub binding: Binding,
    pub stride: u32,
}

impl Source {
    /// Queries that are ready, or keys that are.
    pub(super) fn ready(rows: Rows, first: usize) -> Self {
        let (first_query, first_key, first_value) = (first, first, first);
        Self {
            rows,
            first_query,
            first_key,
            values: rows,
            first_value,
            norms: None,
            value_norm: None,
            rotary: None,
        }
    }
}

/// Whether attention also stores the row's own key and value.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Append {
    /// They are in the cache.
    Done,
    /// It does.
    Here,
}

/// Whether a row's positions are divided among workgroups.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Split {
    /// They are not.
    Whole,
    /// They are.
    Parts,
}

impl Compiler<'_> {
    /// Attention row by row.
    pub(super) fn rows_kernel(
        &self,
        shape: Shape,
        source: Source,
        output: Rows,
        append: Append,
        split: Split,
    ) -> DispatchSpec {
        let vec8s = shape.vec8s();
        let head_lanes = shape.head_lanes();
        let lanes = shape.lanes(self.choice.attention);
        let at_once = self.choice.attention.at_once;
        let keys_at_once = at_once.min(vec8s.next_power_of_two());
        let key_vec8s = vec8s.next_multiple_of(keys_at_once);
        let shared = shape.shared(self.choice.attention);
        let (query_blocks, weights) = (2 * shared * key_vec8s, lanes * shared / 4);
        let mut overrides = self.cache_overrides(shape).to_vec();
        overrides.extend(ready_overrides(source));
        overrides.extend(score_overrides(shape));
        overrides.extend([
            Override::Workgroup(lanes),
            Override::HeadLanes(head_lanes),
            Override::Streams(lanes / head_lanes),
            Override::Shared(shared),
            Override::HeadWidth(shape.head_width),
            Override::ValueWidth(shape.value_width()),
            Override::ValueVec8s(shape.value_vec8s()),
            Override::FirstVec8(shape.first_of_value / 8),
            Override::FirstValue(source.first_value as u32),
            Override::OutputStride(output.stride),
            Override::Partial(shape.partial()),
            Override::FusedAppend(append == Append::Here),
            Override::Split(split == Split::Parts),
            Override::KeysAtOnce(keys_at_once),
            Override::ValuesAtOnce(at_once.min(head_lanes)),
            Override::KeyVec8s(key_vec8s),
            Override::QueryBlocks(query_blocks),
            Override::Weights(weights),
            Override::Room((query_blocks + weights).max(2 * lanes)),
            Override::HasSinks(shape.sinks.is_some()),
        ]);
        let [query_norm, key_norm] = norm_weights(source);
        let bindings = numbered([
            Binding::Pass,
            source.rows.binding,
            query_norm,
            key_norm,
            Binding::Keys(shape.layer),
            Binding::Values(shape.layer),
            output.binding,
            Binding::Vector(shape.sinks),
        ]);
        let height = match split {
            Split::Whole => Height::Rows(1),
            Split::Parts => Height::Splits,
        };
        DispatchSpec {
            kernel: KernelUse { variant: self.variant(Kernel::AttentionStep), overrides },
            bindings,
            grid: Grid { columns: shape.heads / shared, height },
        }
    }

    /// The partial results of splits as one.
    pub(super) fn combine(&self, shape: Shape, output: Rows) -> DispatchSpec {
        let partial4 = shape.partial() / 4;
        let own = [
            Override::HeadWidth(shape.value_width()),
            Override::Partial4(partial4),
            Override::OutputStride(output.stride),
            Override::HasSinks(shape.sinks.is_some()),
        ];
        let overrides = own.into_iter().chain(score_overrides(shape));
        let bindings =
            numbered([Binding::Pass, Binding::Partials, output.binding, Binding::Vector(shape.sinks)]);
        let variant = self.variant(Kernel::AttentionCombine);
        self.elementwise(variant, shape.heads * (partial4 - 1), overrides, bindings)
    }

    /// `vec4<u32>` of a head in the cache.
    fn head_units(&self, shape: Shape) -> u32 {
        match self.plan.cache_format {
            CacheFormat::F16 => shape.vec8s(),
            CacheFormat::F32 => 2 * shape.vec8s(),
        }
    }

    /// Keys of a tile of `attention_tiles.wgsl`; `None` where no tile fits workgroup memory, or the head registers.
    pub(super) fn tile_keys(&self, shape: Shape) -> Option<u32> {
        let fits = |keys: &u32| keys * (self.head_units(shape) + 1) <= TILE_UNITS;
        // It reads values where keys begin.
        (shape.caches_values && shape.vec8s() <= MOST_TILE_VEC8S).then(|| TILE_KEYS.into_iter().find(fits))?
    }

    /// Attention by tiles of rows that share tiles of so many keys in workgroup memory.
    pub(super) fn tiles(&self, shape: Shape, source: Source, output: Rows, keys: u32) -> DispatchSpec {
        let key_stride = self.head_units(shape) + 1;
        let is_wide = shape.vec8s() > KEY_COLUMNS && keys >= WIDE_KEY_COLUMNS;
        let key_columns = if is_wide { WIDE_KEY_COLUMNS } else { KEY_COLUMNS };
        let overrides = [
            Override::Workgroup(key_columns * ROW_GROUPS),
            Override::KeyColumns(key_columns),
            Override::Tile(keys),
            Override::KeyStride(key_stride),
            Override::TileBlocks(keys * key_stride),
            Override::Weights(ROW_GROUPS * keys),
        ];
        self.tiles_kernel((self.variant(Kernel::AttentionTiles), &overrides), 1, shape, source, output)
    }

    /// Attention by tiles of rows that matrix units multiply.
    pub(super) fn unit_tiles(
        &self,
        shape: Shape,
        source: Source,
        output: Rows,
        attention: AttentionUnits,
    ) -> DispatchSpec {
        let variant = Variant { units: Some(attention.units), ..self.variant(Kernel::AttentionCooperative) };
        let overrides =
            [Override::Workgroup(attention.lanes), Override::TileRoom(attention.tile_room(shape.vec8s()))];
        self.tiles_kernel((variant, &overrides), 1, shape, source, output)
    }

    /// Attention by tiles of rows in subgroups that hand queries around.
    pub(super) fn shuffle_tiles(&self, shape: Shape, source: Source, output: Rows) -> DispatchSpec {
        let parts = (TILE_ROWS as u32).div_ceil(SHUFFLE_LANES);
        let overrides = [Override::TileParts(parts)];
        let variant = self.variant(Kernel::AttentionShuffleTiles);
        self.tiles_kernel((variant, &overrides), parts, shape, source, output)
    }

    /// What the kernels for tiles of rows have in common; `parts` workgroups take a tile of a head.
    fn tiles_kernel(
        &self,
        (variant, own_overrides): (Variant, &[Override]),
        parts: u32,
        shape: Shape,
        source: Source,
        output: Rows,
    ) -> DispatchSpec {
        let mut overrides = self.cache_overrides(shape).to_vec();
        overrides.extend(score_overrides(shape));
        overrides.extend(own_overrides);
        overrides.extend([
            Override::Stride4(source.rows.stride / 4),
            Override::First4(source.first_query as u32 / 4),
            Override::OutputStride4(output.stride / 4),
            Override::HasSinks(shape.sinks.is_some()),
        ]);
        let bindings = numbered([
            Binding::Pass,
            source.rows.binding,
            Binding::Keys(shape.layer),
            Binding::Values(shape.layer),
            output.binding,
            Binding::Vector(shape.sinks),
        ]);
        DispatchSpec {
            kernel: KernelUse { variant, overrides },
            bindings,
            grid: Grid { columns: shape.heads, height: Height::Tiles(parts) },
        }
    }

    /// Stores keys, and values where they have a cache of their own; makes keys ready, and the queries of `heads` heads.
    pub(super) fn write_cache(&self, shape: Shape, source: Source, heads: u32) -> DispatchSpec {
        let ready = self.ready_rows(shape);
        let value_heads = if shape.caches_values { shape.kv_heads } else { 0 };
        let mut overrides = self.cache_overrides(shape).to_vec();
        overrides.extend(ready_overrides(source));
        overrides.extend([
            Override::Heads(heads),
            Override::ValueHeads(value_heads),
            Override::HeadWidth(shape.head_width),
            Override::ValueStride(source.values.stride),
            Override::FirstValue(source.first_value as u32),
            Override::ReadyStride(ready.stride),
        ]);
        let [query_norm, key_norm] = norm_weights(source);
        let bindings = numbered([
            Binding::Pass,
            source.rows.binding,
            source.values.binding,
            query_norm,
            key_norm,
            Binding::Keys(shape.layer),
            Binding::Values(shape.layer),
            ready.binding,
        ]);
        let columns = (heads + shape.kv_heads + value_heads) * shape.vec8s();
        self.elementwise(self.variant(Kernel::CacheWrite), columns, overrides, bindings)
    }

    /// What `shaders/lib/cache.wgsl` needs to know.
    pub(super) fn cache_overrides(&self, shape: Shape) -> [Override; 4] {
        [
            Override::KvF16(self.plan.cache_format == CacheFormat::F16),
            Override::KvHeads(shape.kv_heads),
            Override::HeadVec8s(shape.vec8s()),
            Override::PagePositions(PAGE_POSITIONS as u32),
        ]
    }

    /// A buffer of activations.
    pub(super) fn rows(&self, id: BufferId) -> Rows {
        Rows { binding: Binding::Activation(id), stride: self.stride(id) }
    }

    /// Where a cache write leaves the queries.
    pub(super) fn ready_rows(&self, shape: Shape) -> Rows {
        let stride = (shape.heads * shape.head_width).next_multiple_of(4);
        Rows { binding: Binding::ReadyQueries, stride }
    }
}

/// What `shaders/lib/cache_store.wgsl` needs to know, but for the head width.
fn ready_overrides(source: Source) -> [Override; 9] {
    let (table, pairs) = source.rotary.unwrap_or_default();
    let place = source.norms.map(|norms| norms.place);
    [
        Override::Stride(source.rows.stride),
        Override::First(source.first_query as u32),
        Override::FirstKey(source.first_key as u32),
        Override::Table(table as u32),
        Override::Pairs(pairs as u32),
        Override::HasNorms(source.norms.is_some()),
        Override::NormsFollow(place == Some(HeadNormPlace::AfterRotary)),
        Override::Epsilon(source.norms.map_or(0.0, |norms| norms.epsilon)),
        Override::ValueEpsilon(source.value_norm.unwrap_or(0.0)),
    ]
}

/// What `shaders/lib/scores.wgsl` needs to know.
pub(super) fn score_overrides(shape: Shape) -> [Override; 9] {
    let ScoresConfig { window, chunk, cap, linear_bias, growth } = shape.scores;
    let positions = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    [
        Override::Heads(shape.heads),
        Override::Scale(shape.scale),
        Override::Window(window.map_or(0, positions)),
        Override::Chunk(chunk.map_or(0, positions)),
        Override::ScoreCap(cap.unwrap_or(0.0)),
        Override::LinearBias(linear_bias.unwrap_or(0.0)),
        Override::Growth(growth.map_or(0.0, |growth| growth.rate)),
        // A divisor, even where nothing is divided.
        Override::GrowthInterval(growth.map_or(1, |growth| positions(growth.interval))),
        Override::GrowthOffset(growth.map_or(0, |growth| positions(growth.offset))),
    ]
}

/// The weights of the norms of query heads and key heads.
fn norm_weights(source: Source) -> [Binding; 2] {
    [source.norms.map(|norms| norms.query), source.norms.map(|norms| norms.key)].map(Binding::Vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::MOST_AT_ONCE;
    use crate::gpu::kernels::shader_text::constants;

    #[test]
    fn the_shaders_have_registers_for_what_is_dispatched() {
        let tiles = constants("attention_tiles.wgsl");
        assert!(tiles["MOST_KEYS"] * f64::from(KEY_COLUMNS) >= f64::from(TILE_KEYS[0]));
        assert_eq!(tiles["MOST_VEC8S"] * f64::from(KEY_COLUMNS), f64::from(MOST_TILE_VEC8S));
        let step = constants("attention_step.wgsl");
        assert_eq!(step["MOST_SHARED"], 8.0, "as Shape::shared has it");
        assert_eq!(step["MOST_AT_ONCE"], f64::from(MOST_AT_ONCE));
    }
}
