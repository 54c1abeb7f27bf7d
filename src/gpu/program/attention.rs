//! Attention and the writing of the KV cache as dispatches.
//!
//! Where every row is the only new one of its sequence (decoding, beams), one kernel normalises, turns, appends
//! and attends, with a second one after long contexts that were split. Rows that see other rows of the pass
//! (prompts, drafts, trees) need all keys in the cache first, so there a cache write comes before.

use super::attention_shape::Shape;
use super::compiler::{Compiler, Constants, flag, numbered};
use super::dispatch::{Dispatch, Height};
use crate::gpu::cache::PAGE_POSITIONS;
use crate::gpu::kernels::{FEW_ROWS, Kernel, PromptAttention, SHUFFLE_LANES};
use crate::gpu::pass::{TILE_ROWS, Work};
use crate::model::config::ScoresConfig;
use crate::model::plan::{AttentionOp, BufferId, Fresh, HeadNorms};
use crate::model::{CacheFormat, ModelError};

/// Workgroup memory for the keys or values of a tile, in `vec4<u32>`.
const TILE_UNITS: u32 = 560;
/// Most blocks of eight in a head for `attention_shuffle_tiles.wgsl`.
const MOST_SHUFFLE_OCTETS: u32 = 16;
/// Groups of four rows in a workgroup of `attention_tiles.wgsl`.
const ROW_GROUPS: u32 = 8;

/// The dispatches of an attention, for each kind of pass.
pub(super) struct Attention {
    /// Every row is the only new one of its sequence: not split, and split.
    alone: [Vec<Dispatch>; 2],
    /// Few rows, some of which see others of the pass: not split, and split.
    chained: [Vec<Dispatch>; 2],
    /// More of those.
    many: Vec<Dispatch>,
    /// Fewest rows that are many.
    fewest: usize,
}

impl Attention {
    /// The dispatches for a pass.
    pub fn choose(&self, work: Work) -> &[Dispatch] {
        let split = usize::from(work.splits > 1);
        match (work.alone, work.rows >= self.fewest) {
            (true, _) => &self.alone[split],
            (false, false) => &self.chained[split],
            (false, true) => &self.many,
        }
    }
}

/// Where queries, keys and values come from, and what is yet to be done with queries and keys.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// Queries and keys.
    rows: Rows<'a>,
    first_query: usize,
    first_key: usize,
    values: Rows<'a>,
    first_value: usize,
    norms: Option<HeadNorms>,
    /// Index of the rotary table, and its pairs.
    rotary: Option<(usize, usize)>,
}

/// A buffer, and the elements from one of its rows to the next.
#[derive(Clone, Copy)]
struct Rows<'a> {
    buffer: &'a wgpu::Buffer,
    stride: f64,
}

impl<'a> Source<'a> {
    /// Queries that are ready, or keys that are.
    fn ready(rows: Rows<'a>, first: usize) -> Self {
        let (first_query, first_key, first_value) = (first, first, first);
        Self { rows, first_query, first_key, values: rows, first_value, norms: None, rotary: None }
    }
}

/// Whether attention also stores the row's own key and value.
#[derive(Clone, Copy, PartialEq)]
enum Append {
    /// They are in the cache.
    Done,
    /// It does.
    Here,
}

/// Whether a row's positions are divided among workgroups.
#[derive(Clone, Copy, PartialEq)]
enum Split {
    Whole,
    Spans,
}

