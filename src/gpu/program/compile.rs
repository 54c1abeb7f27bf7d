//! From an op of the plan to its dispatches for every kind of pass.

use super::compiler::Compiler;
use super::experts::ExpertMap;
use super::linear::LinearMap;
use super::spec::DispatchSpec;
use super::steps::{Dispatches, Step};
use crate::gpu::error::LoadError;
use crate::gpu::kernels::{KernelChoice, KernelUse, RowCount};
use crate::gpu::weights::{GpuLayout, TensorShape};
use crate::model::plan::{Op, Plan, RowSet};
use crate::model::weights::TensorInfo;

impl Compiler<'_> {
    /// The dispatches of an op.
    pub fn step(&self, op: &Op) -> Step<DispatchSpec> {
        let rows = op.output().map_or(RowSet::Batch, |buffer| self.plan.buffer(buffer).rows);
        let dispatches = match *op {
            Op::Linear { norm, weight, bias, input, output, epilogue } => {
                let map = LinearMap { norm, weight, bias, input, output, epilogue };
                Dispatches::ByRows(RowCount::ALL.map(|row_count| self.linear(&map, row_count)))
            }
            Op::Embed { table, positions, output } => {
                Dispatches::Always(self.embed(table, positions, output))
            }
            Op::CacheWrite { layer, key, value } => {
                Dispatches::Always(vec![self.cache_write(layer, key, value)])
            }
            Op::Attention(attention) => Dispatches::Attention(self.attention(attention)),
            Op::ExpertLinear { weight, bias, experts, routes, input, expert_input, output } => {
                let map = ExpertMap { weight, bias, experts, routes, input, expert_input, output };
                Dispatches::Always(self.expert_linear(map))
            }
            _ => Dispatches::Always(vec![self.single(op)]),
        };
        Step { rows, dispatches }
    }
}

/// Every kernel that a plan uses on an adapter whose bindings may have so many bytes, each with what it is
/// specialised by. `tensors` are the plan's, in its order. No device is needed.
pub fn kernel_uses(
    plan: &Plan,
    tensors: &[TensorInfo],
    choice: KernelChoice,
    binding_bytes: u64,
) -> Result<Vec<KernelUse>, LoadError> {
    let layouts = GpuLayout::of_all(plan, tensors);
    let shape = |(info, layout)| TensorShape::of(info, layout, binding_bytes);
    let shapes = tensors.iter().zip(layouts).map(shape).collect::<Result<Vec<_>, _>>()?;
    let compiler = Compiler { plan, tensors: &shapes, choice };
    let mut uses: Vec<KernelUse> = Vec::new();
    for op in &plan.ops {
        for spec in compiler.step(op).all() {
            if !uses.contains(&spec.kernel) {
                uses.push(spec.kernel.clone());
            }
        }
    }
    Ok(uses)
}
