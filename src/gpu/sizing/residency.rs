//! Which layers of a model stay on the GPU, where it has not room for all of them: computed from headers alone, before
//! loading as well as by it.
//!
//! What is not of a layer, vectors, activations and the cache are always there. Of the layers' matrices as many as the rest
//! holds; those of the others lie in the computer's memory and take turns in a ring of buffers. The layers that cross the
//! bus are spread evenly, so that between any two of them the GPU has as much to compute as can be.

use super::footprint::estimate_memory;
use crate::gpu::cache::{CacheLimits, PAGE_POSITIONS, cache_widths, most_positions, most_slots};
use crate::gpu::device::{AdapterInfo, Room, RoomFrom};
use crate::gpu::error::LoadError;
use crate::gpu::weights::{GpuLayout, Streamed, buffer_bytes, layer_matrices, ring};
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
pub(crate) struct Sized<'a> {
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
struct Weights {
    /// Of those that are always on the GPU.
    fixed: u64,
    /// The layers that have matrices, in order: the number, and the bytes of each of their buffers.
    layers: Vec<(usize, Vec<u64>)>,
    /// For each tensor its layer's place in that list.
    places: Vec<Option<usize>>,
}

impl Sized<'_> {
    /// Finds a place for everything.
    pub(crate) fn residency(&self, room: Option<Room>) -> Result<Residency, LoadError> {
        let weights = self.weights()?;
        let everything = Streamed { places: vec![None; self.tensors.len()], layers: 0 };
        let usual = self.context.min(USUAL_POSITIONS);
        let all_bytes = weights.on_gpu(&[]);
        let Some(room) = room else {
            return Ok(
                self.unlimited(everything, all_bytes + self.rest(usual, usual + EXTRA_POSITIONS, u64::MAX))
            );
        };
        let fits = |positions: usize, weight_bytes: u64, room: u64| {
            weight_bytes + self.rest(positions, positions + EXTRA_POSITIONS, room) <= room
        };
        if fits(usual, all_bytes, room.bytes) {
            return Ok(match room.from {
                RoomFrom::Limit => self.within(&weights, everything, &[], usual, room.bytes),
                RoomFrom::Driver => {
                    let rest = self.rest(usual, usual + EXTRA_POSITIONS, u64::MAX);
                    self.unlimited(everything, all_bytes + rest)
                }
            });
        }
        let bytes = match room.from {
            RoomFrom::Limit => room.bytes,
            // The driver's own needs, and those of the window and of other programs.
            RoomFrom::Driver => room.bytes / 10 * 9,
        };
        let mut positions = usual;
        loop {
            let count = (1..=weights.layers.len())
                .find(|&count| fits(positions, weights.on_gpu(&spread(count, weights.layers.len())), bytes));
            if let Some(count) = count {
                let chosen = spread(count, weights.layers.len());
                return Ok(self.within(&weights, weights.streamed(&chosen), &chosen, positions, bytes));
            }
            if positions <= FEWEST_POSITIONS {
                break;
            }
            positions = (positions / 2).max(FEWEST_POSITIONS);
        }
        let needed = weights.least() + self.rest(positions, positions + EXTRA_POSITIONS, bytes);
        Err(LoadError::NoRoom { needed, room: bytes, positions })
    }

    /// With nothing but the device itself to limit it.
    fn unlimited(&self, streamed: Streamed, bytes: u64) -> Residency {
        let (context, limits) = (self.context, CacheLimits::NONE);
        Residency { streamed, streaming: None, context, limits, bytes }
    }

    /// In so many bytes, which hold texts of `least` positions at least.
    fn within(
        &self,
        weights: &Weights,
        streamed: Streamed,
        chosen: &[usize],
        least: usize,
        room: u64,
    ) -> Residency {
        let gpu_bytes = weights.on_gpu(chosen);
        let bytes_of = |context: usize, positions: usize| gpu_bytes + self.rest(context, positions, room);
        let context =
            longest(least, self.context, |context| bytes_of(context, context + EXTRA_POSITIONS) <= room);
        let positions = context + EXTRA_POSITIONS;
        let bytes = bytes_of(context, positions);
        // Half of what is left is for more texts, the other half for models beside this one.
        let most = bytes + (room - bytes) / 2;
        let positions = longest(positions, 64 * positions, |positions| bytes_of(context, positions) <= most);
        let streaming = (!chosen.is_empty()).then(|| Streaming {
            layers: weights.layers.len(),
            resident_layers: weights.layers.len() - chosen.len(),
            bus_bytes: chosen.iter().flat_map(|&layer| &weights.layers[layer].1).sum(),
            gpu_bytes,
        });
        let limits = CacheLimits { positions, state_slots: self.state_slots(room) };
        Residency { streamed, streaming, context, limits, bytes: bytes_of(context, positions) }
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

    fn weights(&self) -> Result<Weights, LoadError> {
        let layouts = GpuLayout::of_all(self.plan, self.tensors);
        let layer_of = layer_matrices(self.plan, &layouts);
        let mut weights = Weights { fixed: 0, layers: Vec::new(), places: vec![None; self.tensors.len()] };
        let mut numbers: Vec<usize> = layer_of
            .iter()
            .zip(&self.shared)
            .filter(|(_, shared)| !**shared)
            .filter_map(|(layer, _)| *layer)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        weights.layers = numbers.into_iter().map(|number| (number, Vec::new())).collect();
        for (index, (info, layout)) in self.tensors.iter().zip(layouts).enumerate() {
            if self.shared[index] {
                continue;
            }
            let buffers = buffer_bytes(info, layout, self.binding_bytes)?;
            let place = layer_of[index]
                .and_then(|layer| weights.layers.iter().position(|(number, _)| *number == layer));
            match place {
                Some(place) => weights.layers[place].1.extend(buffers),
                None => weights.fixed += buffers.iter().sum::<u64>(),
            }
            weights.places[index] = place;
        }
        Ok(weights)
    }
}