impl Compiler<'_> {
    pub(crate) fn cache_write(
        &self,
        layer: usize,
        key: BufferId,
        value: BufferId,
    ) -> Result<Dispatch, ModelError> {
        let source = Source { values: self.rows(value), ..Source::ready(self.rows(key), 0) };
        self.write_cache(self.cache_shape(layer), source, 0)
    }

    /// The dispatches of an [`AttentionOp`].
    pub(crate) fn attention(&self, op: AttentionOp) -> Result<Attention, ModelError> {
        let AttentionOp { query, output, fresh, .. } = op;
        let shape = Shape::from(op);
        let output = self.rows(output);
        let rows = self.rows(query.buffer);
        let Some(Fresh { key, value, norms, rotary }) = fresh else {
            let source = Source::ready(rows, query.first);
            let alone = self.by_rows(shape, source, output, Append::Done, &[])?;
            let many = self.many(shape, source, output, &[])?;
            let fewest = fewest_of_many(self.prompt_kernel(shape, source));
            return Ok(Attention { chained: alone.clone(), alone, many, fewest });
        };
        let source = Source {
            rows,
            first_query: query.first,
            first_key: key.first,
            values: self.rows(value.buffer),
            first_value: value.first,
            norms,
            rotary: rotary.map(|id| (id.0, self.plan.rotary_tables[id.0].pairs())),
        };
        let one_buffer = [key.buffer, value.buffer] == [query.buffer; 2];
        assert!(one_buffer, "the projections of a fused attention share a buffer");
        let alone = self.by_rows(shape, source, output, Append::Here, &[])?;
        let write = [self.write_cache(shape, source, shape.heads)?];
        let ready = Source::ready(self.ready_rows(shape), 0);
        let chained = self.by_rows(shape, ready, output, Append::Done, &write)?;
        let many = self.many(shape, ready, output, &write)?;
        let fewest = fewest_of_many(self.prompt_kernel(shape, ready));
        Ok(Attention { alone, chained, many, fewest })
    }

    /// The kernel for many rows: the chosen one, where the heads and the workgroup memory allow it.
    fn prompt_kernel(&self, shape: Shape, source: Source<'_>) -> PromptAttention {
        let in_blocks = shape.head_width.is_multiple_of(8) && source.first_query.is_multiple_of(4);
        let fits = match self.choice.attention.prompts {
            PromptAttention::Rows => true,
            PromptAttention::Tiles => in_blocks && self.tile_keys(shape).is_some(),
            PromptAttention::ShuffleTiles => in_blocks && shape.octets() <= MOST_SHUFFLE_OCTETS,
        };
        if fits { self.choice.attention.prompts } else { PromptAttention::Rows }
    }

    /// `before`, then attention row by row: in one go, and in splits that are combined.
    fn by_rows(
        &self,
        shape: Shape,
        source: Source<'_>,
        output: Rows<'_>,
        append: Append,
        before: &[Dispatch],
    ) -> Result<[Vec<Dispatch>; 2], ModelError> {
        let whole = self.rows_kernel(shape, source, output, append, Split::Whole)?;
        let partials = Rows { buffer: &self.resources.cache.partials, stride: 0.0 };
        let split = self.rows_kernel(shape, source, partials, append, Split::Spans)?;
        let combine = self.combine(shape, output)?;
        Ok([[before, &[whole]].concat(), [before, &[split, combine]].concat()])
    }

    fn rows_kernel(
        &self,
        shape: Shape,
        source: Source<'_>,
        output: Rows<'_>,
        append: Append,
        split: Split,
    ) -> Result<Dispatch, ModelError> {
        let (octets, shared) = (shape.octets(), shape.shared());
        let head_lanes = octets.next_power_of_two();
        let lanes = self.choice.attention.lanes.max(head_lanes);
        let mut constants = self.cache_constants(shape);
        constants.extend(self.ready_constants(source));
        constants.extend(score_constants(shape));
        constants.extend([
            ("WORKGROUP", f64::from(lanes)),
            ("HEAD_LANES", f64::from(head_lanes)),
            ("STREAMS", f64::from(lanes / head_lanes)),
            ("SHARED", f64::from(shared)),
            ("HEAD_WIDTH", f64::from(shape.head_width)),
            ("FIRST_VALUE", source.first_value as f64),
            ("OUTPUT_STRIDE", output.stride),
            ("PARTIAL", f64::from(shape.partial())),
            ("APPEND", f64::from(u8::from(append == Append::Here))),
            ("SPLIT", f64::from(u8::from(split == Split::Spans))),
            ("QUERY_BLOCKS", f64::from(2 * shared * octets)),
            ("WEIGHTS", f64::from(lanes * shared)),
            ("MIXED", f64::from(2 * lanes)),
            ("HAS_SINKS", flag(shape.sinks)),
        ]);
        let cache = &self.resources.cache.layers[shape.layer];
        let [query_norm, key_norm] = self.norm_weights(source);
        let buffers = numbered(&[
            &self.resources.pass,
            source.rows.buffer,
            query_norm,
            key_norm,
            &cache.keys,
            &cache.values,
            output.buffer,
            self.optional(shape.sinks),
        ]);
        let height = match split {
            Split::Whole => Height::Rows(1),
            Split::Spans => Height::Splits,
        };
        self.dispatch_over(Kernel::AttentionStep, None, constants, &buffers, shape.heads / shared, height)
    }

    fn combine(&self, shape: Shape, output: Rows<'_>) -> Result<Dispatch, ModelError> {
        let constants = vec![
            ("HEADS", f64::from(shape.heads)),
            ("HEAD_WIDTH", f64::from(shape.head_width)),
            ("PARTIAL4", f64::from(shape.partial() / 4)),
            ("OUTPUT_STRIDE", output.stride),
            ("HAS_SINKS", flag(shape.sinks)),
        ];
        let sinks = self.optional(shape.sinks);
        let buffers = numbered(&[&self.resources.pass, &self.resources.cache.partials, output.buffer, sinks]);
        let columns = shape.heads * (shape.partial() / 4 - 1);
        self.elementwise(Kernel::AttentionCombine, None, columns, constants, &buffers)
    }

    /// `before`, then attention of many rows: by tiles, or row by row where tiles do not pay or do not fit.
    fn many(
        &self,
        shape: Shape,
        source: Source<'_>,
        output: Rows<'_>,
        before: &[Dispatch],
    ) -> Result<Vec<Dispatch>, ModelError> {
        let attention = match (self.prompt_kernel(shape, source), self.tile_keys(shape)) {
            (PromptAttention::Tiles, Some(keys)) => self.tiles(shape, source, output, keys)?,
            (PromptAttention::ShuffleTiles, _) => self.shuffle_tiles(shape, source, output)?,
            _ => self.rows_kernel(shape, source, output, Append::Done, Split::Whole)?,
        };
        Ok([before, &[attention]].concat())
    }

    /// `vec4<u32>` of a head in the cache.
    fn head_units(&self, shape: Shape) -> u32 {
        match self.plan.cache_format {
            CacheFormat::F16 => shape.octets(),
            CacheFormat::F32 => 2 * shape.octets(),
        }
    }

    /// Keys of a tile of `attention_tiles.wgsl`; `None` where no tile fits workgroup memory.
    fn tile_keys(&self, shape: Shape) -> Option<u32> {
        [32, 16, 8].into_iter().find(|keys| keys * (self.head_units(shape) + 1) <= TILE_UNITS)
    }

    fn tiles(
        &self,
        shape: Shape,
        source: Source<'_>,
        output: Rows<'_>,
        keys: u32,
    ) -> Result<Dispatch, ModelError> {
        let key_stride = self.head_units(shape) + 1;
        let constants = [
            ("WORKGROUP", f64::from(8 * ROW_GROUPS)),
            ("KEY_COLUMNS", 8.0),
            ("TILE", f64::from(keys)),
            ("KEY_STRIDE", f64::from(key_stride)),
            ("TILE_BLOCKS", f64::from(keys * key_stride)),
            ("WEIGHTS", f64::from(ROW_GROUPS * keys)),
        ];
        self.tiles_kernel(Kernel::AttentionTiles, &constants, 1, shape, source, output)
    }

    fn shuffle_tiles(
        &self,
        shape: Shape,
        source: Source<'_>,
        output: Rows<'_>,
    ) -> Result<Dispatch, ModelError> {
        let parts = (TILE_ROWS as u32).div_ceil(SHUFFLE_LANES);
        let constants = [("PARTS", f64::from(parts))];
        self.tiles_kernel(Kernel::AttentionShuffleTiles, &constants, parts, shape, source, output)
    }

    /// What the kernels for tiles of rows have in common; `parts` workgroups take a tile of a head.
    fn tiles_kernel(
        &self,
        kernel: Kernel,
        own_constants: &[(&'static str, f64)],
        parts: u32,
        shape: Shape,
        source: Source<'_>,
        output: Rows<'_>,
    ) -> Result<Dispatch, ModelError> {
        let mut constants = self.cache_constants(shape);
        constants.extend(score_constants(shape));
        constants.extend(own_constants);
        constants.extend([
            ("STRIDE4", source.rows.stride / 4.0),
            ("FIRST4", (source.first_query / 4) as f64),
            ("OUTPUT_STRIDE4", output.stride / 4.0),
            ("HAS_SINKS", flag(shape.sinks)),
        ]);
        let cache = &self.resources.cache.layers[shape.layer];
        let buffers = numbered(&[
            &self.resources.pass,
            source.rows.buffer,
            &cache.keys,
            &cache.values,
            output.buffer,
            self.optional(shape.sinks),
        ]);
        self.dispatch_over(kernel, None, constants, &buffers, shape.heads, Height::Tiles(parts))
    }

    /// Stores keys and values; makes keys ready, and the queries of `heads` heads.
    fn write_cache(&self, shape: Shape, source: Source<'_>, heads: u32) -> Result<Dispatch, ModelError> {
        let ready = self.ready_rows(shape);
        let mut constants = self.cache_constants(shape);
        constants.extend(self.ready_constants(source));
        constants.extend([
            ("HEADS", f64::from(heads)),
            ("HEAD_WIDTH", f64::from(shape.head_width)),
            ("VALUE_STRIDE", source.values.stride),
            ("FIRST_VALUE", source.first_value as f64),
            ("READY_STRIDE", ready.stride),
        ]);
        let cache = &self.resources.cache.layers[shape.layer];
        let [query_norm, key_norm] = self.norm_weights(source);
        let buffers = numbered(&[
            &self.resources.pass,
            source.rows.buffer,
            source.values.buffer,
            query_norm,
            key_norm,
            &cache.keys,
            &cache.values,
            ready.buffer,
        ]);
        let columns = (heads + 2 * shape.groups) * shape.octets();
        self.elementwise(Kernel::CacheWrite, None, columns, constants, &buffers)
    }

    /// What `shaders/lib/cache.wgsl` needs to know.
    fn cache_constants(&self, shape: Shape) -> Constants {
        vec![
            ("HALVES", f64::from(u8::from(self.plan.cache_format == CacheFormat::F16))),
            ("GROUPS", f64::from(shape.groups)),
            ("OCTETS", f64::from(shape.octets())),
            ("PAGE_POSITIONS", PAGE_POSITIONS as f64),
        ]
    }

    /// What `shaders/lib/cache_store.wgsl` needs to know, but for the head width.
    fn ready_constants(&self, source: Source<'_>) -> [(&'static str, f64); 7] {
        let (table, pairs) = source.rotary.unwrap_or_default();
        [
            ("STRIDE", source.rows.stride),
            ("FIRST", source.first_query as f64),
            ("FIRST_KEY", source.first_key as f64),
            ("TABLE", table as f64),
            ("PAIRS", pairs as f64),
            ("HAS_NORMS", f64::from(u8::from(source.norms.is_some()))),
            ("EPSILON", source.norms.map_or(0.0, |norms| f64::from(norms.epsilon))),
        ]
    }

    fn norm_weights(&self, source: Source<'_>) -> [&wgpu::Buffer; 2] {
        [source.norms.map(|norms| norms.query), source.norms.map(|norms| norms.key)]
            .map(|weight| self.optional(weight))
    }

    fn rows(&self, id: BufferId) -> Rows<'_> {
        Rows { buffer: self.buffer(id), stride: self.stride(id) }
    }

    /// Where a cache write leaves the queries.
    fn ready_rows(&self, shape: Shape) -> Rows<'_> {
        let stride = (shape.heads * shape.head_width).next_multiple_of(4);
        Rows { buffer: &self.resources.cache.ready, stride: f64::from(stride) }
    }

    /// The attention that reads a layer's cache.
    fn cache_shape(&self, layer: usize) -> Shape {
        let mut shapes = self.plan.ops.iter().filter_map(Shape::of);
        shapes.find(|shape| shape.layer == layer).expect("a cache that is written is read by attention")
    }
}

/// Fewest rows for which a kernel for many pays.
fn fewest_of_many(kernel: PromptAttention) -> usize {
    match kernel {
        PromptAttention::Rows | PromptAttention::Tiles => FEW_ROWS + 1,
        // Measured: it takes eight rows in the time of two row by row.
        PromptAttention::ShuffleTiles => 3,
    }
}

/// What `shaders/lib/scores.wgsl` needs to know.
fn score_constants(shape: Shape) -> [(&'static str, f64); 5] {
    let ScoresConfig { window, cap, linear_bias } = shape.scores;
    [
        ("HEADS", f64::from(shape.heads)),
        ("SCALE", f64::from(shape.scale)),
        ("WINDOW", window.unwrap_or(0) as f64),
        ("SCORE_CAP", f64::from(cap.unwrap_or(0.0))),
        ("LINEAR_BIAS", f64::from(linear_bias.unwrap_or(0.0))),
    ]
}
