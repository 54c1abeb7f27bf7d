//! Passes on their way, and the rows of the last one that branched off.

use std::time::Instant;

use wgpu::SubmissionIndex;

use super::command_key::Wanted;
use crate::gpu::cache::Cache;
use crate::gpu::pass::Placement;
use crate::model::SequenceId;
use crate::model::language_model::PassId;
use crate::model::selection::RowHandle;

/// Commands that were submitted and whose results nobody has read.
pub(super) struct Submitted {
    pub id: PassId,
    pub begin: Instant,
    pub encode_seconds: f64,
    /// Waiting for routers before it had all of its commands, by the clock.
    pub waited_seconds: f64,
    pub submission: SubmissionIndex,
    pub readback: wgpu::Buffer,
    /// Compute passes that were timed.
    pub compute_passes: usize,
    /// What the rows that were picked asked for.
    pub wanted: Vec<Wanted>,
    /// Handles of the rows summarised.
    pub handles: Vec<RowHandle>,
    /// The tokens that were pinned.
    pub pinned: Vec<u32>,
}

/// A pass that is collected or discarded later.
pub(super) struct InFlightPass {
    pub submitted: Submitted,
    /// Sequence and position of its last row.
    pub last: (SequenceId, usize),
    /// Where its rows went, to forget them.
    pub placement: Placement,
}

/// The rows of a pass that branched off, as long as they may be accepted.
#[derive(Default)]
pub(super) struct Branches {
    /// For each row of the pass the slot of its key and value.
    pub slots: Vec<u32>,
    /// For each row of the pass its position.
    pub positions: Vec<usize>,
    /// For each row of the pass its token.
    pub tokens: Vec<u32>,
    /// The pages that hold them.
    pub scratch: Vec<u32>,
    /// Rows that have a state, and its slot.
    pub states: Vec<(usize, u32)>,
}

/// All passes whose results are not done with.
#[derive(Default)]
pub(super) struct Passes {
    in_flight: Vec<InFlightPass>,
    /// The number of the next one.
    next: u64,
    /// What the last pass computed next to its sequences.
    pub branches: Branches,
}

impl Passes {
    /// The number of a pass that is submitted now.
    pub(super) fn next_id(&mut self) -> PassId {
        self.next += 1;
        PassId(self.next - 1)
    }

    /// Whether no pass was submitted after this one.
    pub(super) fn is_newest(&self, pass: PassId) -> bool {
        pass.0 + 1 == self.next
    }

    /// Keeps a pass until it is taken.
    pub(super) fn keep(&mut self, pass: InFlightPass) {
        self.in_flight.push(pass);
    }

    /// A pass that is on its way.
    pub(super) fn get(&self, pass: PassId) -> &InFlightPass {
        let found = self.in_flight.iter().find(|known| known.submitted.id == pass);
        found.expect("the pass is on its way")
    }

    /// Takes a pass that is to be collected or discarded.
    pub(super) fn take(&mut self, pass: PassId) -> InFlightPass {
        let index = self.in_flight.iter().position(|known| known.submitted.id == pass);
        self.in_flight.remove(index.expect("a pass is collected or discarded once"))
    }

    /// Frees the pages and states of rows that branched off.
    pub(super) fn forget_branches(&mut self, cache: &mut Cache) {
        let Branches { scratch, states, .. } = std::mem::take(&mut self.branches);
        cache.pages.give_back(&scratch);
        states.into_iter().for_each(|(_, slot)| cache.states.table.give_back(slot));
    }
}