impl Weights {
    /// Bytes on the GPU while these layers, by their places, are not: with their ring.
    fn on_gpu(&self, chosen: &[usize]) -> u64 {
        let buffers = |place: usize| self.layers[place].1.clone();
        let on_host: Vec<Vec<u64>> = chosen.iter().map(|&place| buffers(place)).collect();
        let all: u64 = self.layers.iter().flat_map(|(_, buffers)| buffers).sum();
        let moved: u64 = on_host.iter().flatten().sum();
        self.fixed + all - moved + ring(&on_host).iter().flatten().sum::<u64>()
    }

    /// Bytes on the GPU while as little of them is there as can be.
    fn least(&self) -> u64 {
        let all = self.layers.len();
        (0..=all).map(|count| self.on_gpu(&spread(count, all))).min().unwrap_or(self.fixed)
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
    let sized = Sized { plan, tensors, shared, context, binding_bytes: adapter.binding_bytes };
    let Residency { streaming, context, bytes, .. } = sized.residency(adapter.room(limit))?;
    Ok(Placed { streaming, context, bytes })
}

/// GPU memory that a model takes with a usual context, whatever there is.
pub fn usual_memory(plan: &Plan, tensors: &[TensorInfo], context: usize) -> Result<u64, LoadError> {
    let shared = vec![false; tensors.len()];
    let sized = Sized { plan, tensors, shared, context, binding_bytes: u64::MAX };
    Ok(sized.residency(None)?.bytes)
}

/// GPU memory with which a model runs at all: with a short context, and its layers in the computer's memory.
pub fn least_memory(plan: &Plan, tensors: &[TensorInfo], context: usize) -> Result<u64, LoadError> {
    let shared = vec![false; tensors.len()];
    let sized = Sized { plan, tensors, shared, context, binding_bytes: u64::MAX };
    let positions = context.min(FEWEST_POSITIONS);
    Ok(sized.weights()?.least() + sized.rest(positions, positions + EXTRA_POSITIONS, 0))
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
