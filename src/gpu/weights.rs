//! Weights on the GPU: matrices in their stored precision, in shards of rows that fit one binding; vectors and
//! position tables as f32. Rows of matrices are padded with zeros to units of 16 bytes, vectors to 32 elements.
//!
//! They are uploaded in slices straight from the source: there is never a second whole copy in memory.

use std::ops::{ControlFlow, Range};

use wgpu::BufferUsages;

use super::device::Device;
use super::engine::LoadError;
use crate::model::plan::{Op, Plan};
use crate::model::weights::TensorInfo;
use crate::model::{ModelError, WeightFormat, Weights};

/// Bytes read and uploaded at a time.
const SLICE_BYTES: usize = 8 << 20;
/// Rows that stay together in a shard, and that its rows are padded to: four of a gate and their four of up.
const ROW_BLOCK: usize = 8;
/// Largest shard: kernels count blocks in u32, and several drivers cap buffers at 2 GiB.
const SHARD_BYTES: u64 = 1 << 30;

/// A tensor on the GPU.
pub(super) struct GpuTensor {
    /// How the kernels read it.
    pub form: Form,
    /// Its rows, in order; a vector is one shard.
    pub shards: Vec<Shard>,
}

/// Hears bytes done and bytes in all; its answer may end the loading.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// Some consecutive rows of a tensor.
pub(super) struct Shard {
    pub buffer: wgpu::Buffer,
    pub rows: Range<usize>,
}

/// How the kernels read a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In its stored precision, through the format's reader.
    Matrix(WeightFormat),
    /// As f32: norm weights, biases, position tables.
    Vector,
}

/// Columns of an activation row or a vector with padding: every unit of weights has its inputs.
pub(super) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(32)
}

/// Elements of a weight row with padding to whole units of 16 bytes.
pub(super) fn padded_row(format: WeightFormat, columns: usize) -> usize {
    columns.next_multiple_of(16 / format.bytes(1))
}

impl Form {
    /// How the plan's ops read each of its tensors.
    pub fn of_all(plan: &Plan, tensors: &[TensorInfo], bound: &[usize]) -> Vec<Self> {
        let mut forms = vec![Self::Vector; plan.tensors.len()];
        for op in &plan.ops {
            if let Op::Embed { table: tensor, .. } | Op::Linear { weight: tensor, .. } = op {
                forms[tensor.0] = match tensors[bound[tensor.0]].format {
                    // No kernel reads blocks yet.
                    WeightFormat::Q8_0 | WeightFormat::Q4_0 => Self::Matrix(WeightFormat::F32),
                    plain => Self::Matrix(plain),
                };
            }
        }
        forms
    }

    /// Bytes of `rows` rows on the GPU, with the padding after them.
    pub fn bytes(self, rows: usize, columns: usize) -> u64 {
        let rows = match self {
            Self::Matrix(_) => rows.next_multiple_of(ROW_BLOCK),
            Self::Vector => rows,
        };
        self.row_bytes(columns) * rows as u64
    }

    /// Bytes of a row on the GPU.
    pub fn row_bytes(self, columns: usize) -> u64 {
        let bytes = match self {
            Self::Matrix(format) => format.bytes(padded_row(format, columns)),
            Self::Vector => 4 * padded(columns),
        };
        bytes as u64
    }
}

/// Tensors on the GPU, and what was odd about them.
pub(super) struct Uploaded {
    pub tensors: Vec<GpuTensor>,
    /// Tensors with elements that are no finite number, and how many.
    pub non_finite: Vec<(String, usize)>,
}

/// Uploads every tensor of the plan, and tells how many bytes are done after each slice.
pub(super) fn upload(
    device: &Device,
    plan: &Plan,
    weights: &dyn Weights,
    bound: &[usize],
    progress: &mut Progress<'_>,
) -> Result<Uploaded, LoadError> {
    let forms = Form::of_all(plan, weights.tensors(), bound);
    let sizes = plan.tensors.iter().zip(&forms);
    let total = sizes.map(|(spec, form)| form.row_bytes(spec.columns) * spec.rows as u64).sum();
    let mut uploader = Uploader { device, weights, done: 0, total, progress, non_finite: Vec::new() };
    let tensors = bound.iter().zip(forms).map(|(&index, form)| uploader.tensor(index, form));
    Ok(Uploaded { tensors: tensors.collect::<Result<_, _>>()?, non_finite: uploader.non_finite })
}

