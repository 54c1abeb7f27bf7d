//! The ops whose kernels need little: the embedding, norms, rotary embeddings and what goes number by number.

use super::compiler::Compiler;
use super::spec::{Binding, DispatchSpec, Grid, numbered};
use crate::gpu::kernels::{Kernel, KernelUse, Override};
use crate::model::config::{Activation, GateFunction, NormKind, Xielu};
use crate::model::plan::{BufferId, Columns, RotaryId, TensorId};

/// The fields of an [`crate::model::Op::Norm`].
#[derive(Clone, Copy)]
pub(super) struct Norm {
    pub kind: NormKind,
    pub epsilon: f32,
    pub weight: TensorId,
    pub bias: Option<TensorId>,
    pub input: BufferId,
    pub output: BufferId,
}

/// The norm of an [`crate::model::Op::HeadNorm`].
#[derive(Clone, Copy)]
pub(super) struct HeadNorm {
    pub kind: NormKind,
    pub epsilon: f32,
    pub weight: Option<TensorId>,
}

impl Compiler<'_> {
    /// One dispatch a shard of the table, each of which looks up the tokens of its own rows.
    pub(super) fn embed(
        &self,
        table: TensorId,
        positions: Option<TensorId>,
        output: BufferId,
    ) -> Vec<DispatchSpec> {
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

    pub(super) fn activate(&self, activation: Activation, buffer: BufferId) -> DispatchSpec {
        self.in_place(Kernel::Activate, Override::Activation(activation), buffer)
    }

    pub(super) fn xielu(&self, numbers: Xielu, buffer: BufferId) -> DispatchSpec {
        let overrides = [
            Override::Positive(numbers.positive),
            Override::Negative(numbers.negative),
            Override::Linear(numbers.linear),
            Override::Least(numbers.least),
        ];
        self.blockwise(Kernel::Xielu, buffer, overrides, [Binding::Activation(buffer)])
    }

    pub(super) fn gate(&self, activation: Activation, up: Columns, output: BufferId) -> DispatchSpec {
        let overrides = [
            Override::Activation(activation),
            Override::Stride4(self.stride_blocks(up.buffer)),
            Override::First4(up.first as u32 / 4),
        ];
        self.blockwise(Kernel::Gate, output, overrides, [up.buffer, output].map(Binding::Activation))
    }

    pub(super) fn gate_rows(
        &self,
        function: GateFunction,
        width: usize,
        gate: Columns,
        output: BufferId,
    ) -> DispatchSpec {
        let own = [
            Override::GateFunction(function),
            Override::GateWidth(width as u32),
            Override::Columns(self.plan.buffer(output).columns as u32),
        ];
        let overrides = own.into_iter().chain(self.column_overrides(gate));
        self.blockwise(Kernel::GateRows, output, overrides, [gate.buffer, output].map(Binding::Activation))
    }

    pub(super) fn add(&self, input: BufferId, output: BufferId) -> DispatchSpec {
        self.blockwise(Kernel::Add, output, [], [input, output].map(Binding::Activation))
    }

    pub(super) fn pick(&self, input: BufferId, output: BufferId) -> DispatchSpec {
        let bindings = [Binding::Pass, Binding::Activation(input), Binding::Activation(output)];
        self.blockwise(Kernel::Pick, output, [], bindings)
    }

    pub(super) fn reorder(&self, order: TensorId, input: BufferId, output: BufferId) -> DispatchSpec {
        let columns = Override::Columns(self.plan.buffer(output).columns as u32);
        let bindings =
            [Binding::Vector(Some(order)), Binding::Activation(input), Binding::Activation(output)];
        self.blockwise(Kernel::Reorder, output, [columns], bindings)
    }

    /// A kernel of one override that changes each number of a buffer by itself.
    pub(super) fn in_place(&self, kernel: Kernel, own: Override, buffer: BufferId) -> DispatchSpec {
        self.blockwise(kernel, buffer, [own], [Binding::Activation(buffer)])
    }

    pub(super) fn scale_by(&self, factor: TensorId, buffer: BufferId) -> DispatchSpec {
        let bindings = [Binding::Vector(Some(factor)), Binding::Activation(buffer)];
        self.blockwise(Kernel::ScaleBy, buffer, [], bindings)
    }

    pub(super) fn norm(&self, norm: Norm) -> DispatchSpec {
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

    pub(super) fn head_norm(
        &self,
        norm: HeadNorm,
        heads: usize,
        head_width: usize,
        columns: Columns,
    ) -> DispatchSpec {
        let mut overrides = vec![
            Override::HeadWidth(head_width as u32),
            Override::HasWeight(norm.weight.is_some()),
            // A divisor, even where nothing is divided.
            Override::WeightWidth(norm.weight.map_or(1, |weight| self.plan.tensor(weight).columns as u32)),
            Override::SubtractsMean(norm.kind == NormKind::Layer),
            Override::Epsilon(norm.epsilon),
        ];
        overrides.extend(self.column_overrides(columns));
        overrides.extend(self.sum_overrides());
        let bindings = numbered([Binding::Activation(columns.buffer), Binding::Vector(norm.weight)]);
        let kernel = KernelUse { variant: self.variant(Kernel::HeadNorm), overrides };
        DispatchSpec { kernel, bindings, grid: Grid::of_rows(heads as u32) }
    }

    pub(super) fn rotary(
        &self,
        table: RotaryId,
        heads: usize,
        head_width: usize,
        columns: Columns,
    ) -> DispatchSpec {
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
