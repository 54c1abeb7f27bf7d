//! Which layers of a model stay on the GPU, where it has not room for all of them: computed from headers alone, before
//! loading as well as by it.
//!
//! What is not of a layer, vectors, activations and the cache are always there. Of the layers' matrices as many as the rest
//! holds; those of the others lie in the computer's memory and take turns in a ring of buffers. The layers that cross the
//! bus are spread evenly, so that between any two of them the GPU has as much to compute as can be.

use std::collections::BTreeSet;

use super::footprint::estimate_memory;
use crate::gpu::cache::{CacheLimits, PAGE_POSITIONS, cache_widths, most_positions, most_slots};
use crate::gpu::device::{AdapterInfo, Room, RoomFrom};
use crate::gpu::error::LoadError;
use crate::gpu::weights::{
    Choice, GpuLayout, Streamed, buffer_bytes, expert_choices, layer_matrices, most_rows, ring,
};
use crate::model::plan::Plan;
use crate::model::weights::TensorInfo;
use crate::units::Streaming;

/// Positions that there is room for at least, where that leaves layers on the host: a usual conversation.
const USUAL_POSITIONS: usize = 4096;
/// The fewest positions that are tried.
const FEWEST_POSITIONS: usize = 256;
/// Positions beside those of the longest text: copies of shared pages, and rows that branch off.
const EXTRA_POSITIONS: usize = 8 * PAGE_POSITIONS;
/// Slots of states that there are beside those of one sequence, and the fewest of all.
const EXTRA_SLOTS: usize = 8;
const FEWEST_SLOTS: usize = 6;
/// Share of the memory that states may take, one in so many.
const STATES_SHARE: u64 = 8;
/// What varies from pass to pass, pages on their way, scores and other small buffers.
const SMALL_BYTES: u64 = 2 << 20;

/// Where a model's tensors are to be, and how much the rest of it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Residency {
    pub streamed: Streamed,
    /// What that means; `None` where all is on the GPU.
    pub streaming: Option<Streaming>,
    /// Positions that a text may have.
    pub context: usize,
    pub limits: CacheLimits,
    /// GPU memory that the model takes at most; where nothing limits it, with a usual context.
    pub bytes: u64,
}

/// A model whose memory is counted.
pub(crate) struct SizedModel<'a> {
    pub plan: &'a Plan,
    /// The plan's tensors, in its order.
    pub tensors: &'a [TensorInfo],
    /// Which of them lie on the GPU already, for another model.
    pub shared: Vec<bool>,
    /// Positions that a text may have.
    pub context: usize,
    /// The largest binding of the adapter.
    pub binding_bytes: u64,
}

/// The bytes of a model's own tensors.
struct OwnBytes {
    /// Of those that are always on the GPU.
    fixed: u64,
    /// For each layer with matrices, in order, those of each of their buffers.
    layers: Vec<Vec<u64>>,
    /// For each of them what chooses among the experts of its tensors, with their bytes.
    experts: Vec<Vec<(Choice, u64)>>,
    /// For each tensor its layer's place among those.
    places: Vec<Option<usize>>,
}

