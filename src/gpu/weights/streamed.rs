//! Layers whose matrices stay in the computer's memory, and the ring of buffers on the GPU that they take turns in.
//!
//! They lie in the computer's memory as the kernels read them: a pass copies, and converts nothing. A slot of the ring has
//! a buffer for each of a layer's; where layers differ, the largest ones of each share the largest one of the slot, and so
//! on, so that a slot takes hardly more than its largest layer.
//!
//! Of a layer with experts the rest comes ahead, and the experts either with it or one by one, as its router chooses them: each to
//! its own place in the slot, where the kernels look for it. The places of the others hold what was there before.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use wgpu::wgt::BufferTransition;
use wgpu::{BufferUsages, BufferUses, CommandEncoder};

use super::experts::{Choice, ExpertRows, expert_choices, most_rows};
use super::held::Held;
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
    pub layers: Vec<HostLayer>,
    /// Bytes of the ring.
    pub ring_bytes: u64,
    /// What lies in the ring, as commands were submitted.
    held: RefCell<Held>,
}

/// The copies of a layer in the computer's memory.
pub(crate) struct HostLayer {
    /// Those of what every row needs.
    pub always: Range<usize>,
    /// Those of the experts, which come after them; none where a layer has no experts that could come one by one.
    pub experts: Range<usize>,
    /// What chooses among the experts.
    pub choice: Option<Choice>,
}

/// A buffer in the computer's memory, and where its bytes go.
pub(crate) struct BusCopy {
    /// The tensor that it is of.
    pub tensor: TensorId,
    pub from: wgpu::Buffer,
    pub to: wgpu::Buffer,
    /// The number of the buffer that they go to.
    to_number: usize,
    pub bytes: u64,
    /// Where experts lie in it, if it has some.
    experts: Option<ExpertRows>,
}

/// A buffer of a tensor that is to be in the computer's memory.
struct HostBuffer<'a> {
    tensor: TensorId,
    buffer: &'a mut wgpu::Buffer,
    experts: Option<ExpertRows>,
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

impl HostLayer {
    /// All of them.
    pub(crate) fn all(&self) -> Range<usize> {
        self.always.start..self.experts.end
    }
}

impl HostLayers {
    /// Makes the ring for the tensors that lie in the computer's memory, which become views of it.
    pub(super) fn new(
        device: &Device,
        plan: &Plan,
        tensors: &mut [GpuTensor],
        streamed: &Streamed,
    ) -> Result<Self, LoadError> {
        let choices = expert_choices(plan);
        let layer_choices = layer_choices(streamed, &choices);
        let mut layers: Vec<Vec<HostBuffer<'_>>> = Vec::new();
        layers.resize_with(streamed.layers, Vec::new);
        for (index, tensor) in tensors.iter_mut().enumerate() {
            let Some(place) = streamed.place(TensorId(index)) else { continue };
            let spec = &plan.tensors[index];
            let choice = layer_choices[place].filter(|choice| choices[index] == Some(*choice));
            let GpuTensor { shape: TensorShape { layout, shards: shard_rows }, shards, .. } = tensor;
            for (rows, shard) in shard_rows.iter().zip(shards) {
                let experts = choice.map(|choice| {
                    ExpertRows::of_shard((*layout, spec.columns), rows, spec.rows / choice.experts)
                });
                let experts = experts.map_or([None, None], |[rows, scales]| [Some(rows), Some(scales)]);
                layers[place].extend(shard.buffers_mut().zip(experts).map(|(buffer, experts)| HostBuffer {
                    tensor: TensorId(index),
                    buffer,
                    experts,
                }));
            }
        }
        let sizes: Vec<Vec<u64>> =
            (layers.iter()).map(|layer| layer.iter().map(|host| host.buffer.size()).collect()).collect();
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let mut buffers = 0;
        let mut make = |&bytes: &u64| {
            buffers += 1;
            Ok((buffers - 1, device.buffer("weights on their way", bytes, usage)?))
        };
        let slots: Vec<Vec<(usize, wgpu::Buffer)>> = ring(&sizes)
            .iter()
            .map(|slot| slot.iter().map(&mut make).collect::<Result<_, LoadError>>())
            .collect::<Result<_, _>>()?;
        let mut host = Self {
            streamed: streamed.clone(),
            ring_bytes: slots.iter().flatten().map(|(_, buffer)| buffer.size()).sum(),
            held: RefCell::new(Held::new(buffers)),
            ..Self::default()
        };
        for (place, (layer, choice)) in layers.into_iter().zip(layer_choices).enumerate() {
            let first = host.copies.len();
            host.copies.extend(in_slot(layer, &slots[streamed.slot(place)]));
            let end = host.copies.len();
            let experts = host.copies[first..].iter().position(|copy| copy.experts.is_some());
            let experts = experts.map_or(end, |experts| first + experts)..end;
            host.layers.push(HostLayer { always: first..experts.start, experts, choice });
        }
        Ok(host)
    }

