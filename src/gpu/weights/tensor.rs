//! A tensor on the GPU: in shards of rows that fit one binding, in the layout of [`super::layout`].

use std::ops::Range;

use wgpu::BufferUsages;

use super::layout::{GpuLayout, ROW_BLOCK};
use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::model::weights::TensorInfo;

/// Largest shard: kernels count blocks in u32, and several drivers cap buffers at 2 GiB.
const SHARD_BYTES: u64 = 1 << 30;
/// How a tensor lies on the GPU.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorShape {
    /// How the kernels read it.
    pub layout: GpuLayout,
    /// The rows of each shard, in order; a vector is one shard.
    pub shards: Vec<Range<usize>>,
}

/// A tensor on the GPU; a clone is the same one.
#[derive(Clone)]
pub(crate) struct GpuTensor {
    pub shape: TensorShape,
    /// In the order of the shape's.
    pub shards: Vec<Shard>,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Where a tensor's bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the GPU, for its kernels.
    Gpu,
    /// In the computer's memory, to be copied to the GPU.
    Host,
}

/// The buffers of some consecutive rows of a tensor.
#[derive(Clone)]
pub(crate) struct Shard {
    /// The rows; of formats with scales, their quants.
    pub buffer: wgpu::Buffer,
    /// The scales of formats that have some, after a table where there is one.
    pub scales: Option<wgpu::Buffer>,
}

impl TensorShape {
    /// Shards of a tensor, where a binding may have so many bytes.
    pub(crate) fn of(info: &TensorInfo, layout: GpuLayout, binding_bytes: u64) -> Result<Self, LoadError> {
        let limit = most_shard_bytes(binding_bytes);
        let bytes = least_shard_bytes(info, layout);
        if bytes > limit {
            return Err(LoadError::TensorTooLarge { tensor: info.name.clone(), bytes, limit });
        }
        let shard_rows = match layout {
            GpuLayout::Matrix(_) => (limit / layout.row_bytes(info.columns)) as usize / ROW_BLOCK * ROW_BLOCK,
            GpuLayout::Vector => info.rows,
        };
        let firsts = (0..info.rows).step_by(shard_rows);
        let shards = firsts.map(|first| first..info.rows.min(first + shard_rows)).collect();
        Ok(Self { layout, shards })
    }

    /// Bytes of each shard's buffers, of a tensor of so many columns: its rows, and its scales where it has some.
    pub(crate) fn buffer_bytes(&self, columns: usize) -> impl Iterator<Item = (u64, Option<u64>)> + '_ {
        let layout = self.layout;
        self.shards.iter().map(move |rows| {
            let padded = layout.padded_rows(rows.len()) as u64;
            let scales = match layout.row_scale_bytes(columns) {
                0 => None,
                bytes => Some(layout.table_bytes() + padded * bytes),
            };
            // As buffers are made: of whole words.
            let whole = |bytes: u64| bytes.max(4).next_multiple_of(4);
            (whole(padded * layout.row_bytes(columns)), scales.map(whole))
        })
    }
}

impl GpuTensor {
    /// Room for all rows of a tensor.
    pub(crate) fn new(
        device: &Device,
        info: &TensorInfo,
        layout: GpuLayout,
        place: Place,
    ) -> Result<Self, LoadError> {
        let shape = TensorShape::of(info, layout, device.binding_limit())?;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        // Probes read vectors back.
        let usage = match layout {
            GpuLayout::Matrix(_) => usage,
            GpuLayout::Vector => usage | BufferUsages::COPY_SRC,
        };
        let name = format!("the weights ({})", info.name);
        let make = |bytes: u64| match place {
            Place::Gpu => device.buffer(&name, bytes, usage),
            Place::Host => device.host_buffer(&name, bytes),
        };
        let mut total = 0;
        let mut shards = Vec::with_capacity(shape.shards.len());
        for (rows, scales) in shape.buffer_bytes(info.columns) {
            total += rows + scales.unwrap_or_default();
            let scales = scales.map(make).transpose()?;
            if let Some(scales) = &scales {
                device.queue.write_buffer(scales, 0, &layout.table());
            }
            shards.push(Shard { buffer: make(rows)?, scales });
        }
        Ok(Self { shape, shards, bytes: total })
    }
}

impl Shard {
    /// Its buffers.
    pub(super) fn buffers_mut(&mut self) -> impl Iterator<Item = &mut wgpu::Buffer> {
        std::iter::once(&mut self.buffer).chain(&mut self.scales)
    }
}

/// Bytes of a tensor that have to be in one binding: a block of a matrix' rows, or all of a vector.
pub(crate) fn least_shard_bytes(info: &TensorInfo, layout: GpuLayout) -> u64 {
    let rows = match layout {
        GpuLayout::Matrix(_) => ROW_BLOCK,
        GpuLayout::Vector => info.rows,
    };
    layout.row_bytes(info.columns) * rows as u64
}

/// Bytes that a shard may have, where a binding may have `binding_bytes`.
pub(crate) fn most_shard_bytes(binding_bytes: u64) -> u64 {
    binding_bytes.min(SHARD_BYTES)
}
