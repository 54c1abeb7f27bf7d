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
    let layouts = GpuLayout::of_all(plan, tensors);
    let shape = |(info, layout)| TensorShape::of(info, layout, binding_bytes);
    let shapes = tensors.iter().zip(layouts).map(shape).collect::<Result<Vec<_>, _>>()?;
    let tuned = TunedKernels::default();
    let compiler = Compiler { plan, tensors: &shapes, choice, tuned: &tuned };
    let mut uses: Vec<KernelUse> = Vec::new();
    let mut add = |spec: &DispatchSpec| {
        if !uses.contains(&spec.kernel) {
            uses.push(spec.kernel.clone());
        }
    };
    for op in &plan.ops {
        compiler.step(op).all().for_each(&mut add);
        if let Op::Attention(attention) = *op {
            compiler.attention_scores(attention).iter().for_each(&mut add);
        }
    }
    Ok(uses)
}