impl SizedModel<'_> {
    /// Finds a place for everything.
    pub(crate) fn residency(&self, room: Option<Room>) -> Result<Residency, LoadError> {
        let own = self.own_bytes()?;
        let usual = self.context.min(USUAL_POSITIONS);
        let all_bytes = own.on_gpu(&[]).saturating_add(self.usual_rest(usual, u64::MAX));
        let Some(room) = room else { return Ok(self.unlimited(&own, all_bytes)) };
        let fits = |positions: usize, chosen: &[usize], room: u64| {
            own.on_gpu(chosen).saturating_add(self.usual_rest(positions, room)) <= room
        };
        let bytes = match room.from {
            RoomFrom::Driver if all_bytes <= room.bytes => return Ok(self.unlimited(&own, all_bytes)),
            RoomFrom::Limit if fits(usual, &[], room.bytes) => {
                return Ok(self.within(&own, &[], usual, room.bytes));
            }
            RoomFrom::Limit => room.bytes,
            // The rest is for the driver, for the window and for other programs.
            RoomFrom::Driver => room.bytes / 10 * 9,
        };
        let shorter = |positions: &usize| {
            (*positions > FEWEST_POSITIONS).then(|| (positions / 2).max(FEWEST_POSITIONS))
        };
        for positions in std::iter::successors(Some(usual), shorter) {
            let mut choices = own.choices();
            if let Some(chosen) = choices.find(|chosen| fits(positions, chosen, bytes)) {
                return Ok(self.within(&own, &chosen, positions, bytes));
            }
        }
        let positions = self.context.min(FEWEST_POSITIONS);
        let needed = own.least().saturating_add(self.usual_rest(positions, bytes));
        Err(LoadError::NoRoom { needed, room: bytes, positions })
    }

    /// With nothing but the device itself to limit it.
    fn unlimited(&self, own: &OwnBytes, bytes: u64) -> Residency {
        let (streamed, context, limits) = (own.streamed(&[]), self.context, CacheLimits::NONE);
        Residency { streamed, streaming: None, context, limits, bytes }
    }

    /// In so many bytes, which hold texts of `least` positions at least, with the layers of these places in the computer's memory.
    fn within(&self, own: &OwnBytes, chosen: &[usize], least: usize, room: u64) -> Residency {
        let gpu_bytes = own.on_gpu(chosen);
        let bytes_of = |context: usize, positions: usize| gpu_bytes + self.rest(context, positions, room);
        let context =
            longest(least, self.context, |context| bytes_of(context, context + EXTRA_POSITIONS) <= room);
        let positions = context + EXTRA_POSITIONS;
        let bytes = bytes_of(context, positions);
        // Half of what is left is for more texts, the other half for models beside this one.
        let most = bytes + (room - bytes) / 2;
        let positions = longest(positions, 64 * positions, |positions| bytes_of(context, positions) <= most);
        let streaming = (!chosen.is_empty()).then(|| Streaming {
            layers: own.layers.len(),
            resident_layers: own.layers.len() - chosen.len(),
            bus_bytes: own.bus_bytes(chosen),
            step_bytes: own.step_bytes(chosen),
            gpu_bytes,
        });
        let limits = CacheLimits { positions, state_slots: self.state_slots(room) };
        let bytes = bytes_of(context, positions);
        Residency { streamed: own.streamed(chosen), streaming, context, limits, bytes }
    }

    /// Bytes of all but the weights, with one text of so many positions.
    fn usual_rest(&self, positions: usize, room: u64) -> u64 {
        self.rest(positions, positions + EXTRA_POSITIONS, room)
    }

    /// Bytes of all but the weights, with texts of up to `context` positions, room for `positions` in the cache, and so much memory in
    /// all.
    fn rest(&self, context: usize, positions: usize, room: u64) -> u64 {
        let widths = cache_widths(self.plan);
        let a_position: u64 = widths.iter().map(|width| width.total()).sum();
        // A buffer that grows is there twice for a while.
        let widest = widths.iter().map(|width| width.keys()).max().unwrap_or_default();
        let positions = positions.next_multiple_of(PAGE_POSITIONS) as u64;
        let scratch = estimate_memory(self.plan, self.tensors, context).scratch_bytes;
        let largest_state = self.plan.states.iter().map(|state| 4 * state.elements as u64).max();
        let states = self.plan.state_bytes() + largest_state.unwrap_or_default();
        (a_position + widest)
            .saturating_mul(positions)
            .saturating_add(scratch + SMALL_BYTES)
            .saturating_add(states.saturating_mul(self.state_slots(room) as u64))
    }

    /// Slots of states in a memory of so many bytes.
    fn state_slots(&self, room: u64) -> usize {
        let most = most_slots(self.plan) + EXTRA_SLOTS;
        let share = (room / STATES_SHARE).checked_div(self.plan.state_bytes());
        share.map_or(most, |slots| most.min(slots as usize)).max(FEWEST_SLOTS)
    }

    fn own_bytes(&self) -> Result<OwnBytes, LoadError> {
        let layouts = GpuLayout::of_all(self.plan, self.tensors);
        let layer_of = layer_matrices(self.plan, &layouts);
        let own = |index: &usize| !self.shared[*index];
        let numbers: BTreeSet<usize> =
            (0..layer_of.len()).filter(own).filter_map(|index| layer_of[index]).collect();
        let place = |layer| numbers.iter().position(|number| *number == layer);
        let choices = expert_choices(self.plan);
        let mut bytes = OwnBytes {
            fixed: 0,
            layers: vec![Vec::new(); numbers.len()],
            experts: vec![Vec::new(); numbers.len()],
            places: vec![None; self.tensors.len()],
        };
        for index in (0..self.tensors.len()).filter(own) {
            let buffers = buffer_bytes(&self.tensors[index], layouts[index], self.binding_bytes)?;
            bytes.places[index] = layer_of[index].and_then(place);
            match bytes.places[index] {
                Some(place) => {
                    let experts = choices[index].map(|choice| (choice, buffers.iter().sum()));
                    bytes.experts[place].extend(experts);
                    bytes.layers[place].extend(buffers);
                }
                None => bytes.fixed += buffers.iter().sum::<u64>(),
            }
        }
        Ok(bytes)
    }
}

impl OwnBytes {
    /// Bytes on the GPU while the layers of these places are not: with their ring.
    fn on_gpu(&self, chosen: &[usize]) -> u64 {
        let on_host: Vec<Vec<u64>> = chosen.iter().map(|&place| self.layers[place].clone()).collect();
        let all: u64 = self.layers.iter().flatten().sum();
        let moved: u64 = on_host.iter().flatten().sum();
        self.fixed + all - moved + ring(&on_host).iter().flatten().sum::<u64>()
    }

