//! The engine as a model into whose passes one can look: the ops of its own plan, one row, with readbacks in between.

use std::ops::Range;

use super::core::Engine;
use super::op_by_op::BegunPass;
use crate::gpu::kernels::FEW_ROWS;
use crate::gpu::pass::{FIRST_TOKEN, OUTPUT_COUNT, PassShape};
use crate::gpu::program::Dispatch;
use crate::model::batch::RowOutput;
use crate::model::dissection::{Dissected, dissect};
use crate::model::plan::{AttentionOp, BufferId, Op, TensorId};
use crate::model::{Batch, LanguageModel, ModelError, Plan, Probe, ProbeRequest, Probing};

/// A pass of one row.
struct Dissection<'a> {
    engine: &'a mut Engine,
    begun: BegunPass,
    position: usize,
}

impl Probing for Engine {
    fn probe(&mut self, request: &ProbeRequest) -> Result<Probe, ModelError> {
        self.device.check()?;
        let fork = self.fork(request.sequence)?;
        self.truncate(fork, request.position);
        // What a probe computes again is none of the run's work.
        let recomputed = self.recomputed;
        let probe = self.probe_sequence(
            &Batch::chain(fork, request.position, &[request.input], RowOutput::Logits),
            request,
        );
        self.recomputed = recomputed;
        self.release(fork);
        probe
    }
}

impl Engine {
    fn probe_sequence(&mut self, batch: &Batch, request: &ProbeRequest) -> Result<Probe, ModelError> {
        let begun = self.begin(batch)?;
        dissect(&mut Dissection { engine: self, begun, position: request.position }, request)
    }

    /// Changes a word of the pass, for what is submitted from now on.
    fn write_pass_word(&self, offset: u64, word: u32) {
        self.device.queue.write_buffer(&self.resources.pass, offset, &word.to_le_bytes());
    }

    /// Submits what is encoded, and does not wait: whoever reads comes later on the GPU as well.
    fn submit_encoded(&self, encode: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
        let mut encoder = self.device.encoder();
        encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.device.submit(encoder);
    }

    /// Submits dispatches for one row.
    fn submit_one_row(&self, dispatches: &[Dispatch]) {
        self.submit_encoded(|pass| {
            dispatches.iter().for_each(|dispatch| dispatch.encode(pass, PassShape::of_rows(1)));
        });
    }
}

impl Dissection<'_> {
    /// Submits some of the plan's ops, for so many rows of their set.
    fn submit(&self, ops: Range<usize>, rows: usize) {
        let Engine { device, program, resources, .. } = &*self.engine;
        let ops: Vec<usize> = ops.collect();
        let all = &program.plan.ops;
        for ops in ops.chunk_by(|&before, &op| resources.goes_on(&all[before], &all[op])) {
            ops.iter().for_each(|&op| resources.bring(device, &all[op]));
            let steps = ops.iter().map(|&op| &program.steps[op]);
            self.engine.submit_encoded(|pass| {
                steps.for_each(|step| step.encode(pass, self.begun.shape_of(step, rows)));
            });
        }
    }
}

impl Dissected for Dissection<'_> {
    fn plan(&self) -> &Plan {
        self.engine.plan()
    }

    fn run(&mut self, ops: Range<usize>) -> Result<(), ModelError> {
        self.submit(ops, 1);
        Ok(())
    }

    fn read(&mut self, buffer: BufferId) -> Result<Vec<f32>, ModelError> {
        self.engine.read_buffer(buffer, 1)
    }

    fn scores(&mut self, op: &AttentionOp) -> Result<Vec<Vec<f32>>, ModelError> {
        let positions = self.position + 1;
        let Engine { device, resources, program, .. } = &mut *self.engine;
        resources.need_scores(device, op.heads * positions)?;
        let dispatches = program.attention_scores(device, resources, *op)?;
        self.engine.submit_one_row(&dispatches);
        let Engine { device, resources, .. } = &*self.engine;
        let bytes = 4 * (op.heads * positions) as u64;
        let read = device.submit_and_read(device.encoder(), &resources.scores, 0, bytes)?;
        let scores: Vec<f32> = bytemuck::pod_collect_to_vec(&read);
        let hidden = op.scores.first_seen(positions);
        Ok(scores.chunks_exact(positions).map(|head| head[hidden..].to_vec()).collect())
    }

    fn vector(&mut self, tensor: TensorId) -> Result<Vec<f32>, ModelError> {
        let Engine { device, resources, .. } = &*self.engine;
        let columns = self.engine.plan().tensor(tensor).columns;
        let source = &resources.tensors[tensor.0].shards[0].buffer;
        let read = device.submit_and_read(device.encoder(), source, 0, 4 * columns as u64)?;
        Ok(bytemuck::pod_collect_to_vec(&read))
    }

    fn matrix_row(&mut self, tensor: TensorId, row: u32) -> Result<Vec<f32>, ModelError> {
        let Engine { device, resources, program, .. } = &*self.engine;
        // A table of embeddings has rows as long as the stream's, and a kernel that looks them up.
        let embedding = program.plan.ops.iter().find_map(|op| match *op {
            Op::Embed { output, .. } => Some(output),
            _ => None,
        });
        let buffer = embedding.ok_or(ModelError::NoLayers)?;
        let dispatches = program.matrix_rows(device, resources, tensor, buffer)?;
        self.engine.write_pass_word(FIRST_TOKEN, row);
        self.engine.submit_one_row(&dispatches);
        self.engine.read_buffer(buffer, 1)
    }

    fn logits(
        &mut self,
        buffer: BufferId,
        rows: &[&[f32]],
        ops: Range<usize>,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let vocabulary = self.plan().vocabulary();
        // More would go through kernels that may round what they multiply.
        let most = self.engine.rows.outputs.min(FEW_ROWS);
        let mut logits = Vec::with_capacity(rows.len());
        for rows in rows.chunks(most) {
            self.engine.write_buffer(buffer, &rows.concat());
            self.engine.write_pass_word(OUTPUT_COUNT, rows.len() as u32);
            self.submit(ops.clone(), rows.len());
            let read = self.engine.read_buffer(self.plan().logits, rows.len())?;
            logits.extend(read.chunks_exact(vocabulary).map(<[f32]>::to_vec));
        }
        Ok(logits)
    }
}
