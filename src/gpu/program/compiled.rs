//! A plan that is compiled for a device.

use super::resources::Resources;
use super::steps::{Step, compile};
use crate::gpu::device::Device;
use crate::gpu::kernels::KernelChoice;
use crate::gpu::weights::row_bytes;
use crate::model::ModelError;
use crate::model::plan::{Op, Plan};

/// A plan, the kernels chosen for it, and its ops ready to run.
pub(crate) struct Program {
    pub plan: Plan,
    pub choice: KernelChoice,
    /// One for each op, in their order.
    pub steps: Vec<Step>,
    /// The first step of the LM head: those from here on make logits of hidden states.
    pub head_start: usize,
}

impl Program {
    /// Compiles a plan, and calls `before_each` before each of its ops.
    pub fn compile<E: From<ModelError>>(
        device: &Device,
        plan: Plan,
        resources: &Resources,
        choice: KernelChoice,
        mut before_each: impl FnMut() -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut steps = Vec::with_capacity(plan.ops.len());
        for op in 0..plan.ops.len() {
            before_each()?;
            steps.extend(compile(device, &plan, &[op], resources, choice)?);
            device.check()?;
        }
        let head_start = head_start(&plan);
        Ok(Self { plan, choice, steps, head_start })
    }

    /// Compiles every op again, for other buffers or kernels.
    pub fn recompile(&mut self, device: &Device, resources: &Resources) -> Result<(), ModelError> {
        let all: Vec<usize> = (0..self.plan.ops.len()).collect();
        self.steps = self.compile_ops(device, resources, self.choice, &all)?;
        Ok(())
    }

    /// Some of the plan's ops, by their indices, with other kernels.
    pub fn compile_ops(
        &self,
        device: &Device,
        resources: &Resources,
        choice: KernelChoice,
        ops: &[usize],
    ) -> Result<Vec<Step>, ModelError> {
        let steps = compile(device, &self.plan, ops, resources, choice)?;
        device.check()?;
        Ok(steps)
    }

    /// Logits of a row.
    pub fn vocabulary(&self) -> usize {
        self.plan.buffer(self.plan.logits).columns
    }

    /// Columns of a final hidden state; 0 where the plan has none.
    pub fn hidden_width(&self) -> usize {
        self.plan.hidden.map_or(0, |hidden| self.plan.buffer(hidden).columns)
    }

    /// Bytes of a row of logits with its padding.
    pub fn logits_bytes(&self) -> u64 {
        row_bytes(self.vocabulary())
    }

    /// Bytes of a final hidden state with its padding.
    pub fn hidden_bytes(&self) -> u64 {
        row_bytes(self.hidden_width())
    }
}

/// The first op after the one that makes the final hidden states.
fn head_start(plan: &Plan) -> usize {
    let makes_hidden = |op: &Op| plan.hidden.is_some() && op.output() == plan.hidden;
    plan.ops.iter().rposition(makes_hidden).map_or(plan.ops.len(), |index| index + 1)
}