    /// The most rows of a pass that brings experts as they are chosen; 0 where none does.
    pub(crate) fn most_rows_of_few_experts(&self) -> usize {
        let layers = self.layers.iter().filter_map(|layer| {
            let bytes = self.copies[layer.experts.clone()].iter().map(|copy| copy.bytes).sum();
            Some((layer.choice?, bytes))
        });
        most_rows(&layers.collect::<Vec<_>>())
    }

    /// Brings the layer of a place to the GPU, as far as it is not there.
    pub(crate) fn bring(&self, device: &Device, place: usize) {
        let parts = self.layers[place].all().map(|copy| (copy, 0..self.copies[copy].bytes));
        if let Some(commands) = self.missing(device, parts) {
            device.submit_commands([commands]);
        }
    }

    /// Commands that bring experts of the layer of a place, as far as they are not there; to be submitted next.
    pub(crate) fn bring_experts(
        &self,
        device: &Device,
        place: usize,
        chosen: &BTreeSet<usize>,
    ) -> Option<wgpu::CommandBuffer> {
        let parts = self.layers[place].experts.clone().flat_map(|copy| {
            let experts = self.copies[copy].experts.iter();
            let parts = experts.flat_map(|experts| {
                let table = (experts.table_bytes > 0).then_some(0..experts.table_bytes);
                table.into_iter().chain(chosen.iter().filter_map(|&expert| experts.bytes(expert)))
            });
            parts.map(move |bytes| (copy, bytes))
        });
        self.missing(device, parts)
    }

    /// Commands for those parts of copies that do not lie in the ring, which are noted to be there.
    fn missing(
        &self,
        device: &Device,
        parts: impl Iterator<Item = (usize, Range<u64>)>,
    ) -> Option<wgpu::CommandBuffer> {
        let mut encoder = None;
        let mut held = self.held.borrow_mut();
        for (number, bytes) in parts {
            let copy = &self.copies[number];
            if !held.has(copy.to_number, number, &bytes) {
                held.put(copy.to_number, number, &bytes);
                device.count_bus_bytes(bytes.end - bytes.start);
                copy.record_part(encoder.get_or_insert_with(|| device.encoder()), bytes);
            }
        }
        encoder.map(wgpu::CommandEncoder::finish)
    }

    /// Lets the next commands fill the slot of a place: a barrier that the copies need not wait for then.
    pub(crate) fn free_slot(&self, encoder: &mut CommandEncoder, place: usize) {
        let state = BufferUses::COPY_DST;
        let buffers = self.copies[self.layers[place].all()].iter().map(|copy| &copy.to);
        let transitions = buffers.map(|buffer| BufferTransition { buffer, state });
        encoder.transition_resources(transitions, std::iter::empty());
    }

    /// Notes that commands were submitted that make these copies, in this order.
    pub(crate) fn brought(&self, device: &Device, copies: impl IntoIterator<Item = usize>) {
        let mut held = self.held.borrow_mut();
        for number in copies {
            let copy = &self.copies[number];
            held.put(copy.to_number, number, &(0..copy.bytes));
            device.count_bus_bytes(copy.bytes);
        }
    }

    /// Notes that commands were submitted of which it is not known how far they got.
    pub(crate) fn forget_held(&self) {
        self.held.borrow_mut().forget();
    }
}

impl BusCopy {
    /// Records it.
    pub(crate) fn record(&self, encoder: &mut CommandEncoder) {
        self.record_part(encoder, 0..self.bytes);
    }

    fn record_part(&self, encoder: &mut CommandEncoder, bytes: Range<u64>) {
        let count = bytes.end - bytes.start;
        encoder.copy_buffer_to_buffer(&self.from, bytes.start, &self.to, bytes.start, count);
    }
}

/// By the place of a layer what chooses among its experts, where they can come one by one.
fn layer_choices(streamed: &Streamed, choices: &[Option<Choice>]) -> Vec<Option<Choice>> {
    let of_place = |place| {
        let of_layer = choices.iter().zip(&streamed.places).filter(|(_, own)| **own == Some(place));
        Choice::of_layer(of_layer.filter_map(|(choice, _)| *choice))
    };
    (0..streamed.layers).map(of_place).collect()
}

/// Gives each of a layer's buffers its place in a slot, the largest first. Copies of experts come last.
fn in_slot(mut layer: Vec<HostBuffer<'_>>, slot: &[(usize, wgpu::Buffer)]) -> Vec<BusCopy> {
    layer.sort_by_key(|host| Reverse(host.buffer.size()));
    let to_slot = |(host, (number, to)): (HostBuffer<'_>, &(usize, wgpu::Buffer))| {
        let HostBuffer { tensor, buffer, experts } = host;
        let bytes = buffer.size();
        let from = std::mem::replace(buffer, to.clone());
        BusCopy { tensor, from, to: to.clone(), to_number: *number, bytes, experts }
    };
    let mut copies: Vec<BusCopy> = layer.into_iter().zip(slot).map(to_slot).collect();
    copies.sort_by_key(|copy| (copy.experts.is_some(), copy.tensor));
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