struct Uploader<'a> {
    device: &'a Device,
    weights: &'a dyn Weights,
    done: u64,
    total: u64,
    progress: &'a mut Progress<'a>,
    non_finite: Vec<(String, usize)>,
}

impl Uploader<'_> {
    fn tensor(&mut self, index: usize, form: Form) -> Result<GpuTensor, LoadError> {
        let info = &self.weights.tensors()[index];
        let row_bytes = form.row_bytes(info.columns);
        let most_bytes = self.device.binding_limit().min(SHARD_BYTES);
        let shard_rows = match form {
            Form::Matrix(_) => (most_bytes / row_bytes) as usize / ROW_BLOCK * ROW_BLOCK,
            Form::Vector if row_bytes * info.rows as u64 <= most_bytes => info.rows,
            Form::Vector => 0,
        };
        if shard_rows == 0 {
            return Err(LoadError::TensorTooLarge {
                tensor: info.name.clone(),
                bytes: row_bytes * info.rows as u64,
                limit: most_bytes,
            });
        }
        self.non_finite.push((info.name.clone(), 0));
        let mut shards = Vec::new();
        let mut first = 0;
        while first < info.rows {
            let rows = first..info.rows.min(first + shard_rows);
            shards.push(self.shard(index, form, rows.clone())?);
            first = rows.end;
        }
        self.non_finite.pop_if(|(_, count)| *count == 0);
        Ok(GpuTensor { form, shards })
    }

    fn shard(&mut self, index: usize, form: Form, rows: Range<usize>) -> Result<Shard, LoadError> {
        let info = &self.weights.tensors()[index];
        let row_bytes = form.row_bytes(info.columns);
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let name = format!("the weights ({})", info.name);
        let buffer = self.device.buffer(&name, form.bytes(rows.len(), info.columns), usage)?;
        let slice_rows = (SLICE_BYTES / row_bytes as usize).max(1);
        let mut first = rows.start;
        while first < rows.end {
            let slice = first..rows.end.min(first + slice_rows);
            let stored = self.weights.read(index, slice.clone())?;
            if let Some((_, count)) = self.non_finite.last_mut() {
                *count += info.format.count_non_finite(&stored);
            }
            let offset = (first - rows.start) as u64 * row_bytes;
            let bytes = in_form(&stored, info, form);
            self.device.queue.write_buffer(&buffer, offset, &bytes);
            // Staging memory is freed only when what used it has been submitted and done.
            self.device.queue.submit([]);
            self.device.wait()?;
            self.done += bytes.len() as u64;
            if (self.progress)(self.done, self.total).is_break() {
                return Err(LoadError::Stopped);
            }
            first = slice.end;
        }
        Ok(Shard { buffer, rows })
    }
}

/// Stored rows as the kernels want them; borrowed where nothing changes.
fn in_form<'a>(stored: &'a [u8], info: &TensorInfo, form: Form) -> std::borrow::Cow<'a, [u8]> {
    let widened = match form {
        Form::Vector | Form::Matrix(WeightFormat::F32) if info.format != WeightFormat::F32 => {
            bytemuck::cast_slice(&info.format.decode(stored)).to_vec().into()
        }
        _ => std::borrow::Cow::Borrowed(stored),
    };
    let row_bytes = form.row_bytes(info.columns) as usize;
    let stored_bytes = match form {
        Form::Matrix(format) => format.bytes(info.columns),
        Form::Vector => 4 * info.columns,
    };
    if stored_bytes == row_bytes {
        return widened;
    }
    let mut bytes = Vec::with_capacity(widened.len() / stored_bytes * row_bytes);
    for row in widened.chunks_exact(stored_bytes) {
        bytes.extend_from_slice(row);
        bytes.resize(bytes.len() + row_bytes - stored_bytes, 0);
    }
    bytes.into()
}

impl From<ModelError> for LoadError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}
