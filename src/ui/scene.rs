//! What a panel sees in one frame.

use super::action::Action;
use super::state::State;
use crate::session::View;
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
        self.view.run.as_ref()
    }

    /// The step on show, with its place in the line.
    pub(super) fn shown_node(&self) -> Option<(usize, &'a Node)> {
        let run = self.run()?;
        let place = self.state.cursor.shown(run.line.len())?;
        Some((place, run.at(place)?))
    }
}
