//! The bytes of the KV cache: for each layer one buffer of keys and one of values, in pages.
//!
//! A position's keys are G heads of D elements, each head padded to blocks of eight. The buffers grow by
//! doubling, up to what one binding can show, so that a short run on a long-context model costs little.

use wgpu::BufferUsages;

use super::buffer::{buffer, enlarge};
use super::page_table::{PAGE_POSITIONS, PageCopy, Pages};
use super::state_cache::StateCache;
use crate::gpu::device::Device;
use crate::model::plan::{AttentionOp, Op, Plan};
use crate::model::{CacheFormat, ModelError};

/// What the buffers are, for messages.
const WHAT: &str = "the KV cache";
/// Positions that the cache begins with.
const FIRST_POSITIONS: usize = 256;

/// Keys and values of all layers, and the states.
pub(crate) struct Cache {
    pub pages: Pages,
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
    pub values: wgpu::Buffer,
    /// Bytes that the keys of one position take; those of the values as well.
    pub position_bytes: u64,
}

/// Bytes of one position's keys in a layer, padding included.
fn position_bytes(key_value_heads: usize, head_width: usize, format: CacheFormat) -> u64 {
    (key_value_heads * head_width.next_multiple_of(8) * format.element_bytes()) as u64
}

/// Most positions that the widest layer's buffer can hold within one binding.
pub(crate) fn most_positions(binding_limit: u64, widths: &[u64]) -> usize {
    let widest = widths.iter().copied().max().unwrap_or(1).max(1);
    let pages = binding_limit / widest / PAGE_POSITIONS as u64;
    // Slots are counted in u32.
    (pages as usize * PAGE_POSITIONS).min(u32::MAX as usize / 2)
}

/// Bytes of one position's keys, for each cache; several attentions may read one.
pub(crate) fn cache_widths(plan: &Plan) -> Vec<u64> {
    let width = |cache: usize| {
        plan.ops.iter().find_map(|op| match *op {
            Op::Attention(AttentionOp { layer, key_value_heads, head_width, .. }) if layer == cache => {
                Some(position_bytes(key_value_heads, head_width, plan.cache_format))
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
    ) -> Result<Self, ModelError> {
        let widths = cache_widths(plan);
        let states = StateCache::new(device, plan)?;
        let mut pages = Pages::default();
        pages.grow(FIRST_POSITIONS.min(context).div_ceil(PAGE_POSITIONS));
        let positions = (pages.capacity() * PAGE_POSITIONS) as u64;
        let layer = |&width: &u64| {
            let (keys, values) =
                (buffer(device, WHAT, width * positions)?, buffer(device, WHAT, width * positions)?);
            Ok(LayerCache { keys, values, position_bytes: width })
        };
        let layers = widths.iter().map(layer).collect::<Result<_, ModelError>>()?;
        let page_bytes = widths.iter().max().copied().unwrap_or_default() * PAGE_POSITIONS as u64;
        let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let transfer = device.buffer("copies of KV cache pages", page_bytes, usage)?;
        let [partials, ready] = scratch;
        let partials = device.buffer("attention's partial results", partials, BufferUsages::STORAGE)?;
        let ready = device.buffer("attention's queries", ready, BufferUsages::STORAGE)?;
        Ok(Self { pages, layers, states, partials, ready, transfer })
    }

    /// Makes room for at least `missing` more pages, and keeps what is cached. Replaces the layers' buffers, also
    /// when it fails half-way; whoever holds the old ones keeps their memory taken.
    pub(crate) fn grow(&mut self, device: &Device, missing: usize) -> Result<(), ModelError> {
        let old = self.pages.capacity();
        let widths: Vec<u64> = self.layers.iter().map(|layer| layer.position_bytes).collect();
        let most = most_positions(device.binding_limit(), &widths) / PAGE_POSITIONS;
        let total = (2 * old).min(most).max(old + missing);
        if total > most {
            return Err(ModelError::OutOfMemory { what: "the KV cache of so many positions".to_owned() });
        }
        let bytes = |width: u64, pages: usize| width * (pages * PAGE_POSITIONS) as u64;
        // Buffer by buffer, each waited for: at no time is more than one there twice.
        for layer in &mut self.layers {
            for buffer in [&mut layer.keys, &mut layer.values] {
                let [all, kept] = [total, old].map(|pages| bytes(layer.position_bytes, pages));
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
            for buffer in [&layer.keys, &layer.values] {
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
            for buffer in [&layer.keys, &layer.values] {
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
        self.layers.iter().map(|layer| layer.keys.size() + layer.values.size()).sum()
    }

    /// Bytes of one page over all layers, keys and values.
    pub(crate) fn page_bytes(&self) -> u64 {
        let positions = PAGE_POSITIONS as u64;
        self.layers.iter().map(|layer| 2 * layer.position_bytes * positions).sum()
    }
}
