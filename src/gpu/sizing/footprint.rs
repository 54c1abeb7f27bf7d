//! How much GPU memory a plan takes: computed before loading, counted after.

use crate::gpu::cache::position_bytes;
use crate::gpu::program::scratch_bytes;
use crate::gpu::program::selection_bytes;
use crate::gpu::weights::{Form, padded};
use crate::model::plan::{BufferSpec, Op, Plan, RowSet};
use crate::model::weights::TensorInfo;

/// Most rows of one pass.
const MOST_ROWS: usize = 256;
/// Bytes that a buffer of logits may take; more rows than fit are computed in several goes.
const LOGITS_BYTES: usize = 16 << 20;

/// GPU memory by purpose, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Weights.
    pub weight_bytes: u64,
    /// Activations of one pass.
    pub scratch_bytes: u64,
    /// KV cache: of a full context when estimated, of what is allocated when counted.
    pub cache_bytes: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weight_bytes.saturating_add(self.scratch_bytes).saturating_add(self.cache_bytes)
    }
}

/// What the plan will take with a full context of `context` positions. `bound[i]` is the index in `tensors`
/// of the plan's tensor i.
pub fn estimate_memory(plan: &Plan, tensors: &[TensorInfo], bound: &[usize], context: usize) -> Memory {
    let forms = Form::of_all(plan, tensors, bound);
    let tensor_bytes = plan.tensors.iter().zip(&forms);
    let weight_bytes = tensor_bytes.map(|(spec, form)| form.bytes(spec.rows, spec.columns)).sum();
    let rows = Rows::of(plan, context);
    let bytes = |buffer: &BufferSpec| 4 * (rows.count(buffer.rows) * padded(buffer.columns)) as u64;
    let scratch_bytes = plan.buffers.iter().map(bytes).sum::<u64>()
        + scratch_bytes(plan, rows.batch).iter().sum::<u64>()
        + selection_bytes(plan.buffer(plan.logits).columns, rows.outputs);
    let a_position: u64 = cache_widths(plan).iter().map(|width| 2 * width).sum();
    Memory { weight_bytes, scratch_bytes, cache_bytes: a_position.saturating_mul(context as u64) }
}

/// Bytes of one position's keys, for each layer.
pub(crate) fn cache_widths(plan: &Plan) -> Vec<u64> {
    let width = |op: &Op| match *op {
        Op::Attention { key_value_heads, head_width, .. } => {
            Some(position_bytes(key_value_heads, head_width, plan.cache_format))
        }
        _ => None,
    };
    plan.ops.iter().filter_map(width).collect()
}

/// How many rows the activation buffers have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub batch: usize,
    pub outputs: usize,
}

impl Rows {
    pub fn of(plan: &Plan, context: usize) -> Self {
        let batch = MOST_ROWS.min(context);
        let row_bytes = 4 * padded(plan.buffer(plan.logits).columns);
        Self { batch, outputs: (LOGITS_BYTES / row_bytes).clamp(1, batch) }
    }

    pub fn count(&self, set: RowSet) -> usize {
        match set {
            RowSet::Batch => self.batch,
            RowSet::Outputs => self.outputs,
        }
    }
}
