//! From an op of the plan to its dispatches for every kind of pass.

use super::compiler::Compiler;
use super::experts::{ExpertMap, Routing};
use super::heads::HeadMap;
use super::linear::LinearMap;
use super::plain_ops::{HeadNorm, Norm};
use super::spec::DispatchSpec;
use super::steps::{Dispatches, Step};
use crate::gpu::error::LoadError;
use crate::gpu::kernels::{Kernel, KernelChoice, KernelUse, Override, RowCount, TunedKernels};
use crate::gpu::weights::{GpuLayout, TensorShape};
use crate::model::plan::{Columns, Op, Plan, RowSet};
use crate::model::weights::TensorInfo;

impl Compiler<'_> {
    /// The dispatches of an op.
    pub(super) fn step(&self, op: &Op) -> Step<DispatchSpec> {
        let one = |spec| Dispatches::Always(vec![spec]);
        let dispatches = match *op {
            Op::Linear { norm, weight, bias, input, output, epilogue } => {
                let map = LinearMap { norm, weight, bias, input, output, epilogue };
                Dispatches::ByRows(RowCount::ALL.map(|row_count| self.linear(&map, row_count)))
            }
            Op::Attention(attention) => Dispatches::Attention(self.attention(attention)),
            Op::Embed { table, positions, output } => {
                Dispatches::Always(self.embed(table, positions, output))
            }
            Op::ExpertLinear { weight, bias, experts, routes, input, expert_input, output } => {
                let map = ExpertMap { weight, bias, experts, routes, input, expert_input, output };
                Dispatches::Always(self.expert_linear(map))
            }
            Op::CacheWrite { layer, key, value } => one(self.cache_write(layer, key, value)),
            Op::Norm { kind, epsilon, weight, bias, input, output } => {
                one(self.norm(Norm { kind, epsilon, weight, bias, input, output }))
            }
            Op::HeadNorm { kind, epsilon, weight, heads, head_width, columns } => {
                let norm = HeadNorm { kind, epsilon, weight };
                one(self.head_norm(norm, heads, head_width, columns))
            }
            Op::HeadLinear { weight, heads, kept, input, output } => {
                Dispatches::Always(self.head_linear(HeadMap { weight, heads, kept, input, output }))
            }
            Op::Rotary { table, heads, head_width, buffer } => {
                one(self.rotary(table, heads, head_width, Columns { buffer, first: 0 }))
            }
            Op::Convolution(op) => one(self.convolution(op)),
            Op::Recurrence(op) => Dispatches::Always(self.recurrence(op)),
            Op::Activate { activation, buffer } => one(self.activate(activation, buffer)),
            Op::Xielu { xielu, buffer } => one(self.xielu(xielu, buffer)),
            Op::Gate { activation, up, output } => one(self.gate(activation, up, output)),
            Op::Add { input, output } => one(self.add(input, output)),
            Op::Pick { input, output } => one(self.pick(input, output)),
            Op::Reorder { order, input, output } => one(self.reorder(order, input, output)),
            Op::Scale { factor, buffer } => {
                one(self.in_place(Kernel::Scale, Override::Factor(factor), buffer))
            }
            Op::ScaleBy { factor, buffer } => one(self.scale_by(factor, buffer)),
            Op::Clamp { limit, buffer } => one(self.in_place(Kernel::Clamp, Override::Limit(limit), buffer)),
            Op::SoftCap { cap, buffer } => one(self.in_place(Kernel::SoftCap, Override::Cap(cap), buffer)),
            Op::Route { active, router, bias, factors, scores, output } => {
                one(self.route(Routing { active, router, bias, factors, scores, output }))
            }
            Op::Mix { share_use, routes, input, output } => one(self.mix(share_use, routes, input, output)),
            Op::GateRows { function, width, gate, output } => {
                one(self.gate_rows(function, width, gate, output))
            }
        };
        let rows = op.output().map_or(RowSet::Batch, |buffer| self.plan.buffer(buffer).rows);
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
    let shapes = shapes(plan, tensors, binding_bytes)?;
    let tuned = TunedKernels::default();
    let compiler = Compiler { plan, tensors: &shapes, choice, tuned: &tuned };
    let mut uses = Vec::new();
    for op in &plan.ops {
        add_uses(&mut uses, compiler.step(op).all());
        if let Op::Attention(attention) = *op {
            add_uses(&mut uses, compiler.attention_scores(attention).iter());
        }
    }
    Ok(uses)
}

/// Those of them that passes use, of some of the plan's ops.
pub(crate) fn pass_uses<'o>(
    plan: &Plan,
    tensors: &[TensorInfo],
    choice: KernelChoice,
    binding_bytes: u64,
    ops: impl IntoIterator<Item = &'o Op>,
) -> Result<Vec<KernelUse>, LoadError> {
    let shapes = shapes(plan, tensors, binding_bytes)?;
    let tuned = TunedKernels::default();
    let compiler = Compiler { plan, tensors: &shapes, choice, tuned: &tuned };
    let mut uses = Vec::new();
    ops.into_iter().for_each(|op| add_uses(&mut uses, compiler.step(op).all()));
    Ok(uses)
}

/// How a plan's tensors will lie on an adapter.
fn shapes(plan: &Plan, tensors: &[TensorInfo], binding_bytes: u64) -> Result<Vec<TensorShape>, LoadError> {
    let layouts = GpuLayout::of_all(plan, tensors);
    let shape = |(info, layout)| TensorShape::of(info, layout, binding_bytes);
    tensors.iter().zip(layouts).map(shape).collect()
}

/// Adds the kernels of dispatches that are not among them.
fn add_uses<'s>(uses: &mut Vec<KernelUse>, specs: impl Iterator<Item = &'s DispatchSpec>) {
    for DispatchSpec { kernel, .. } in specs {
        if !uses.contains(kernel) {
            uses.push(kernel.clone());
        }
    }
}
