//! A tensor on the GPU: in shards of rows that fit one binding, in the layout of [`super::layout`].

use std::ops::Range;

use wgpu::BufferUsages;

use super::layout::{Form, ROW_BLOCK};
use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::model::weights::TensorInfo;

/// Largest shard: kernels count blocks in u32, and several drivers cap buffers at 2 GiB.
const SHARD_BYTES: u64 = 1 << 30;
/// A tensor on the GPU.
pub(crate) struct GpuTensor {
    /// How the kernels read it.
    pub form: Form,
    /// Its rows, in order; a vector is one shard.
    pub shards: Vec<Shard>,
}

/// Some consecutive rows of a tensor.
pub(crate) struct Shard {
    /// The rows; of formats with scales, their quants.
    pub buffer: wgpu::Buffer,
    /// The scales of formats that have some.
    pub scales: Option<wgpu::Buffer>,
    pub rows: Range<usize>,
}

impl GpuTensor {
    /// Bytes on the GPU.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(Shard::bytes).sum()
    }
}

impl Shard {
    /// Bytes on the GPU.
    pub fn bytes(&self) -> u64 {
        self.buffer.size() + self.scales.as_ref().map_or(0, wgpu::Buffer::size)
    }
}

/// Bytes of a tensor that have to be in one binding: a block of a matrix' rows, or all of a vector.
pub(crate) fn least_shard_bytes(info: &TensorInfo, form: Form) -> u64 {
    let rows = match form {
        Form::Matrix(_) => ROW_BLOCK,
        Form::Vector => info.rows,
    };
    form.row_bytes(info.columns) * rows as u64
}

/// Bytes that a shard may have, where a binding may have `binding_bytes`.
pub(crate) fn most_shard_bytes(binding_bytes: u64) -> u64 {
    binding_bytes.min(SHARD_BYTES)
}

/// Empty shards for all rows of a tensor.
pub(super) fn shards(device: &Device, info: &TensorInfo, form: Form) -> Result<Vec<Shard>, LoadError> {
    let (row_bytes, row_scale_bytes) = (form.row_bytes(info.columns), form.row_scale_bytes(info.columns));
    let limit = most_shard_bytes(device.binding_limit());
    let bytes = least_shard_bytes(info, form);
    if bytes > limit {
        return Err(LoadError::TensorTooLarge { tensor: info.name.clone(), bytes, limit });
    }
    let shard_rows = match form {
        Form::Matrix(_) => (limit / row_bytes) as usize / ROW_BLOCK * ROW_BLOCK,
        Form::Vector => info.rows,
    };
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
    let name = format!("the weights ({})", info.name);
    let shard = |first: usize| {
        let rows = first..info.rows.min(first + shard_rows);
        let padded = form.padded_rows(rows.len()) as u64;
        let scales = match row_scale_bytes {
            0 => None,
            bytes => Some(device.buffer(&name, padded * bytes, usage)?),
        };
        Ok(Shard { buffer: device.buffer(&name, padded * row_bytes, usage)?, scales, rows })
    };
    (0..info.rows).step_by(shard_rows).map(shard).collect()
}
