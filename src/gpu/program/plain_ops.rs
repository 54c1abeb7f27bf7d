//! The ops that are one dispatch, and the embedding.

use super::compiler::Compiler;
use super::spec::{Binding, DispatchSpec, Grid, numbered};
use crate::gpu::kernels::{Kernel, KernelUse, Override};
use crate::model::config::NormKind;
use crate::model::plan::{BufferId, Columns, Op, RotaryId, TensorId};

/// The fields of an [`Op::Norm`].
#[derive(Clone, Copy)]
pub(super) struct Norm {
    pub kind: NormKind,
    pub epsilon: f32,
    pub weight: TensorId,
    pub bias: Option<TensorId>,
    pub input: BufferId,
    pub output: BufferId,
}

/// The norm of an [`Op::HeadNorm`].
#[derive(Clone, Copy)]
struct HeadNorm {
    kind: NormKind,
    epsilon: f32,
    weight: TensorId,
}

impl Compiler<'_> {
    /// One dispatch a shard of the table, each of which looks up the tokens of its own rows.
    pub fn embed(&self, table: TensorId, positions: Option<TensorId>, output: BufferId) -> Vec<DispatchSpec> {
        let blocks = self.blocks(output);
        let shards = self.tensors[table.0].shards.iter().enumerate().map(|(shard, rows)| {
            let overrides = [
                Override::FirstRow(rows.start as u32),
                Override::ShardRows(rows.len() as u32),
                Override::Columns4(blocks),
                Override::RowBlocks(self.row_blocks(table)),
                Override::Stride4(self.stride_blocks(output)),
                Override::HasPositions(positions.is_some()),
            ];
            let mut bindings = self.shard_bindings(table, shard);
            bindings.extend([
                (0, Binding::Pass),
                (3, Binding::Vector(positions)),
                (4, Binding::Activation(output)),
            ]);
            self.elementwise(self.variant_for(Kernel::Embed, table), blocks, overrides, bindings)
        });
        shards.collect()
    }

    /// Ops of one dispatch, whose kernel reads no weights of varying format.
    pub fn single(&self, op: &Op) -> DispatchSpec {
        use Binding::{Activation, Pass};
        match *op {
            Op::Norm { kind, epsilon, weight, bias, input, output } => {
                self.norm(Norm { kind, epsilon, weight, bias, input, output })
            }
            Op::Rotary { table, heads, head_width, buffer } => {
                self.rotary(table, heads, head_width, Columns { buffer, first: 0 })
            }
            Op::Activate { activation, buffer } => {
                let overrides = [Override::Activation(activation)];
                self.blockwise(Kernel::Activate, buffer, overrides, [Activation(buffer)])
            }
            Op::Gate { activation, up, output } => {
                let overrides = [Override::Activation(activation)];
                self.blockwise(Kernel::Gate, output, overrides, [Activation(up), Activation(output)])
            }
            Op::Add { input, output } => {
                self.blockwise(Kernel::Add, output, [], [Activation(input), Activation(output)])
            }
            Op::Pick { input, output } => {
                self.blockwise(Kernel::Pick, output, [], [Pass, Activation(input), Activation(output)])
            }
            Op::Scale { factor, buffer } => {
                self.blockwise(Kernel::Scale, buffer, [Override::Factor(factor)], [Activation(buffer)])
            }
            Op::Clamp { limit, buffer } => {
                self.blockwise(Kernel::Clamp, buffer, [Override::Limit(limit)], [Activation(buffer)])
            }
            Op::SoftCap { cap, buffer } => {
                self.blockwise(Kernel::SoftCap, buffer, [Override::Cap(cap)], [Activation(buffer)])
            }
            Op::HeadNorm { kind, epsilon, weight, heads, head_width, buffer } => {
                let norm = HeadNorm { kind, epsilon, weight };
                self.head_norm(norm, heads, head_width, Columns { buffer, first: 0 })
            }
            Op::Route { active, softmax, scores, output } => self.route(active, softmax, scores, output),
            Op::Mix { routes, input, output } => self.mix(routes, input, output),
            Op::GateRows { gate, output } => self.gate_rows(gate, output),
            Op::Embed { .. }
            | Op::Linear { .. }
            | Op::CacheWrite { .. }
            | Op::Attention(_)
            | Op::ExpertLinear { .. } => {
                unreachable!("has its own function")
            }
        }
    }

    pub fn norm(&self, norm: Norm) -> DispatchSpec {
        let Norm { kind, epsilon, weight, bias, input, output } = norm;
        let kernel = match kind {
            NormKind::Rms => Kernel::RmsNorm,
            NormKind::Layer => Kernel::LayerNorm,
        };
        let mut overrides = vec![
            Override::Columns(self.plan.buffer(input).columns as u32),
            Override::Columns4(self.stride_blocks(input)),
            Override::Epsilon(epsilon),
            Override::HasBias(bias.is_some()),
        ];
        overrides.extend(self.sum_overrides());
        let bindings = numbered([
            Binding::Activation(input),
            Binding::Vector(Some(weight)),
            Binding::Vector(bias),
            Binding::Activation(output),
        ]);
        let kernel = KernelUse { variant: self.variant(kernel), overrides };
        DispatchSpec { kernel, bindings, grid: Grid::of_rows(1) }
    }

    fn head_norm(&self, norm: HeadNorm, heads: usize, head_width: usize, columns: Columns) -> DispatchSpec {
        let mut overrides = vec![
            Override::HeadWidth(head_width as u32),
            Override::WeightWidth(self.plan.tensor(norm.weight).columns as u32),
            Override::SubtractsMean(norm.kind == NormKind::Layer),
            Override::Epsilon(norm.epsilon),
        ];
        overrides.extend(self.column_overrides(columns));
        overrides.extend(self.sum_overrides());
        let bindings = numbered([Binding::Activation(columns.buffer), Binding::Vector(Some(norm.weight))]);
        let kernel = KernelUse { variant: self.variant(Kernel::HeadNorm), overrides };
        DispatchSpec { kernel, bindings, grid: Grid::of_rows(heads as u32) }
    }

    fn rotary(&self, table: RotaryId, heads: usize, head_width: usize, columns: Columns) -> DispatchSpec {
        let pairs = self.plan.rotary_tables[table.0].pairs();
        let overrides = [
            Override::Heads(heads as u32),
            Override::HeadWidth(head_width as u32),
            Override::Pairs(pairs as u32),
            Override::Table(table.0 as u32),
        ];
        let overrides = overrides.into_iter().chain(self.column_overrides(columns));
        let bindings = numbered([Binding::Pass, Binding::Activation(columns.buffer)]);
        self.elementwise(self.variant(Kernel::Rotary), (heads * pairs) as u32, overrides, bindings)
    }
}
