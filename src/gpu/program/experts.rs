//! The experts' ops as dispatches.

use super::compiler::Compiler;
use super::spec::{Binding, DispatchSpec, Grid, numbered};
use crate::gpu::kernels::{Kernel, KernelUse, Override};
use crate::model::config::{ExpertGroups, GroupRank, RouterConfig, RouterScores, ShareUse};
use crate::model::plan::{BufferId, ExpertInput, TensorId};

/// The fields of an [`crate::model::Op::ExpertLinear`].
#[derive(Clone, Copy)]
pub(super) struct ExpertMap {
    pub weight: TensorId,
    pub bias: Option<TensorId>,
    pub experts: usize,
    pub routes: BufferId,
    pub input: BufferId,
    pub expert_input: ExpertInput,
    pub output: BufferId,
}

/// The fields of an [`crate::model::Op::Route`].
#[derive(Clone, Copy)]
pub(super) struct Routing {
    pub active: usize,
    pub router: RouterConfig,
    pub bias: Option<TensorId>,
    pub factors: Option<TensorId>,
    pub scores: BufferId,
    pub output: BufferId,
}

impl Compiler<'_> {
    pub(super) fn route(&self, routing: Routing) -> DispatchSpec {
        let Routing { active, router, bias, factors, scores, output } = routing;
        let groups = router.groups.unwrap_or(ExpertGroups { count: 1, kept: 1, rank: GroupRank::Largest });
        let spread = match router.scores {
            RouterScores::SparseMixer { spread } => spread,
            RouterScores::Softmax | RouterScores::Sigmoid => 0.0,
        };
        let overrides = vec![
            Override::Workgroup(self.choice.reduce_lanes),
            Override::Experts(self.plan.buffer(scores).columns as u32),
            Override::Active(active as u32),
            Override::Stride(self.stride(scores)),
            Override::RoutesStride(self.stride(output)),
            Override::RouterScores(router.scores),
            Override::Spread(spread),
            Override::HasBias(bias.is_some()),
            Override::HasFactors(factors.is_some()),
            Override::Groups(groups.count as u32),
            Override::KeptGroups(groups.kept as u32),
            Override::RankedByTwo(groups.rank == GroupRank::TwoLargest),
            Override::Renormalised(router.renormalised.is_some()),
            Override::Epsilon(router.renormalised.unwrap_or(0.0)),
            Override::Factor(router.factor),
        ];
        let bindings = numbered([
            Binding::Activation(scores),
            Binding::Activation(output),
            Binding::Vector(bias),
            Binding::Vector(factors),
        ]);
        let kernel = KernelUse { variant: self.variant(Kernel::Route), overrides };
        DispatchSpec { kernel, bindings, grid: Grid::of_rows(1) }
    }

    /// One dispatch a shard, each of which computes what its own rows are for.
    pub(super) fn expert_linear(&self, map: ExpertMap) -> Vec<DispatchSpec> {
        let ExpertMap { weight, bias, experts, routes, input, expert_input, output } = map;
        let spec = self.plan.tensor(weight);
        let slot_blocks = match expert_input {
            ExpertInput::Shared | ExpertInput::TimesShare => 0,
            ExpertInput::PerExpert => spec.columns / 4,
        };
        let shards = self.tensors[weight.0].shards.iter().enumerate().map(|(shard, rows)| {
            let mut overrides = vec![
                Override::Units(self.units(weight)),
                Override::InputBlocks(self.stride_blocks(input)),
                Override::SlotBlocks(slot_blocks as u32),
                Override::OutputBlocks(self.stride_blocks(output)),
                Override::RoutesStride(self.stride(routes)),
                Override::ExpertRows((spec.rows / experts) as u32),
                Override::Active(self.active(routes)),
                Override::TimesShare(expert_input == ExpertInput::TimesShare),
                Override::FirstRow(rows.start as u32),
                Override::ShardRows(rows.len() as u32),
                Override::HasBias(bias.is_some()),
            ];
            overrides.extend(self.sum_overrides());
            let mut bindings = self.shard_bindings(weight, shard);
            bindings.extend([
                (3, Binding::Activation(input)),
                (4, Binding::Activation(output)),
                (5, Binding::Activation(routes)),
                (6, Binding::Vector(bias)),
            ]);
            let kernel = KernelUse { variant: self.variant_for(Kernel::ExpertLinear, weight), overrides };
            DispatchSpec { kernel, bindings, grid: Grid::of_rows(self.blocks(output)) }
        });
        shards.collect()
    }

    pub(super) fn mix(
        &self,
        share_use: ShareUse,
        routes: BufferId,
        input: BufferId,
        output: BufferId,
    ) -> DispatchSpec {
        let blocks = self.blocks(output);
        let overrides = [
            Override::Active(self.active(routes)),
            Override::TimesShare(share_use == ShareUse::OfResults),
            Override::RoutesStride(self.stride(routes)),
            Override::InputBlocks(self.stride_blocks(input)),
            Override::Columns4(self.stride_blocks(output)),
            Override::Blocks(blocks),
        ];
        let bindings = [routes, input, output].map(Binding::Activation);
        self.elementwise(self.variant(Kernel::Mix), blocks, overrides, numbered(bindings))
    }

    /// Experts of a row, of which routes hold the index and the share.
    fn active(&self, routes: BufferId) -> u32 {
        self.plan.buffer(routes).columns as u32 / 2
    }
}
