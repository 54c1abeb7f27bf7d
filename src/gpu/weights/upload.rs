//! Bringing a plan's tensors to the GPU.
//!
//! They stream there from the source: there is never a second whole copy in memory.

use std::ops::Range;

use super::layout::{GpuLayout, ROW_BLOCK};
use super::staging::{Piece, Uploader};
use super::tensor::GpuTensor;
use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::gpu::progress::Progress;
use crate::model::Weights;
use crate::model::plan::Plan;
use crate::model::weights::TensorInfo;

/// Bytes of a piece, which one thread converts by itself: its rows fit a processor's cache.
const PIECE_BYTES: u64 = 1 << 20;

/// Tensors on the GPU, and what was odd about them.
pub(crate) struct Uploaded {
    pub tensors: Vec<GpuTensor>,
    /// Tensors with non-finite elements, and how many.
    pub non_finite: Vec<(String, usize)>,
}

/// Uploads every tensor of the plan, and tells how many bytes are done from time to time.
pub(crate) fn upload(
    device: &Device,
    plan: &Plan,
    weights: &dyn Weights,
    progress: &mut Progress<'_>,
) -> Result<Uploaded, LoadError> {
    let infos = weights.tensors();
    let layouts = GpuLayout::of_all(plan, infos);
    let total =
        plan.tensors.iter().zip(&layouts).map(|(spec, layout)| layout.bytes(spec.rows, spec.columns)).sum();
    let mut uploader = Uploader::new(device, weights, total, progress)?;
    let mut tensors = Vec::with_capacity(layouts.len());
    for (index, layout) in layouts.into_iter().enumerate() {
        let info = &infos[index];
        let tensor = GpuTensor::new(device, info, layout)?;
        for (rows, shard) in tensor.shape.shards.iter().zip(&tensor.shards) {
            for piece in pieces(info, layout, rows) {
                uploader.add(Piece::new((index, info), layout, (rows.start, shard), piece))?;
            }
        }
        tensors.push(tensor);
    }
    let counts = uploader.finish()?;
    let names = infos.iter().map(|info| info.name.clone());
    Ok(Uploaded { tensors, non_finite: names.zip(counts).filter(|(_, count)| *count > 0).collect() })
}

/// The rows of a shard, cut into pieces that begin at a whole block of rows.
fn pieces(
    info: &TensorInfo,
    layout: GpuLayout,
    shard: &Range<usize>,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let rows = (PIECE_BYTES / layout.row_bytes(info.columns)) as usize / ROW_BLOCK * ROW_BLOCK;
    let rows = rows.max(ROW_BLOCK);
    let end = shard.end;
    shard.clone().step_by(rows).map(move |first| first..end.min(first + rows))
}
