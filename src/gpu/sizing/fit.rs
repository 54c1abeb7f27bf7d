//! Whether a model fits an adapter, by the limits that its driver reports: no device is opened for it, and nothing
//! is allocated.

use serde::Serialize;

use super::footprint::estimate_memory;
use crate::gpu::cache::{cache_widths, most_positions};
use crate::gpu::device::AdapterInfo;
use crate::gpu::pass::Rows;
use crate::gpu::weights::{GpuLayout, least_shard_bytes, most_shard_bytes};
use crate::model::plan::{BufferSpec, Plan};
use crate::model::weights::TensorInfo;

/// How much of a model an adapter can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// Longest context, in positions, with which each layer's keys fit one binding; the engine shortens contexts to it.
    pub binding_positions: usize,
    /// Longest context, in positions, with which everything together is no larger than the device's memory, or than
    /// what is allowed of it: 0 where not even one position is. `None` where neither is known.
    pub memory_positions: Option<usize>,
    /// What is too large for one binding. Loading fails by it.
    pub too_large: Vec<TooLarge>,
}

/// Something that needs more bytes in one binding than the adapter allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TooLarge {
    /// Canonical name of the tensor, or what the activations are.
    pub what: String,
    /// Bytes that have to be in one binding.
    pub bytes: u64,
}

impl Fit {
    /// Compares a plan with an adapter. `tensors` are the plan's, in its order; no context is longer than
    /// `context`.
    pub fn of(plan: &Plan, tensors: &[TensorInfo], context: usize, adapter: &AdapterInfo) -> Self {
        let binding_positions = context.min(most_positions(adapter.binding_bytes, &cache_widths(plan)));
        let memory_positions =
            adapter.memory_bytes.map(|bytes| memory_positions(plan, tensors, context, bytes));
        let most_weights = most_shard_bytes(adapter.binding_bytes);
        let layouts = GpuLayout::of_all(plan, tensors);
        let weights = tensors.iter().zip(layouts).map(|(tensor, layout)| TooLarge {
            what: tensor.name.clone(),
            bytes: least_shard_bytes(tensor, layout),
        });
        let rows = Rows::of(plan, binding_positions.max(1));
        let activations = plan.buffers.iter().map(|buffer: &BufferSpec| TooLarge {
            what: format!("activations ({})", buffer.name),
            bytes: rows.buffer_bytes(buffer),
        });
        let too_large = weights
            .filter(|tensor| tensor.bytes > most_weights)
            .chain(activations.filter(|buffer| buffer.bytes > adapter.binding_bytes))
            .collect();
        Self { binding_positions, memory_positions, too_large }
    }

    /// The longest context that the adapter can hold, in positions.
    pub fn context(&self) -> usize {
        self.memory_positions
            .map_or(self.binding_positions, |positions| positions.min(self.binding_positions))
    }
}

/// The most positions, up to `context`, with which everything takes at most `bytes`.
fn memory_positions(plan: &Plan, tensors: &[TensorInfo], context: usize, bytes: u64) -> usize {
    let fits = |positions| estimate_memory(plan, tensors, positions).total() <= bytes;
    // The need grows with the positions: halve the span between what fits and what does not.
    let (mut fitting, mut above) = (0, context + 1);
    while above - fitting > 1 {
        let middle = fitting + (above - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            above = middle;
        }
    }
    fitting
}
