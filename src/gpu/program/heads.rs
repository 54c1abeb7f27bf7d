//! Linear maps by head as dispatches.

use super::compiler::Compiler;
use super::spec::{Binding, DispatchSpec, Grid};
use crate::gpu::kernels::{Kernel, KernelUse, Override};
use crate::model::plan::{BufferId, TensorId};

/// The fields of an [`crate::model::Op::HeadLinear`].
#[derive(Clone, Copy)]
pub(super) struct HeadMap {
    pub weight: TensorId,
    pub heads: usize,
    pub kept: usize,
    pub input: BufferId,
    pub output: BufferId,
}

impl Compiler<'_> {
    /// One dispatch a shard, each of which computes what its own rows are for; the first also moves what heads keep.
    pub(super) fn head_linear(&self, map: HeadMap) -> Vec<DispatchSpec> {
        let HeadMap { weight, heads, kept, input, output } = map;
        let spec = self.plan.tensor(weight);
        let shards = self.tensors[weight.0].shards.iter().enumerate().map(|(shard, rows)| {
            let mut overrides = vec![
                Override::Units(self.units(weight)),
                Override::InputBlocks(self.stride_blocks(input)),
                Override::OutputBlocks(self.stride_blocks(output)),
                Override::Heads(heads as u32),
                Override::Kept4(kept as u32 / 4),
                Override::HeadRows4((spec.rows / heads) as u32 / 4),
                Override::HeadColumns4(spec.columns as u32 / 4),
                Override::FirstRow(rows.start as u32),
                Override::ShardRows(rows.len() as u32),
            ];
            overrides.extend(self.sum_overrides());
            let mut bindings = self.shard_bindings(weight, shard);
            bindings.extend([(3, Binding::Activation(input)), (4, Binding::Activation(output))]);
            let kernel = KernelUse { variant: self.variant_for(Kernel::HeadLinear, weight), overrides };
            DispatchSpec { kernel, bindings, grid: Grid::of_rows(self.blocks(output)) }
        });
        shards.collect()
    }
}