    /// Bytes of the layers of these places.
    fn bus_bytes(&self, chosen: &[usize]) -> u64 {
        chosen.iter().flat_map(|&place| &self.layers[place]).sum()
    }

    /// Those of them that one row takes at most; `None` where that is all of them.
    fn step_bytes(&self, chosen: &[usize]) -> Option<u64> {
        let layers = chosen.iter().filter_map(|&place| {
            let experts = &self.experts[place];
            let choice = Choice::of_layer(experts.iter().map(|(choice, _)| *choice))?;
            Some((choice, experts.iter().map(|(_, bytes)| bytes).sum()))
        });
        let layers: Vec<(Choice, u64)> = layers.collect();
        let left = layers.iter().map(|(choice, bytes)| bytes - choice.bytes_of_a_row(*bytes));
        (most_rows(&layers) > 0).then(|| self.bus_bytes(chosen) - left.sum::<u64>())
    }

    /// The layers that could be in the computer's memory: one, two, up to all of them.
    fn choices(&self) -> impl Iterator<Item = Vec<usize>> + use<> {
        let all = self.layers.len();
        (1..=all).map(move |count| spread(count, all))
    }

    /// Bytes on the GPU while as little of them is there as can be.
    fn least(&self) -> u64 {
        self.choices().map(|chosen| self.on_gpu(&chosen)).fold(self.on_gpu(&[]), u64::min)
    }

    fn streamed(&self, chosen: &[usize]) -> Streamed {
        let place = |layer: &Option<usize>| chosen.iter().position(|chosen| Some(*chosen) == *layer);
        Streamed { places: self.places.iter().map(place).collect(), layers: chosen.len() }
    }
}

/// How a model would lie on an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which layers would stay in the computer's memory; `None` where all would be on the GPU.
    pub streaming: Option<Streaming>,
    /// Positions that a text could have.
    pub context: usize,
    /// GPU memory that it would take, with such a text.
    pub bytes: u64,
}

/// Places a model on an adapter, within a limit on its memory if there is one. `tensors` are the plan's, in its order.
pub fn place(
    plan: &Plan,
    tensors: &[TensorInfo],
    context: usize,
    adapter: &AdapterInfo,
    limit: Option<u64>,
) -> Result<Placed, LoadError> {
    let context = context.min(most_positions(adapter.binding_bytes, &cache_widths(plan))).max(1);
    let shared = vec![false; tensors.len()];
    let sized = SizedModel { plan, tensors, shared, context, binding_bytes: adapter.binding_bytes };
    let Residency { streaming, context, bytes, .. } = sized.residency(adapter.room(limit))?;
    Ok(Placed { streaming, context, bytes })
}

/// GPU memory that a model takes with a usual context, whatever there is.
pub fn usual_memory(plan: &Plan, tensors: &[TensorInfo], context: usize) -> Result<u64, LoadError> {
    let shared = vec![false; tensors.len()];
    let sized = SizedModel { plan, tensors, shared, context, binding_bytes: u64::MAX };
    Ok(sized.residency(None)?.bytes)
}

/// GPU memory with which a model runs at all: with a short context, and its layers in the computer's memory.
pub fn least_memory(plan: &Plan, tensors: &[TensorInfo], context: usize) -> Result<u64, LoadError> {
    let shared = vec![false; tensors.len()];
    let sized = SizedModel { plan, tensors, shared, context, binding_bytes: u64::MAX };
    let (positions, least) = (context.min(FEWEST_POSITIONS), sized.own_bytes()?.least());
    let needed = |room: u64| least.saturating_add(sized.usual_rest(positions, room));
    // The more memory there is, the more of it goes to states, up to a number of them.
    let mut room = needed(0);
    while needed(room) > room {
        room = needed(room);
    }
    Ok(room)
}

/// So many of `all` places, spread evenly; the last one is among them, the first one only if all are.
fn spread(count: usize, all: usize) -> Vec<usize> {
    (1..=count).map(|number| number * all / count - 1).collect()
}

/// The largest number from `least` to `most` for which something holds, as it does for `least`.
fn longest(least: usize, most: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut holding, mut above) = (least, most.max(least) + 1);
    while above - holding > 1 {
        let middle = holding + (above - holding) / 2;
        if holds(middle) {
            holding = middle;
        } else {
            above = middle;
        }
    }
    holding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_spread_evenly_and_the_last_is_among_them() {
        assert_eq!(spread(1, 8), [7]);
        assert_eq!(spread(2, 8), [3, 7]);
        assert_eq!(spread(3, 8), [1, 4, 7]);
        assert_eq!(spread(8, 8), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn the_longest_is_found_at_both_ends() {
        assert_eq!(longest(3, 10, |number| number <= 7), 7);
        assert_eq!(longest(3, 10, |_| true), 10);
        assert_eq!(longest(3, 10, |number| number <= 3), 3);
        assert_eq!(longest(3, 1, |_| true), 3);
    }
}
