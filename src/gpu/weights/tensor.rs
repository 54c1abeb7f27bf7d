//! Weights on the GPU: every tensor of a plan in shards of rows that fit one binding, in the layout of
//! [`super::layout`].
//!
//! They stream there from the source: there is never a second whole copy in memory.

use std::ops::Range;

use wgpu::BufferUsages;

use super::layout::{Form, ROW_BLOCK};
use super::staging::{Piece, Uploader};
use crate::gpu::device::Device;
use crate::gpu::engine::LoadError;
use crate::gpu::progress::Progress;
use crate::model::plan::Plan;
use crate::model::weights::TensorInfo;
use crate::model::{ModelError, Weights};

/// Largest shard: kernels count blocks in u32, and several drivers cap buffers at 2 GiB.
const SHARD_BYTES: u64 = 1 << 30;
/// Bytes of a piece, which one thread converts by itself: its rows fit a processor's cache.
const PIECE_BYTES: u64 = 1 << 20;

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

/// Tensors on the GPU, and what was odd about them.
pub(crate) struct Uploaded {
    pub tensors: Vec<GpuTensor>,
    /// Tensors with elements that are no finite number, and how many.
    pub non_finite: Vec<(String, usize)>,
}

impl Shard {
    /// Bytes on the GPU.
    pub fn bytes(&self) -> u64 {
        self.buffer.size() + self.scales.as_ref().map_or(0, wgpu::Buffer::size)
    }
}

/// Uploads every tensor of the plan, and tells how many bytes are done from time to time.
pub(crate) fn upload(
    device: &Device,
    plan: &Plan,
    weights: &dyn Weights,
    bound: &[usize],
    progress: &mut Progress<'_>,
) -> Result<Uploaded, LoadError> {
    let infos = weights.tensors();
    let forms = Form::of_all(plan, infos, bound);
    let total = plan.tensors.iter().zip(&forms).map(|(spec, form)| form.bytes(spec.rows, spec.columns)).sum();
    let mut uploader = Uploader::new(device, weights, total, progress)?;
    let mut tensors = Vec::with_capacity(bound.len());
    for (&index, form) in bound.iter().zip(forms) {
        let shards = shards(device, &infos[index], form)?;
        for shard in &shards {
            for rows in pieces(&infos[index], form, shard) {
                uploader.add(Piece::new(index, form, shard, rows, &infos[index]))?;
            }
        }
        tensors.push(GpuTensor { form, shards });
    }
    let counts = uploader.finish()?;
    let names = infos.iter().map(|info| info.name.clone());
    Ok(Uploaded { tensors, non_finite: names.zip(counts).filter(|(_, count)| *count > 0).collect() })
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
fn shards(device: &Device, info: &TensorInfo, form: Form) -> Result<Vec<Shard>, LoadError> {
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

/// The rows of a shard, cut into pieces that begin at a whole block of rows.
fn pieces<'a>(
    info: &TensorInfo,
    form: Form,
    shard: &'a Shard,
) -> impl Iterator<Item = Range<usize>> + use<'a> {
    let rows = (PIECE_BYTES / form.row_bytes(info.columns)) as usize / ROW_BLOCK * ROW_BLOCK;
    let rows = rows.max(ROW_BLOCK);
    shard.rows.clone().step_by(rows).map(move |first| first..shard.rows.end.min(first + rows))
}

impl From<ModelError> for LoadError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}
