//! How the layers in the computer's memory come to the GPU in a pass: all of them ahead, or of experts only those that the
//! rows take, when their router has chosen them.

use super::segments::{Brought, Segment};
use crate::gpu::weights::HostLayers;
use crate::model::plan::{Plan, TensorId};

/// A program's ops by compute passes, with what crosses the bus between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub segments: Vec<Segment>,
    /// The copies that segments name by their place here, as they stand in [`HostLayers::copies`].
    pub copies: Vec<usize>,
}

/// The schedules of a program.
pub(crate) struct Crossing {
    /// All comes ahead; one segment, where all weights are on the GPU.
    whole: Schedule,
    /// Experts come when they are chosen.
    on_demand: Option<Schedule>,
    /// The most rows of a pass that goes by the latter.
    most_rows: usize,
}

impl Crossing {
    /// Those of a plan; `bytes` tells how large a tensor is.
    pub(super) fn of(plan: &Plan, host: &HostLayers, bytes: impl Fn(TensorId) -> u64) -> Self {
        let schedule = |brought: Vec<Brought>| Schedule {
            segments: Segment::of(plan, host, &bytes, &brought),
            copies: brought.into_iter().flat_map(|brought| brought.copies).collect(),
        };
        let all = host.layers.iter().map(|layer| Brought { copies: layer.all(), on_demand: false });
        let rest = host.layers.iter().map(|layer| {
            let on_demand = layer.choice.is_some();
            Brought { copies: layer.always.clone(), on_demand }
        });
        let most_rows = host.most_rows_of_few_experts();
        let on_demand = (most_rows > 0).then(|| schedule(rest.collect()));
        Self { whole: schedule(all.collect()), on_demand, most_rows }
    }

    /// The schedule of a pass of so many rows.
    pub(crate) fn schedule(&self, rows: usize) -> &Schedule {
        self.on_demand.as_ref().filter(|_| rows <= self.most_rows).unwrap_or(&self.whole)
    }

    /// Whether some passes wait for their routers.
    pub(crate) fn waits_for_routers(&self) -> bool {
        self.on_demand.is_some()
    }

    /// The most compute passes of a pass.
    pub(crate) fn most_segments(&self) -> usize {
        let on_demand = self.on_demand.iter().map(|schedule| schedule.segments.len());
        on_demand.fold(self.whole.segments.len(), usize::max)
    }
}
