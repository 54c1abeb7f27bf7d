//! The bytes of the KV cache: for each layer one buffer of keys and one of values, in pages; where values are parts of the
//! keys, one buffer.
//!
//! A position's keys are G heads of D elements, each head padded to blocks of eight. The buffers grow by
//! doubling, up to what one binding can show, so that a short run on a long-context model costs little.

use wgpu::BufferUsages;

use super::buffer::{buffer, enlarge};
use super::page_table::{PAGE_POSITIONS, PageCopy, Pages};
use super::state_cache::StateCache;
use crate::gpu::device::Device;
use crate::model::plan::{AttentionOp, AttentionValues, Op, Plan};
use crate::model::{CacheFormat, ModelError};

/// What the buffers are, for messages.
const WHAT: &str = "the KV cache";
/// Positions that the cache begins with.
const FIRST_POSITIONS: usize = 256;

/// How far what sequences keep may grow, beside what the device can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheLimits {
    /// Positions, of all sequences together.
    pub positions: usize,
    /// Slots of states.
    pub state_slots: usize,
}

impl CacheLimits {
    /// As far as the device can.
    pub(crate) const NONE: Self = Self { positions: usize::MAX, state_slots: usize::MAX };
}

/// Keys and values of all layers, and the states.
pub(crate) struct Cache {
    pub pages: Pages,
    /// Most pages that there may be.
    most_pages: usize,
    pub layers: Vec<LayerCache>,
    pub states: StateCache,
    /// Partial results of attention over split positions.
    pub partials: wgpu::Buffer,
    /// Queries that are ready for attention.
    pub ready: wgpu::Buffer,
    /// Room for one page of one layer: wgpu copies only between different buffers.
    transfer: wgpu::Buffer,
}

/// Keys and values of one layer.
pub(crate) struct LayerCache {
    pub keys: wgpu::Buffer,
    /// `None` where values are parts of the keys.
    own_values: Option<wgpu::Buffer>,
    /// Bytes that the keys of one position take; those of the values as well, where they have a buffer.
    pub position_bytes: u64,
}

impl LayerCache {
    /// Where the values are.
    pub(crate) fn values(&self) -> &wgpu::Buffer {
        self.own_values.as_ref().unwrap_or(&self.keys)
    }

    fn buffers(&self) -> impl Iterator<Item = &wgpu::Buffer> {
        std::iter::once(&self.keys).chain(&self.own_values)
    }

    fn buffers_mut(&mut self) -> impl Iterator<Item = &mut wgpu::Buffer> {
        std::iter::once(&mut self.keys).chain(&mut self.own_values)
    }

    /// Bytes of one position, keys and values.
    pub(crate) fn bytes_of_position(&self) -> u64 {
        self.position_bytes * self.buffers().count() as u64
    }
}

/// What a cache takes for a position.
#[derive(Clone, Copy)]
pub(crate) struct PositionBytes {
    /// Of its keys; of its values as well, where they have a buffer.
    keys: u64,
    /// Buffers: 2, or 1 where values are parts of the keys.
    buffers: u64,
}

impl PositionBytes {
    /// Of its keys.
    pub(crate) const fn keys(self) -> u64 {
        self.keys
    }

    /// All of it.
    pub(crate) const fn total(self) -> u64 {
        self.keys * self.buffers
    }
}

/// Bytes of one position's keys in a layer, padding included.
fn position_bytes(key_value_heads: usize, head_width: usize, format: CacheFormat) -> u64 {
    (key_value_heads * head_width.next_multiple_of(8) * format.element_bytes()) as u64
}

/// Most positions that the widest layer's buffer can hold within one binding.
pub(crate) fn most_positions(binding_limit: u64, widths: &[PositionBytes]) -> usize {
    most_positions_of(binding_limit, widths.iter().map(|width| width.keys))
}

/// The same by the bytes of one position's keys in each layer.
fn most_positions_of(binding_limit: u64, keys: impl Iterator<Item = u64>) -> usize {
    let widest = keys.max().unwrap_or(1).max(1);
    let pages = binding_limit / widest / PAGE_POSITIONS as u64;
    // Slots are counted in u32.
    (pages as usize * PAGE_POSITIONS).min(u32::MAX as usize / 2)
}

/// What each cache takes for a position; several attentions may read one.
pub(crate) fn cache_widths(plan: &Plan) -> Vec<PositionBytes> {
    let width = |cache: usize| {
        plan.ops.iter().find_map(|op| match *op {
            Op::Attention(AttentionOp { layer, key_value_heads, head_width, values, .. })
                if layer == cache =>
            {
                let buffers = match values {
                    AttentionValues::Cached => 2,
                    AttentionValues::OfKeys { .. } => 1,
                };
                Some(PositionBytes {
                    keys: position_bytes(key_value_heads, head_width, plan.cache_format),
                    buffers,
                })
            }
            _ => None,
        })
    };
    (0..plan.cache_widths.len()).filter_map(width).collect()
}

