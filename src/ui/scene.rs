//! What a panel sees in one frame.

use super::action::Action;
use super::state::{Origin, State};
use crate::session::{MOST_PINNED, View};
use crate::trace::{Node, Run};

/// What a panel sees in one frame.
pub(super) struct Scene<'a> {
    /// The worker's state and the trace, read only.
    pub view: &'a View,
    /// The window's own state.
    pub state: &'a mut State,
    /// What the person asked for; performed after the frame.
    pub actions: &'a mut Vec<Action>,
}

impl<'a> Scene<'a> {
    /// The run on show.
    pub(super) fn run(&self) -> Option<&'a Run> {
        self.view.run.as_deref()
    }

    /// Whether a token is pinned in the run on show.
    pub(super) fn is_pinned(&self, token: u32) -> bool {
        match self.state.origin {
            Origin::Worker => self.view.pinned.iter().any(|pinned| pinned.token.id == token),
            Origin::Past | Origin::File => {
                self.run().is_some_and(|run| run.pinned.iter().any(|pinned| pinned.id == token))
            }
        }
    }

    /// Whether a token may be pinned, or taken off: not one that pins itself, and none above the most.
    pub(super) fn can_toggle_pin(&self, token: u32) -> bool {
        if self.state.origin != Origin::Worker {
            return true;
        }
        let pinned = self.view.pinned.iter().find(|pinned| pinned.token.id == token);
        pinned.map_or(self.view.pinned.len() < MOST_PINNED, |pinned| !pinned.automatic)
    }

    /// The step on show, with its place in the line.
    pub(super) fn shown_node(&self) -> Option<(usize, &'a Node)> {
        let run = self.run()?;
        let place = self.state.cursor.shown(run.line.len())?;
        Some((place, run.at(place)?))
    }
}
