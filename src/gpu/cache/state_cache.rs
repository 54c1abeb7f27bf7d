//! The bytes of states: for each state of the plan one buffer of slots, f32.

use super::buffer::{buffer, enlarge};
use super::state_table::States;
use crate::gpu::device::Device;
use crate::model::ModelError;
use crate::model::plan::Plan;

/// What the buffers are, for messages.
const WHAT: &str = "states";
/// Bytes that checkpoints may take, as long as they are at least [`LEAST_SPARE`].
const CHECKPOINT_BYTES: u64 = 128 << 20;
/// Checkpoints that there may be whatever they take.
const LEAST_SPARE: usize = 2;
/// More are of no use.
const MOST_SPARE: usize = 256;
/// Slots that there are at first: the empty state, and one to go on from the other.
const FIRST_SLOTS: usize = 3;

/// The states of all sequences.
pub(crate) struct StateCache {
    pub table: States,
    /// By [`crate::model::plan::StateId`].
    pub buffers: Vec<wgpu::Buffer>,
    /// Bytes of one slot of each.
    widths: Vec<u64>,
    /// Slots that there may be.
    most: usize,
}

/// Checkpoints that a model's sequences may keep together, beside the newest state of each.
fn spare_slots(plan: &Plan) -> usize {
    match plan.state_bytes() {
        0 => 0,
        bytes => {
            usize::try_from(CHECKPOINT_BYTES / bytes).unwrap_or(MOST_SPARE).clamp(LEAST_SPARE, MOST_SPARE)
        }
    }
}

/// Slots that one sequence of a plan takes at most: its newest state, the next one, checkpoints, and the empty state.
pub(crate) fn most_slots(plan: &Plan) -> usize {
    3 + spare_slots(plan)
}

impl StateCache {
    /// Room for the first few states of a plan, to grow to `most`; for none where it has none.
    pub(crate) fn new(device: &Device, plan: &Plan, most: usize) -> Result<Self, ModelError> {
        let widths: Vec<u64> = plan.states.iter().map(|state| 4 * state.elements as u64).collect();
        let limit = widths.iter().max().and_then(|&widest| device.binding_limit().checked_div(widest));
        let limit = most.min(limit.map_or(usize::MAX, |limit| limit as usize));
        let mut table = States::new(spare_slots(plan), limit);
        table.grow(FIRST_SLOTS);
        let slots = table.capacity() as u64;
        let buffers =
            widths.iter().map(|width| buffer(device, WHAT, width * slots)).collect::<Result<_, _>>()?;
        Ok(Self { table, buffers, widths, most: limit })
    }

    /// Whether the model has states at all.
    pub(crate) fn exists(&self) -> bool {
        !self.buffers.is_empty()
    }

    /// Makes room for so many slots, and keeps what there is. As [`super::Cache::grow`] when it fails.
    pub(crate) fn grow(&mut self, device: &Device, total: usize) -> Result<(), ModelError> {
        let old = self.table.capacity() as u64;
        if total > self.most {
            return Err(ModelError::OutOfMemory { what: "the states of so many sequences".to_owned() });
        }
        for (buffer, width) in self.buffers.iter_mut().zip(&self.widths) {
            enlarge(device, buffer, WHAT, width * total as u64, width * old)?;
        }
        self.table.grow(total);
        Ok(())
    }

    /// Bytes of all slots, as allocated now.
    pub(crate) fn bytes(&self) -> u64 {
        self.buffers.iter().map(wgpu::Buffer::size).sum()
    }

    /// Bytes of one slot: all states of one sequence.
    pub(crate) fn slot_bytes(&self) -> u64 {
        self.widths.iter().sum()
    }
}
