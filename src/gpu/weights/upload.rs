//! Bringing a plan's tensors to the GPU.
//!
//! They stream there from the source: there is never a second whole copy in memory.

use std::ops::Range;

use super::layout::{GpuLayout, ROW_BLOCK};
use super::staging::{Piece, Uploader};
use super::streamed::{HostLayers, Streamed};
use super::tensor::{GpuTensor, Place};
use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::gpu::progress::Progress;
use crate::model::Weights;
use crate::model::plan::{Plan, TensorId, TensorSpec};
use crate::model::weights::TensorInfo;

/// Bytes of a piece, which one thread converts by itself: its rows fit a processor's cache.
const PIECE_BYTES: u64 = 1 << 20;

/// Tensors on the GPU, and what was odd about them.
pub(crate) struct Uploaded {
    pub tensors: Vec<GpuTensor>,
    /// Those of them that are in the computer's memory.
    pub host: HostLayers,
    /// Tensors with non-finite elements, and how many.
    pub non_finite: Vec<(String, usize)>,
}

/// Tensors of a model on a GPU that another one on the same device may read as well.
#[derive(Clone, Default)]
pub struct SharedTensors(pub(crate) Vec<SharedTensor>);

/// One of them.
#[derive(Clone)]
pub(crate) struct SharedTensor {
    /// What the plan needs it to be.
    pub spec: TensorSpec,
    pub tensor: GpuTensor,
}

impl SharedTensors {
    /// The tensor that is this one, in this layout.
    pub(crate) fn find(&self, spec: &TensorSpec, layout: GpuLayout) -> Option<&GpuTensor> {
        let same = |shared: &&SharedTensor| shared.spec == *spec && shared.tensor.shape.layout == layout;
        self.0.iter().find(same).map(|shared| &shared.tensor)
    }
}

/// Uploads every tensor of the plan that is not among the shared ones, to the GPU or to the computer's memory, and tells how
/// many bytes are done from time to time.
pub(crate) fn upload(
    device: &Device,
    plan: &Plan,
    weights: &dyn Weights,
    shared: &SharedTensors,
    streamed: &Streamed,
    progress: &mut Progress<'_>,
) -> Result<Uploaded, LoadError> {
    let infos = weights.tensors();
    let layouts = GpuLayout::of_all(plan, infos);
    let found: Vec<Option<&GpuTensor>> =
        plan.tensors.iter().zip(&layouts).map(|(spec, layout)| shared.find(spec, *layout)).collect();
    let own = plan.tensors.iter().zip(&layouts).zip(&found).filter(|(_, found)| found.is_none());
    let total = own.map(|((spec, layout), _)| layout.bytes(spec.rows, spec.columns)).sum();
    let mut uploader = Uploader::new(device, weights, total, progress)?;
    let mut tensors = Vec::with_capacity(layouts.len());
    for (index, layout) in layouts.into_iter().enumerate() {
        if let Some(shared) = found[index] {
            tensors.push(shared.clone());
            continue;
        }
        let info = &infos[index];
        let place = if streamed.place(TensorId(index)).is_some() { Place::Host } else { Place::Gpu };
        let tensor = GpuTensor::new(device, info, layout, place)?;
        for (rows, shard) in tensor.shape.shards.iter().zip(&tensor.shards) {
            for piece in pieces(info, layout, rows) {
                uploader.add(Piece::new((index, info), layout, (rows.start, shard), piece))?;
            }
        }
        tensors.push(tensor);
    }
    let counts = uploader.finish()?;
    let host = HostLayers::new(device, plan, &mut tensors, streamed)?;
    let names = infos.iter().map(|info| info.name.clone());
    Ok(Uploaded { tensors, host, non_finite: names.zip(counts).filter(|(_, count)| *count > 0).collect() })
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
