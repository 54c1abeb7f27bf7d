//! Running single ops, to compare each with its twin and to measure it.

use super::core::Engine;
use crate::gpu::kernels::RowCount;
use crate::gpu::pass::PassShape;
use crate::gpu::program::{Step, decode};
use crate::gpu::weights::{padded, row_bytes};
use crate::model::plan::{BufferId, RowSet, StateId};
use crate::model::{Batch, ModelError};

/// A pass whose rows have their places, and whose ops run one by one.
pub struct BegunPass {
    /// What it has to compute.
    shape: PassShape,
    /// Where its rows are cached.
    slots: Vec<u32>,
    /// Rows whose states are stored, and where.
    states: Vec<(usize, u32)>,
}

impl BegunPass {
    /// What a step computes for `rows` rows of its set.
    pub(super) fn shape_of(&self, step: &Step, rows: usize) -> PassShape {
        match step.rows {
            RowSet::Batch => PassShape { rows, ..self.shape },
            RowSet::Outputs => PassShape::of_rows(rows),
        }
    }
}

impl Engine {
    /// Places the batch's rows and writes what the ops need to know of them. The rows are forgotten when the
    /// sequences are released.
    pub fn begin(&mut self, batch: &Batch) -> Result<BegunPass, ModelError> {
        let placement = self.place(batch)?;
        let outputs: Vec<usize> = batch.outputs().take(self.rows.outputs).collect();
        self.write_pass(batch, &placement, &outputs)?;
        let states = placement.states.stored().collect();
        Ok(BegunPass { shape: placement.shape, slots: placement.slots, states })
    }

    /// Runs one op of the plan, by its index, for `rows` rows of its set.
    pub fn run_op(&self, pass: &BegunPass, op: usize, rows: usize) -> Result<(), ModelError> {
        let step = &self.program.steps[op];
        self.resources.bring(&self.device, &self.plan().ops[op]);
        self.run_alone(|encoded| step.encode(encoded, pass.shape_of(step, rows)))
    }

    /// Runs what is encoded, and waits for it.
    pub(super) fn run_alone(
        &self,
        encode: impl FnOnce(&mut wgpu::ComputePass<'_>),
    ) -> Result<(), ModelError> {
        let mut encoder = self.device.encoder();
        encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.device.submit(encoder);
        self.device.wait()
    }

    /// Whether an op, by its index, rounds what it multiplies to f16 when it is run for `rows` rows of its set.
    pub fn rounds_inputs(&self, op: usize, rows: usize) -> bool {
        let kernel = self.program.linear_kernel(&self.resources, op, RowCount::of(rows));
        kernel.is_some_and(|kernel| kernel.variant.rounds())
    }

    /// What a layer's cache holds for the rows of a pass: keys and values, rows of G·D.
    pub fn read_cached(&self, pass: &BegunPass, layer: usize) -> Result<[Vec<f32>; 2], ModelError> {
        let cache = &self.resources.cache.layers[layer];
        let read = |buffer: &wgpu::Buffer| {
            let bytes = self.device.submit_and_read(self.device.encoder(), buffer, 0, buffer.size())?;
            let position = |&slot: &u32| {
                let width = cache.position_bytes as usize;
                &bytes[slot as usize * width..][..width]
            };
            let position = |slot| decode(self.plan(), layer, position(slot));
            Ok(pass.slots.iter().flat_map(position).collect())
        };
        Ok([read(&cache.keys)?, read(cache.values())?])
    }

    /// A state as it was after rows of the pass: each row whose state is stored, and its elements.
    pub fn read_states(
        &self,
        pass: &BegunPass,
        state: StateId,
    ) -> Result<Vec<(usize, Vec<f32>)>, ModelError> {
        let buffer = &self.resources.cache.states.buffers[state.0];
        let bytes = 4 * self.plan().states[state.0].elements as u64;
        let read = |&(row, slot): &(usize, u32)| {
            let first = u64::from(slot) * bytes;
            let read = self.device.submit_and_read(self.device.encoder(), buffer, first, bytes)?;
            Ok((row, bytemuck::pod_collect_to_vec(&read)))
        };
        pass.states.iter().map(read).collect()
    }

    /// The first `rows` rows of a buffer, without padding.
    pub fn read_buffer(&self, buffer: BufferId, rows: usize) -> Result<Vec<f32>, ModelError> {
        let columns = self.plan().buffer(buffer).columns;
        let (source, bytes) = (self.resources.activation(buffer), rows as u64 * row_bytes(columns));
        let read = self.device.submit_and_read(self.device.encoder(), source, 0, bytes)?;
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(&read);
        Ok(values.chunks_exact(padded(columns)).flat_map(|row| &row[..columns]).copied().collect())
    }

    /// Replaces the first rows of a buffer by `values`, rows of the buffer's columns.
    pub fn write_buffer(&self, buffer: BufferId, values: &[f32]) {
        let columns = self.plan().buffer(buffer).columns;
        let mut padded_rows = Vec::with_capacity(values.len() / columns * padded(columns));
        for row in values.chunks_exact(columns) {
            padded_rows.extend_from_slice(row);
            padded_rows.resize(padded_rows.len() + padded(columns) - columns, 0.0);
        }
        let target = self.resources.activation(buffer);
        self.device.queue.write_buffer(target, 0, bytemuck::cast_slice(&padded_rows));
    }
}
