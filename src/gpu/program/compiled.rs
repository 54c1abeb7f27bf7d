//! A plan that is compiled for a device.

use super::attention_shape::partials_of;
use super::compiler::Compiler;
use super::crossing::Crossing;
use super::dispatch::Dispatch;
use super::resources::Resources;
use super::spec::DispatchSpec;
use super::steps::Step;
use crate::gpu::device::Device;
use crate::gpu::kernels::{AttentionChoice, KernelChoice, TunedKernels};
use crate::gpu::pass::SplitRule;
use crate::gpu::weights::{TensorShape, row_bytes};
use crate::model::ModelError;
use crate::model::plan::{Op, Plan};

/// A plan, the kernels chosen for it, and its ops ready to run.
pub(crate) struct Program {
    pub plan: Plan,
    pub choice: KernelChoice,
    /// What trials found for linear maps instead.
    pub tuned: TunedKernels,
    /// One for each op, in their order.
    pub steps: Vec<Step>,
    /// The first step of the LM head: those from here on make logits of hidden states.
    pub head_start: usize,
    /// The ops by compute passes, with what crosses the bus between them.
    pub crossing: Crossing,
    /// How attention divides a row's positions.
    pub splits: SplitRule,
}

impl Program {
    /// Compiles a plan.
    pub(crate) fn compile(
        device: &Device,
        plan: Plan,
        resources: &Resources,
        choice: KernelChoice,
    ) -> Result<Self, ModelError> {
        let head_start = head_start(&plan);
        let crossing = Crossing::of(&plan, &resources.host, |tensor| resources.tensors[tensor.0].bytes);
        let tuned = TunedKernels::default();
        let AttentionChoice { least_split: least, split_step: step, .. } = choice.attention;
        let splits = SplitRule { least, step, most: partials_of(&plan) };
        let mut program = Self { plan, choice, tuned, steps: Vec::new(), head_start, crossing, splits };
        program.recompile(device, resources)?;
        Ok(program)
    }

    /// Compiles every op again, for other buffers or kernels.
    pub(crate) fn recompile(&mut self, device: &Device, resources: &Resources) -> Result<(), ModelError> {
        let all: Vec<usize> = (0..self.plan.ops.len()).collect();
        let steps = self.compile_each(device, resources, &[(self.tuned.clone(), &all)])?;
        self.steps = steps.into_iter().flatten().collect();
        Ok(())
    }

    /// Some of the plan's ops, by their indices, several times, each time with other kernels for linear maps; the kernels of
    /// all are made together.
    pub(crate) fn compile_each(
        &self,
        device: &Device,
        resources: &Resources,
        candidates: &[(TunedKernels, &[usize])],
    ) -> Result<Vec<Vec<Step>>, ModelError> {
        let shapes = resources.shapes();
        let specs = |(tuned, ops): &(TunedKernels, &[usize])| -> Vec<Step<DispatchSpec>> {
            let compiler = self.compiler(&shapes, tuned);
            ops.iter().map(|&op| compiler.step(&self.plan.ops[op])).collect()
        };
        let all: Vec<_> = candidates.iter().map(specs).collect();
        device.make(all.iter().flatten().flat_map(Step::all).map(|spec| &spec.kernel))?;
        let ready = |steps: &Vec<Step<DispatchSpec>>| {
            steps.iter().map(|step| ready(device, resources, step)).collect::<Result<Vec<_>, _>>()
        };
        let steps = all.iter().map(ready).collect::<Result<_, _>>()?;
        device.check()?;
        Ok(steps)
    }

    /// What compiles the plan's ops with these kernels for linear maps.
    pub(super) fn compiler<'a>(
        &'a self,
        tensors: &'a [TensorShape],
        tuned: &'a TunedKernels,
    ) -> Compiler<'a> {
        Compiler { plan: &self.plan, tensors, choice: self.choice, tuned }
    }

    /// Logits of a row.
    pub(crate) fn vocabulary(&self) -> usize {
        self.plan.buffer(self.plan.logits).columns
    }

    /// Columns of a final hidden state; 0 where the plan has none.
    pub(crate) fn hidden_width(&self) -> usize {
        self.plan.hidden.map_or(0, |hidden| self.plan.buffer(hidden).columns)
    }

    /// Bytes of a row of logits with its padding.
    pub(crate) fn logits_bytes(&self) -> u64 {
        row_bytes(self.vocabulary())
    }

    /// Bytes of a final hidden state with its padding.
    pub(crate) fn hidden_bytes(&self) -> u64 {
        row_bytes(self.hidden_width())
    }
}

/// A step with all that its dispatches need of the device; those that are the same are made once.
fn ready(device: &Device, resources: &Resources, step: &Step<DispatchSpec>) -> Result<Step, ModelError> {
    let mut made: Vec<(&DispatchSpec, Dispatch)> = Vec::new();
    for spec in step.all() {
        if !made.iter().any(|(known, _)| *known == spec) {
            made.push((spec, Dispatch::new(device, resources, spec)?));
        }
    }
    let found = |spec: &DispatchSpec| made.iter().find(|(known, _)| *known == spec);
    step.try_map(|spec| match found(spec) {
        Some((_, dispatch)) => Ok(dispatch.clone()),
        None => Dispatch::new(device, resources, spec),
    })
}

/// The first op after the one that makes the final hidden states.
fn head_start(plan: &Plan) -> usize {
    let makes_hidden = |op: &Op| plan.hidden.is_some() && op.output() == plan.hidden;
    plan.ops.iter().rposition(makes_hidden).map_or(plan.ops.len(), |index| index + 1)
}
