//! The ops of a plan as steps: for each the dispatches of every kind of pass.
//!
//! Made once at load, and again only when a buffer was replaced (the cache grew); per pass nothing is decided
//! but the number of rows.

use super::attention::Attention;
use super::compiler::Compiler;
use super::dispatch::Dispatch;
use super::experts::ExpertMap;
use super::linear::LinearMap;
use super::resources::Resources;
use crate::gpu::device::Device;
use crate::gpu::kernels::{KernelChoice, Regime};
use crate::gpu::pass::Work;
use crate::model::ModelError;
use crate::model::plan::{Op, Plan, RowSet};

/// One op, ready to run.
pub(crate) struct Step {
    /// Which rows it computes.
    pub rows: RowSet,
    dispatches: Dispatches,
}

/// An op's dispatches.
pub(super) enum Dispatches {
    /// By [`Regime`].
    ByRows([Vec<Dispatch>; 3]),
    /// Those of an attention.
    Attention(Attention),
}

impl Step {
    /// How many dispatches the op is for a pass.
    pub fn dispatches(&self, work: Work) -> usize {
        self.chosen(work).len()
    }

    fn chosen(&self, work: Work) -> &[Dispatch] {
        match &self.dispatches {
            Dispatches::ByRows(dispatches) => &dispatches[Regime::of(work.rows) as usize],
            Dispatches::Attention(attention) => attention.choose(work),
        }
    }

    /// Encodes the op for a pass.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, work: Work) {
        self.chosen(work).iter().for_each(|dispatch| dispatch.encode(pass, work));
    }

    /// Encodes one of the op's dispatches for a pass, by its place among [`Self::pipelines`].
    pub fn encode_one(&self, pass: &mut wgpu::ComputePass<'_>, work: Work, dispatch: usize) {
        self.chosen(work)[dispatch].encode(pass, work);
    }

    /// The pipelines of the op's dispatches for a pass.
    pub fn pipelines(&self, work: Work) -> impl Iterator<Item = &wgpu::ComputePipeline> {
        self.chosen(work).iter().map(|dispatch| &dispatch.pipeline)
    }
}

/// One step for each of these ops of the plan, by their indices.
pub(super) fn compile(
    device: &Device,
    plan: &Plan,
    ops: &[usize],
    resources: &Resources,
    choice: KernelChoice,
) -> Result<Vec<Step>, ModelError> {
    let compiler = Compiler { device, plan, resources, choice };
    ops.iter().map(|&op| compiler.step(&plan.ops[op])).collect()
}

impl Compiler<'_> {
    fn step(&self, op: &Op) -> Result<Step, ModelError> {
        let rows = op.output().map_or(RowSet::Batch, |buffer| self.plan.buffer(buffer).rows);
        let dispatches = match *op {
            Op::Linear { norm, weight, bias, input, output, finish } => {
                let map = LinearMap { norm, weight, bias, input, output, finish };
                let [one, few, many] = Regime::ALL.map(|regime| self.linear(&map, regime));
                [one?, few?, many?]
            }
            Op::Embed { table, positions, output } => same(self.embed(table, positions, output)?),
            Op::CacheWrite { layer, key, value } => same(vec![self.cache_write(layer, key, value)?]),
            Op::Attention(attention) => {
                return Ok(Step { rows, dispatches: Dispatches::Attention(self.attention(attention)?) });
            }
            Op::ExpertLinear { weight, bias, experts, routes, input, takes, output } => {
                same(self.expert_linear(ExpertMap { weight, bias, experts, routes, input, takes, output })?)
            }
            _ => same(vec![self.single(op)?]),
        };
        Ok(Step { rows, dispatches: Dispatches::ByRows(dispatches) })
    }
}

/// The same dispatches in every regime.
pub(super) fn same(dispatches: Vec<Dispatch>) -> [Vec<Dispatch>; 3] {
    [dispatches.clone(), dispatches.clone(), dispatches]
}
