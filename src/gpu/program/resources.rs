//! The buffers that a plan's ops compute with.

use wgpu::BufferUsages;

use super::attention_shape::scratch_bytes;
use super::spec::Binding;
use crate::gpu::cache::{Cache, CacheLimits};
use crate::gpu::device::Device;
use crate::gpu::pass::Rows;
use crate::gpu::weights::{GpuTensor, HostLayers, TensorShape, padded};
use crate::model::ModelError;
use crate::model::plan::{BufferId, Op, Plan, TensorId};

/// Bytes of the pass buffer at first.
const FIRST_PASS_BYTES: u64 = 4096;

/// All buffers of a model.
pub(crate) struct Resources {
    /// What varies from pass to pass.
    pub pass: wgpu::Buffer,
    pub tensors: Vec<GpuTensor>,
    /// Those of them that are in the computer's memory.
    pub host: HostLayers,
    /// Activations, by [`BufferId`].
    activations: Vec<wgpu::Buffer>,
    /// Bound where an optional tensor is absent.
    absent: wgpu::Buffer,
    pub cache: Cache,
    /// Attention's scores, as large as the last probe needed them.
    pub scores: wgpu::Buffer,
}

impl Resources {
    /// Those of a plan whose tensors are on the GPU.
    pub(crate) fn new(
        device: &Device,
        plan: &Plan,
        (tensors, host): (Vec<GpuTensor>, HostLayers),
        rows: Rows,
        context: usize,
        limits: CacheLimits,
    ) -> Result<Self, ModelError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let activations = plan.buffers.iter().map(|spec| {
            device.buffer(&format!("activations ({})", spec.name), rows.buffer_bytes(spec), usage)
        });
        let activations = activations.collect::<Result<_, _>>()?;
        let absent = device.buffer("an absent tensor", 16, BufferUsages::STORAGE)?;
        let scratch = scratch_bytes(plan, rows.batch);
        let cache = Cache::new(device, plan, scratch, context, limits)?;
        let pass = pass_buffer(device, FIRST_PASS_BYTES)?;
        let scores = scores_buffer(device, 1)?;
        Ok(Self { pass, tensors, host, activations, absent, cache, scores })
    }

    /// A buffer of activations.
    pub(crate) fn activation(&self, id: BufferId) -> &wgpu::Buffer {
        &self.activations[id.0]
    }

    /// Writes rows of activations from the first on.
    pub(crate) fn write_rows(&self, device: &Device, id: BufferId, rows: &[Vec<f32>]) {
        let as_stored = |row: &Vec<f32>| {
            let mut row = row.clone();
            row.resize(padded(row.len()), 0.0);
            row
        };
        let elements: Vec<f32> = rows.iter().flat_map(as_stored).collect();
        device.queue.write_buffer(self.activation(id), 0, bytemuck::cast_slice(&elements));
    }

    /// The buffer of a binding.
    ///
    /// # Panics
    ///
    /// On a shard or scales that the tensor does not have.
    pub(crate) fn bound(&self, binding: Binding) -> &wgpu::Buffer {
        match binding {
            Binding::Pass => &self.pass,
            Binding::Activation(id) => self.activation(id),
            Binding::Rows(tensor, shard) => &self.tensors[tensor.0].shards[shard].buffer,
            Binding::Scales(tensor, shard) => {
                let scales = &self.tensors[tensor.0].shards[shard].scales;
                scales.as_ref().expect("a format with scales has them")
            }
            Binding::Vector(Some(tensor)) => &self.tensors[tensor.0].shards[0].buffer,
            Binding::Vector(None) => &self.absent,
            Binding::Keys(layer) => &self.cache.layers[layer].keys,
            Binding::Values(layer) => self.cache.layers[layer].values(),
            Binding::State(state) => &self.cache.states.buffers[state.0],
            Binding::Partials => &self.cache.partials,
            Binding::ReadyQueries => &self.cache.ready,
            Binding::Scores => &self.scores,
        }
    }

    /// Whether nothing has to be brought to the GPU between two ops.
    pub(crate) fn goes_on(&self, before: &Op, op: &Op) -> bool {
        let place = |op| self.host.streamed.place_of(op);
        place(op).is_none() || place(op) == place(before)
    }

    /// How the plan's tensors lie on the GPU.
    pub(crate) fn shapes(&self) -> Vec<TensorShape> {
        self.tensors.iter().map(|tensor| tensor.shape.clone()).collect()
    }

    /// Replaces the pass buffer by one of more than so many bytes.
    pub(crate) fn enlarge_pass(&mut self, device: &Device, bytes: u64) -> Result<(), ModelError> {
        self.pass = pass_buffer(device, 2 * bytes)?;
        Ok(())
    }

    /// Makes room for so many scores of attention.
    pub(crate) fn need_scores(&mut self, device: &Device, scores: usize) -> Result<(), ModelError> {
        if self.scores.size() < 4 * scores as u64 {
            self.scores = scores_buffer(device, scores)?;
        }
        Ok(())
    }

    /// Bytes of the weights on the GPU, a ring for others among them.
    pub(crate) fn weight_bytes(&self) -> u64 {
        let on_gpu = |(index, tensor): (usize, &GpuTensor)| match self.host.streamed.place(TensorId(index)) {
            Some(_) => 0,
            None => tensor.bytes,
        };
        self.tensors.iter().enumerate().map(on_gpu).sum::<u64>() + self.host.ring_bytes
    }

    /// Brings the weights of an op to the GPU, where they are not there.
    pub(crate) fn bring(&self, device: &Device, op: &Op) {
        if let Some(place) = self.host.streamed.place_of(op) {
            self.host.bring(device, place);
        }
    }

    /// Bytes of activations and of what attention keeps between its kernels.
    pub(crate) fn scratch_bytes(&self) -> u64 {
        let attention = [&self.cache.partials, &self.cache.ready];
        self.activations.iter().chain(attention).map(wgpu::Buffer::size).sum()
    }
}

fn scores_buffer(device: &Device, scores: usize) -> Result<wgpu::Buffer, ModelError> {
    device.buffer("attention's scores", 4 * scores as u64, BufferUsages::STORAGE | BufferUsages::COPY_SRC)
}

fn pass_buffer(device: &Device, bytes: u64) -> Result<wgpu::Buffer, ModelError> {
    device.buffer("the pass", bytes, BufferUsages::STORAGE | BufferUsages::COPY_DST)
}
