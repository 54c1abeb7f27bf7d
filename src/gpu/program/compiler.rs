//! What the compilation of every op shares: sizes, bindings, and how a kernel becomes a dispatch.

use super::spec::{Binding, DispatchSpec, Grid, numbered};
use crate::gpu::kernels::{Kernel, KernelChoice, KernelUse, Override, TunedKernels, Variant};
use crate::gpu::weights::{GpuLayout, TensorShape, padded, padded_row};
use crate::model::plan::{BufferId, Columns, Plan, TensorId};

/// Makes dispatches of ops.
pub(super) struct Compiler<'a> {
    pub plan: &'a Plan,
    /// How each of the plan's tensors lies on the GPU.
    pub tensors: &'a [TensorShape],
    pub choice: KernelChoice,
    /// What trials found for linear maps instead.
    pub tuned: &'a TunedKernels,
}

impl Compiler<'_> {
    /// The workgroup of a kernel that adds up over its lanes, one sum at a time.
    pub(super) fn sum_overrides(&self) -> [Override; 2] {
        let KernelChoice { reduction, reduce_lanes, .. } = self.choice;
        [Override::Workgroup(reduce_lanes), Override::Summands(reduction.summands(1, reduce_lanes))]
    }

    /// Where in a buffer's rows some columns lie.
    pub(super) fn column_overrides(&self, columns: Columns) -> [Override; 2] {
        [Override::Stride(self.stride(columns.buffer)), Override::First(columns.first as u32)]
    }

    /// A kernel with one lane for each block of four columns, padding included.
    pub(super) fn blockwise<const COUNT: usize>(
        &self,
        kernel: Kernel,
        buffer: BufferId,
        overrides: impl IntoIterator<Item = Override>,
        bindings: [Binding; COUNT],
    ) -> DispatchSpec {
        let blocks = self.stride_blocks(buffer);
        let overrides = overrides.into_iter().chain([Override::Columns4(blocks)]);
        self.elementwise(self.variant(kernel), blocks, overrides, numbered(bindings))
    }

    /// A kernel with one lane for each of `columns` items of a row.
    pub(super) fn elementwise(
        &self,
        variant: Variant,
        columns: u32,
        overrides: impl IntoIterator<Item = Override>,
        bindings: Vec<(u32, Binding)>,
    ) -> DispatchSpec {
        let lanes = self.choice.plain_lanes;
        let overrides = overrides.into_iter().chain([Override::Workgroup(lanes)]).collect();
        DispatchSpec {
            kernel: KernelUse { variant, overrides },
            bindings,
            grid: Grid::of_rows(columns.div_ceil(lanes)),
        }
    }

    /// A kernel that reads no weights, with the chosen reduction if it adds up.
    pub(super) fn variant(&self, kernel: Kernel) -> Variant {
        Variant { reduction: kernel.reduces().then_some(self.choice.reduction), ..kernel.into() }
    }

    /// A kernel that reads this tensor.
    pub(super) fn variant_for(&self, kernel: Kernel, tensor: TensorId) -> Variant {
        let format = match self.layout(tensor) {
            GpuLayout::Matrix(format) => Some(format),
            GpuLayout::Vector => None,
        };
        Variant { format, ..self.variant(kernel) }
    }

    /// The bindings of a tensor's shard: its rows, and its scales if it has any.
    pub(super) fn shard_bindings(&self, tensor: TensorId, shard: usize) -> Vec<(u32, Binding)> {
        let mut bindings = vec![(1, Binding::Rows(tensor, shard))];
        if self.layout(tensor).has_scales() {
            bindings.push((2, Binding::Scales(tensor, shard)));
        }
        bindings
    }

    pub(super) fn layout(&self, tensor: TensorId) -> GpuLayout {
        self.tensors[tensor.0].layout
    }

    /// Blocks of four from one row of a matrix to the next.
    pub(super) fn row_blocks(&self, tensor: TensorId) -> u32 {
        let columns = self.plan.tensor(tensor).columns;
        let padded = match self.layout(tensor) {
            GpuLayout::Matrix(format) => padded_row(format, columns),
            GpuLayout::Vector => padded(columns),
        };
        padded as u32 / 4
    }

    /// From one row of a buffer to the next.
    pub(super) fn stride(&self, buffer: BufferId) -> u32 {
        padded(self.plan.buffer(buffer).columns) as u32
    }

    /// The same in blocks of four.
    pub(super) fn stride_blocks(&self, buffer: BufferId) -> u32 {
        self.stride(buffer) / 4
    }

    /// Blocks of four in a row of a buffer that hold its columns.
    pub(super) fn blocks(&self, buffer: BufferId) -> u32 {
        self.plan.buffer(buffer).columns.div_ceil(4) as u32
    }
}
