//! The twin as a model into whose passes one can look.

use std::ops::Range;

use super::interpreter::{Pass, Reference};
use crate::model::batch::RowOutput;
use crate::model::dissection::{Dissected, dissect};
use crate::model::plan::{AttentionOp, BufferId, TensorId};
use crate::model::{Batch, LanguageModel, ModelError, Plan, Probe, ProbeRequest, Probing};

/// A pass of one row.
struct Dissection<'a> {
    twin: &'a mut Reference,
    pass: Pass,
}

impl Probing for Reference {
    fn probe(&mut self, request: &ProbeRequest) -> Result<Probe, ModelError> {
        let fork = self.fork(request.sequence)?;
        self.truncate(fork, request.position);
        let batch = Batch::chain(fork, request.position, &[request.input], RowOutput::Logits);
        let begun = self.begin(&batch);
        let probe = begun.and_then(|pass| dissect(&mut Dissection { twin: self, pass }, request));
        self.release(fork);
        probe
    }
}

impl Dissected for Dissection<'_> {
    fn plan(&self) -> &Plan {
        &self.twin.plan
    }

    fn run(&mut self, ops: Range<usize>) -> Result<(), ModelError> {
        let ops = self.twin.plan.ops[ops].to_vec();
        ops.iter().for_each(|op| self.twin.run(op, &mut self.pass));
        Ok(())
    }

    fn read(&mut self, buffer: BufferId) -> Result<Vec<f32>, ModelError> {
        Ok(self.twin.buffer(buffer).to_vec())
    }

    fn scores(&mut self, op: &AttentionOp) -> Result<Vec<Vec<f32>>, ModelError> {
        let scores = self.twin.first_scores(op, &self.pass);
        Ok(scores.iter().map(|head| head.iter().map(|&score| score as f32).collect()).collect())
    }

    fn vector(&mut self, tensor: TensorId) -> Result<Vec<f32>, ModelError> {
        Ok(self.twin.tensor(tensor).to_vec())
    }

    fn matrix_row(&mut self, tensor: TensorId, row: u32) -> Result<Vec<f32>, ModelError> {
        let columns = self.twin.plan.tensor(tensor).columns;
        Ok(self.twin.tensor(tensor)[row as usize * columns..][..columns].to_vec())
    }

    fn logits(
        &mut self,
        buffer: BufferId,
        rows: &[&[f32]],
        ops: Range<usize>,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        self.twin.buffers[buffer.0] = rows.concat();
        let (written, logits) = (self.twin.plan.ops[ops.clone()].to_vec(), self.twin.plan.logits);
        for output in written.iter().filter_map(|op| op.output()) {
            let columns = self.twin.plan.buffer(output).columns;
            self.twin.buffers[output.0].resize(rows.len() * columns, 0.0);
        }
        self.run(ops)?;
        let vocabulary = self.twin.plan.vocabulary();
        Ok(self.twin.buffer(logits).chunks_exact(vocabulary).map(<[f32]>::to_vec).collect())
    }
}
