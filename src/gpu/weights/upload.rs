//! Bringing a plan's tensors to the GPU.
//!
//! They stream there from the source: there is never a second whole copy in memory.

use std::ops::Range;

use super::layout::{Form, ROW_BLOCK};
use super::staging::{Piece, Uploader};
use super::tensor::{GpuTensor, Shard, shards};
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
    /// Tensors with elements that are no finite number, and how many.
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
    let forms = Form::of_all(plan, infos);
    let total = plan.tensors.iter().zip(&forms).map(|(spec, form)| form.bytes(spec.rows, spec.columns)).sum();
    let mut uploader = Uploader::new(device, weights, total, progress)?;
    let mut tensors = Vec::with_capacity(forms.len());
    for (index, form) in forms.into_iter().enumerate() {
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