impl Cache {
    /// The cache of a plan, with room for a first few pages and states, and the scratch memory of attention.
    pub(crate) fn new(
        device: &Device,
        plan: &Plan,
        scratch: [u64; 2],
        context: usize,
        limits: CacheLimits,
    ) -> Result<Self, ModelError> {
        let widths = cache_widths(plan);
        let states = StateCache::new(device, plan, limits.state_slots)?;
        let most = most_positions_of(device.binding_limit(), widths.iter().map(|width| width.keys));
        let most_pages = most.min(limits.positions) / PAGE_POSITIONS;
        let mut pages = Pages::default();
        pages.grow(FIRST_POSITIONS.min(context).div_ceil(PAGE_POSITIONS));
        let positions = (pages.capacity() * PAGE_POSITIONS) as u64;
        let layer = |width: &PositionBytes| {
            let make = || buffer(device, WHAT, width.keys * positions);
            let own_values = (width.buffers > 1).then(make).transpose()?;
            Ok(LayerCache { keys: make()?, own_values, position_bytes: width.keys })
        };
        let layers = widths.iter().map(layer).collect::<Result<_, ModelError>>()?;
        let widest = widths.iter().map(|width| width.keys).max().unwrap_or_default();
        let page_bytes = widest * PAGE_POSITIONS as u64;
        let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let transfer = device.buffer("copies of KV cache pages", page_bytes, usage)?;
        let [partials, ready] = scratch;
        let partials = device.buffer("attention's partial results", partials, BufferUsages::STORAGE)?;
        let ready = device.buffer("attention's queries", ready, BufferUsages::STORAGE)?;
        Ok(Self { pages, most_pages, layers, states, partials, ready, transfer })
    }

    /// Makes room for at least `missing` more pages, and keeps what is cached. Replaces the layers' buffers, also
    /// when it fails half-way; whoever holds the old ones keeps their memory taken.
    pub(crate) fn grow(&mut self, device: &Device, missing: usize) -> Result<(), ModelError> {
        let old = self.pages.capacity();
        let total = (2 * old).min(self.most_pages).max(old + missing);
        if total > self.most_pages {
            return Err(ModelError::OutOfMemory { what: "the KV cache of so many positions".to_owned() });
        }
        let bytes = |width: u64, pages: usize| width * (pages * PAGE_POSITIONS) as u64;
        // Buffer by buffer, each waited for: at no time is more than one there twice.
        for layer in &mut self.layers {
            let [all, kept] = [total, old].map(|pages| bytes(layer.position_bytes, pages));
            for buffer in layer.buffers_mut() {
                enlarge(device, buffer, WHAT, all, kept)?;
            }
        }
        self.pages.grow(total);
        Ok(())
    }

    /// Copies one page in every layer.
    pub(crate) fn copy_page(&self, device: &Device, copy: PageCopy) {
        let mut encoder = device.encoder();
        for layer in &self.layers {
            let bytes = layer.position_bytes * PAGE_POSITIONS as u64;
            let (from, to) = (u64::from(copy.from) * bytes, u64::from(copy.to) * bytes);
            for buffer in layer.buffers() {
                encoder.copy_buffer_to_buffer(buffer, from, &self.transfer, 0, bytes);
                encoder.copy_buffer_to_buffer(&self.transfer, 0, buffer, to, bytes);
            }
        }
        device.submit(encoder);
    }

    /// Copies single positions, from slot to slot, in every layer.
    pub(crate) fn copy_slots(&self, device: &Device, copies: impl Iterator<Item = PageCopy> + Clone) {
        let mut encoder = device.encoder();
        for layer in &self.layers {
            let bytes = layer.position_bytes;
            for buffer in layer.buffers() {
                for copy in copies.clone() {
                    let (from, to) = (u64::from(copy.from) * bytes, u64::from(copy.to) * bytes);
                    encoder.copy_buffer_to_buffer(buffer, from, &self.transfer, 0, bytes);
                    encoder.copy_buffer_to_buffer(&self.transfer, 0, buffer, to, bytes);
                }
            }
        }
        device.submit(encoder);
    }

    /// Bytes of keys and values, as allocated now.
    pub(crate) fn bytes(&self) -> u64 {
        self.layers.iter().flat_map(LayerCache::buffers).map(wgpu::Buffer::size).sum()
    }

    /// Bytes of one page over all layers, keys and values.
    pub(crate) fn page_bytes(&self) -> u64 {
        let positions = PAGE_POSITIONS as u64;
        self.layers.iter().map(|layer| layer.bytes_of_position() * positions).sum()
    }
}
