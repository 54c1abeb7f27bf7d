//! Which of a model's rotary frequencies a run is computed with, where it has two sets of them: the longest text that the run
//! may get decides, before it begins. Keys in the cache are turned by one set, so only runs of the same set share them.

use super::decode::Decode;
use super::load::ReadyModel;
use crate::model::SequenceId;
use crate::trace::LongRope;

impl Decode {
    /// An empty sequence that computes as those of the run do.
    pub(super) fn new_sequence(&self, ready: &mut ReadyModel) -> SequenceId {
        ready.model.new_sequence_for(self.longest())
    }

    /// Positions that fit into sequences which compute as those of the run do.
    pub(super) fn room(&self, ready: &ReadyModel) -> usize {
        let context = ready.model.context();
        self.run.long_rope.map_or(context, |rope| rope.room(context))
    }

    /// Whether sequences of the two compute the same.
    pub(super) fn computes_as(&self, other: &Self) -> bool {
        let is_long = |decode: &Self| decode.run.long_rope.map(LongRope::is_long);
        is_long(self) == is_long(other)
    }
}
