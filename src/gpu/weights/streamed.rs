//! Layers whose matrices stay in the computer's memory, and the ring of buffers on the GPU that they take turns in.
//!
//! They lie in the computer's memory as the kernels read them: a pass copies, and converts nothing. A slot of the ring has
//! a buffer for each of a layer's; where layers differ, the largest ones of each share the largest one of the slot, and so
//! on, so that a slot takes hardly more than its largest layer.

use std::cell::Cell;
use std::cmp::Reverse;
use std::ops::Range;

use wgpu::wgt::BufferTransition;
use wgpu::{BufferUsages, BufferUses, CommandEncoder};

use super::layout::GpuLayout;
use super::tensor::{GpuTensor, TensorShape};
use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::model::plan::{Op, Plan, TensorId};
use crate::model::weights::TensorInfo;

/// Slots of a ring: one is computed with while the other is filled.
const SLOTS: usize = 2;

/// Which of a plan's tensors stay in the computer's memory: for each of them its layer's place among those that do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Streamed {
    /// By tensor.
    pub places: Vec<Option<usize>>,
    /// How many layers there are.
    pub layers: usize,
}

/// The layers in the computer's memory, and their ring.
#[derive(Default)]
pub(crate) struct HostLayers {
    pub streamed: Streamed,
    /// What brings them to the GPU, layer by layer.
    pub copies: Vec<BusCopy>,
    /// The copies of each layer.
    pub layers: Vec<Range<usize>>,
    /// Bytes of the ring.
    pub ring_bytes: u64,
    /// The place of the layer that each slot holds now, as commands were submitted.
    held: Vec<Cell<Option<usize>>>,
}

/// A buffer in the computer's memory, and where its bytes go.
pub(crate) struct BusCopy {
    /// The tensor that it is of.
    pub tensor: TensorId,
    pub from: wgpu::Buffer,
    pub to: wgpu::Buffer,
    pub bytes: u64,
}

impl Streamed {
    /// How many slots so many layers take turns in.
    pub(crate) fn slots(layers: usize) -> usize {
        layers.min(SLOTS)
    }

    /// The slot that the layer of a place goes to.
    fn slot(&self, place: usize) -> usize {
        place % Self::slots(self.layers).max(1)
    }

    /// The place of a tensor's layer; `None` where the tensor is on the GPU.
    pub(crate) fn place(&self, tensor: TensorId) -> Option<usize> {
        self.places.get(tensor.0).copied().flatten()
    }

    /// Whether an op's weights share no buffers with those of another op: they are on the GPU, or of one of the first layers.
    pub(crate) fn is_apart(&self, op: &Op) -> bool {
        self.place_of(op).is_none_or(|place| place < Self::slots(self.layers))
    }

    /// The place of the layer whose tensors an op reads, as far as they are in the computer's memory.
    pub(crate) fn place_of(&self, op: &Op) -> Option<usize> {
        op.tensors().find_map(|tensor| self.place(tensor))
    }
}

/// The matrices that can stay in the computer's memory, each with its layer: those that ops of one layer read and no
/// others. Vectors are small, and read by more than kernels.
pub(crate) fn layer_matrices(plan: &Plan, layouts: &[GpuLayout]) -> Vec<Option<usize>> {
    /// Who reads a tensor.
    #[derive(Clone, Copy, PartialEq)]
    enum Readers {
        Nobody,
        Layer(usize),
        Others,
    }
    let mut readers = vec![Readers::Nobody; plan.tensors.len()];
    for (op, layer) in plan.ops.iter().zip(plan.layers()) {
        let reader = layer.map_or(Readers::Others, Readers::Layer);
        for tensor in op.tensors() {
            let known = &mut readers[tensor.0];
            *known = if [Readers::Nobody, reader].contains(known) { reader } else { Readers::Others };
        }
    }
    let of_layer = |(readers, layout): (Readers, &GpuLayout)| match (readers, layout) {
        (Readers::Layer(layer), GpuLayout::Matrix(_)) => Some(layer),
        _ => None,
    };
    readers.into_iter().zip(layouts).map(of_layer).collect()
}

/// Bytes of each buffer of a ring, by slot, for layers whose buffers have so many bytes.
pub(crate) fn ring(layers: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let mut slots = vec![Vec::new(); Streamed::slots(layers.len())];
    let count = slots.len().max(1);
    for (place, buffers) in layers.iter().enumerate() {
        let slot: &mut Vec<u64> = &mut slots[place % count];
        let mut buffers = buffers.clone();
        buffers.sort_by_key(|bytes| Reverse(*bytes));
        slot.resize(slot.len().max(buffers.len()), 0);
        slot.iter_mut().zip(buffers).for_each(|(largest, bytes)| *largest = bytes.max(*largest));
    }
    slots
}

