//! The experts' ops as dispatches.

use super::compiler::{Compiler, flag, numbered};
use super::dispatch::Dispatch;
use crate::gpu::kernels::Kernel;
use crate::gpu::weights::padded;
use crate::model::ModelError;
use crate::model::config::Shares;
use crate::model::plan::{BufferId, ExpertInput, TensorId};

/// The fields of an [`crate::model::Op::ExpertLinear`].
#[derive(Clone, Copy)]
pub(super) struct ExpertMap {
    pub weight: TensorId,
    pub bias: Option<TensorId>,
    pub experts: usize,
    pub routes: BufferId,
    pub input: BufferId,
    pub takes: ExpertInput,
    pub output: BufferId,
}

impl Compiler<'_> {
    pub(crate) fn route(
        &self,
        active: usize,
        shares: Shares,
        scores: BufferId,
        output: BufferId,
    ) -> Result<Dispatch, ModelError> {
        let constants = vec![
            ("WORKGROUP", f64::from(self.choice.reduce_lanes)),
            ("EXPERTS", self.plan.buffer(scores).columns as f64),
            ("ACTIVE", active as f64),
            ("STRIDE", self.stride(scores)),
            ("ROUTES_STRIDE", self.stride(output)),
            ("OF_CHOSEN", f64::from(u8::from(shares == Shares::OfChosen))),
        ];
        let buffers = numbered(&[self.buffer(scores), self.buffer(output)]);
        self.dispatch(Kernel::Route, None, constants, &buffers, 1, 1)
    }

    /// One dispatch a shard, each of which computes what its own rows are for.
    pub(crate) fn expert_linear(&self, map: ExpertMap) -> Result<Vec<Dispatch>, ModelError> {
        let ExpertMap { weight, bias, experts, routes, input, takes, output } = map;
        let spec = self.plan.tensor(weight);
        let slot_blocks = match takes {
            ExpertInput::Shared => 0,
            ExpertInput::Own => spec.columns / 4,
        };
        let blocks = self.blocks(output);
        self.for_shards(weight, |shard| {
            let mut buffers = vec![
                (1, &shard.buffer),
                (3, self.buffer(input)),
                (4, self.buffer(output)),
                (5, self.buffer(routes)),
                (6, self.optional(bias)),
            ];
            buffers.extend(shard.scales.as_ref().map(|scales| (2, scales)));
            let mut constants = vec![
                ("UNITS", self.units(weight)),
                ("INPUT_BLOCKS", f64::from(self.stride_blocks(input))),
                ("SLOT_BLOCKS", slot_blocks as f64),
                ("OUTPUT_BLOCKS", f64::from(self.stride_blocks(output))),
                ("ROUTES_STRIDE", self.stride(routes)),
                ("EXPERT_ROWS", (spec.rows / experts) as f64),
                ("ACTIVE", (self.plan.buffer(routes).columns / 2) as f64),
                ("FIRST_ROW", shard.rows.start as f64),
                ("SHARD_ROWS", shard.rows.len() as f64),
                ("HAS_BIAS", flag(bias)),
            ];
            constants.extend(self.sum_constants());
            self.dispatch(Kernel::ExpertLinear, self.form(weight), constants, &buffers, blocks, 1)
        })
    }

    pub(crate) fn mix(
        &self,
        routes: BufferId,
        input: BufferId,
        output: BufferId,
    ) -> Result<Dispatch, ModelError> {
        let blocks = self.blocks(output);
        let constants = vec![
            ("ACTIVE", (self.plan.buffer(routes).columns / 2) as f64),
            ("ROUTES_STRIDE", self.stride(routes)),
            ("INPUT_BLOCKS", f64::from(self.stride_blocks(input))),
            ("COLUMNS4", f64::from(self.stride_blocks(output))),
            ("BLOCKS", f64::from(blocks)),
        ];
        let buffers = numbered(&[self.buffer(routes), self.buffer(input), self.buffer(output)]);
        self.elementwise(Kernel::Mix, None, blocks, constants, &buffers)
    }

    pub(crate) fn gate_rows(&self, gate: BufferId, output: BufferId) -> Result<Dispatch, ModelError> {
        let constants = vec![("GATE_STRIDE", padded(1) as f64)];
        self.blockwise(Kernel::GateRows, output, constants, &[self.buffer(gate), self.buffer(output)])
    }
}
