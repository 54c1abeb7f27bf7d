//! How much GPU memory a plan takes: computed before loading, counted after.

use crate::gpu::cache::{cache_widths, most_slots};
use crate::gpu::pass::Rows;
use crate::gpu::program::{scratch_bytes, selection_bytes};
use crate::gpu::weights::GpuLayout;
use crate::model::plan::Plan;
use crate::model::weights::TensorInfo;

/// GPU memory by purpose, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Weights.
    pub weight_bytes: u64,
    /// Activations of one pass.
    pub scratch_bytes: u64,
    /// KV cache: of a full context when estimated, of what is allocated when counted.
    pub cache_bytes: u64,
    /// States beside it: of one sequence with all checkpoints that it may keep when estimated, of what is allocated when
    /// counted.
    pub state_bytes: u64,
}

impl Memory {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weight_bytes
            .saturating_add(self.scratch_bytes)
            .saturating_add(self.cache_bytes)
            .saturating_add(self.state_bytes)
    }
}

/// What the plan will take with a full context of `context` positions. `tensors` are the plan's,
/// in its order.
pub fn estimate_memory(plan: &Plan, tensors: &[TensorInfo], context: usize) -> Memory {
    let layouts = GpuLayout::of_all(plan, tensors);
    let tensor_bytes = plan.tensors.iter().zip(&layouts);
    let weight_bytes = tensor_bytes.map(|(spec, layout)| layout.bytes(spec.rows, spec.columns)).sum();
    let rows = Rows::of(plan, context);
    let activations = plan.buffers.iter().map(|buffer| rows.buffer_bytes(buffer));
    let scratch_bytes = activations.sum::<u64>()
        + scratch_bytes(plan, rows.batch).iter().sum::<u64>()
        + selection_bytes(plan.buffer(plan.logits).columns, rows.outputs);
    let a_position: u64 = cache_widths(plan).iter().map(|width| width.total()).sum();
    Memory {
        weight_bytes,
        scratch_bytes,
        cache_bytes: a_position.saturating_mul(context as u64),
        state_bytes: most_slots(plan) as u64 * plan.state_bytes(),
    }
}