/// Bytes of the buffers of a tensor.
pub(crate) fn buffer_bytes(
    info: &TensorInfo,
    layout: GpuLayout,
    binding_bytes: u64,
) -> Result<Vec<u64>, LoadError> {
    let shape = TensorShape::of(info, layout, binding_bytes)?;
    let buffers = shape.buffer_bytes(info.columns);
    Ok(buffers.flat_map(|(rows, scales)| std::iter::once(rows).chain(scales)).collect())
}

impl HostLayers {
    /// Makes the ring for the tensors that lie in the computer's memory, which become views of it.
    pub(super) fn new(
        device: &Device,
        tensors: &mut [GpuTensor],
        streamed: &Streamed,
    ) -> Result<Self, LoadError> {
        let mut layers: Vec<Vec<(TensorId, &mut wgpu::Buffer)>> = Vec::new();
        layers.resize_with(streamed.layers, Vec::new);
        for (index, tensor) in tensors.iter_mut().enumerate() {
            let Some(place) = streamed.place(TensorId(index)) else { continue };
            let buffers = tensor.shards.iter_mut().flat_map(|shard| shard.buffers_mut());
            layers[place].extend(buffers.map(|buffer| (TensorId(index), buffer)));
        }
        let sizes: Vec<Vec<u64>> =
            layers.iter().map(|layer| layer.iter().map(|(_, buffer)| buffer.size()).collect()).collect();
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let make = |&bytes: &u64| device.buffer("weights on their way", bytes, usage);
        let slots: Vec<Vec<wgpu::Buffer>> = ring(&sizes)
            .iter()
            .map(|slot| slot.iter().map(make).collect::<Result<_, _>>())
            .collect::<Result<_, _>>()?;
        let mut host = Self {
            streamed: streamed.clone(),
            ring_bytes: slots.iter().flatten().map(wgpu::Buffer::size).sum(),
            held: vec![Cell::new(None); slots.len()],
            ..Self::default()
        };
        for (place, layer) in layers.into_iter().enumerate() {
            let first = host.copies.len();
            host.copies.extend(in_slot(layer, &slots[streamed.slot(place)]));
            host.layers.push(first..host.copies.len());
        }
        Ok(host)
    }

    /// Brings the layer of a place to the GPU, unless it is there.
    pub(crate) fn bring(&self, device: &Device, place: usize) {
        let held = &self.held[self.streamed.slot(place)];
        if held.get() != Some(place) {
            let mut encoder = device.encoder();
            self.copies[self.layers[place].clone()].iter().for_each(|copy| copy.record(&mut encoder));
            device.submit(encoder);
            held.set(Some(place));
        }
    }

    /// Lets the next commands fill the slot of a place: a barrier that the copies need not wait for then.
    pub(crate) fn free_slot(&self, encoder: &mut CommandEncoder, place: usize) {
        let state = BufferUses::COPY_DST;
        let buffers = self.copies[self.layers[place].clone()].iter().map(|copy| &copy.to);
        let transitions = buffers.map(|buffer| BufferTransition { buffer, state });
        encoder.transition_resources(transitions, std::iter::empty());
    }

    /// Notes that commands are submitted which bring all layers, one after the other.
    pub(crate) fn brings_all(&self) {
        (0..self.streamed.layers).for_each(|place| self.held[self.streamed.slot(place)].set(Some(place)));
    }

    /// Notes that commands were submitted of which it is not known how far they got.
    pub(crate) fn forget_held(&self) {
        self.held.iter().for_each(|held| held.set(None));
    }
}

impl BusCopy {
    /// Records it.
    pub(crate) fn record(&self, encoder: &mut CommandEncoder) {
        encoder.copy_buffer_to_buffer(&self.from, 0, &self.to, 0, self.bytes);
    }
}

/// Gives each of a layer's buffers its place in a slot, the largest first.
fn in_slot(mut layer: Vec<(TensorId, &mut wgpu::Buffer)>, slot: &[wgpu::Buffer]) -> Vec<BusCopy> {
    layer.sort_by_key(|(_, buffer)| Reverse(buffer.size()));
    let to_slot = |((tensor, buffer), to): ((TensorId, &mut wgpu::Buffer), &wgpu::Buffer)| {
        let bytes = buffer.size();
        let from = std::mem::replace(buffer, to.clone());
        BusCopy { tensor, from, to: to.clone(), bytes }
    };
    let mut copies: Vec<BusCopy> = layer.into_iter().zip(slot).map(to_slot).collect();
    copies.sort_by_key(|copy| copy.tensor);
    copies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_holds_each_of_its_layers() {
        let layers = [vec![10, 40, 20], vec![7], vec![30, 30], vec![1, 9]];
        assert_eq!(ring(&layers), [vec![40, 30, 10], vec![9, 1]]);
        assert_eq!(ring(&layers[..1]), [vec![40, 20, 10]], "a single layer takes a single slot");
        assert_eq!(ring(&[]), Vec::<Vec<u64>>::new());
    }
}
