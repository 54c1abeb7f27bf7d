//! The window: reads a [`crate::session::View`], sends [`crate::session::Command`]s. One file a panel.
//!
//! | file | owns |
//! | --- | --- |
//! | `app` | the frame: drains events, lays out panels, performs actions |
//! | `action` | the closed list of what a person can do, with its shortcuts |
//! | `state` | what the window knows besides the view: cursor, what is remembered |
//! | `worker` | the other end: a trait, so that tests can script it |
//! | `panels/*` | one panel each; they read a [`Scene`] and push [`action::Action`]s |
//! | `dock` | the panes of the centre |
//! | `theme` | design tokens |
//! | `definitions` | what each number means |
//! | `chips`, `colours`, `format`, `icons`, `token_text`, `widgets` | how things look |
//!
//! Nothing here sees a GPU type of the engine or a model's file, and nothing blocks.

pub mod action;
pub mod app;
mod chips;
mod colours;
pub mod definitions;
mod dialog;
mod dock;
mod format;
mod icons;
mod panels;
pub mod state;
pub mod theme;
mod token_text;
mod widgets;
pub mod worker;

pub use app::App;
pub use worker::Worker;

use crate::session::View;
use crate::trace::{Node, Run};
use action::Action;
use state::State;

/// What a panel sees in one frame.
pub struct Scene<'a> {
    /// The worker's state and the trace, read only.
    pub view: &'a View,
    /// The window's own state.
    pub state: &'a mut State,
    /// What the person asked for; performed after the frame.
    pub actions: &'a mut Vec<Action>,
}

impl<'a> Scene<'a> {
    /// The run on show.
    pub fn run(&self) -> Option<&'a Run> {
        self.view.run.as_ref()
    }

    /// The step on show, with its index.
    pub fn shown_node(&self) -> Option<(usize, &'a Node)> {
        let nodes = &self.run()?.nodes;
        let index = self.state.cursor.shown(nodes.len())?;
        Some((index, &nodes[index]))
    }
}
