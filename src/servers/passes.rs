//! Passes that were begun and not collected.

use std::collections::VecDeque;

use super::stream::TokenStream;
use crate::model::SequenceId;
use crate::model::batch::RowOutput;
use crate::model::language_model::PassId;

/// Passes that were begun and not collected, in their order.
#[derive(Default)]
pub(super) struct Passes {
    pub(super) passes: VecDeque<Pass>,
    next: u64,
    /// What the server goes on with, after the text of the first pass.
    pub(super) stream: Option<TokenStream>,
}

/// A pass over one row.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    pub(super) id: PassId,
    pub(super) sequence: SequenceId,
    /// Where its row stands.
    pub(super) position: usize,
    pub(super) output: RowOutput,
}

impl Passes {
    pub(super) fn begin(&mut self, sequence: SequenceId, position: usize, output: RowOutput) -> PassId {
        let id = PassId(self.next);
        self.next += 1;
        self.passes.push_back(Pass { id, sequence, position, output });
        id
    }

    pub(super) fn take(&mut self, pass: PassId) -> Option<Pass> {
        let place = self.passes.iter().position(|other| other.id == pass)?;
        self.passes.remove(place)
    }
}
