//! The window: reads a [`crate::session::View`], sends [`crate::session::Command`]s. One file a panel.
//!
//! | file | owns |
//! | --- | --- |
//! | `app` | the frame: takes events in, performs actions |
//! | `branching` | candidates chosen by hand, other lines of the run's tree |
//! | `tree_rows` | the run's tree as rows |
//! | `action` | the closed list of what a person can do, with its shortcuts |
//! | `state` | what the window knows besides the view: cursor, what is remembered |
//! | `worker` | the other end: a trait, so that tests can script it |
//! | `panels/*` | one panel each; they read a [`Scene`] and push [`action::Action`]s |
//! | `layout` | where the panels lie |
//! | `dock` | the panes of the centre |
//! | `dialog`, `inspecting`, `trace_files` | file dialogs, models' headers, saved traces: on threads of their own |
//! | `pacing` | input, handed over as fast as frames can take it |
//! | `theme` | design tokens |
//! | `definitions` | what each number means |
//! | `axes`, `chips`, `colours`, `format`, `icons`, `table`, `token_text`, `widgets` | how things look |
//!
//! Nothing here sees a GPU type of the engine or a model's file, and nothing blocks.

pub mod action;
pub mod app;
mod axes;
mod branching;
mod chips;
mod colours;
pub mod definitions;
mod dialog;
mod dock;
mod format;
mod icons;
mod inspecting;
mod layout;
mod pacing;
mod panels;
pub mod state;
mod table;
pub mod theme;
mod token_text;
mod trace_files;
mod tree_rows;
mod widgets;
pub mod worker;

pub use app::App;
pub use worker::Worker;

use std::sync::Arc;

use crate::session::{ModelSource, Session, View};
use crate::trace::{Node, Run};
use action::Action;
use state::State;

/// The name under which the system keeps the window's settings.
const APP_ID: &str = "logitscope";

/// Wakes the window from another thread: it takes events in at its next frame.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Why the window could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "the window cannot open: {0}; without a display, `logitscope generate` decodes in the terminal \
     (see `logitscope generate --help`)"
)]
pub struct UiError(#[from] eframe::Error);

/// Opens the window with a first model, on the engine's own worker; returns when it is closed.
pub fn run(initial: ModelSource) -> Result<(), UiError> {
    run_with(initial, |wake| Session::start(move || wake()))
}

/// Opens the window and returns when it is closed. `start` begins the worker; it is called once, on the
/// window's thread.
pub fn run_with<W: Worker + 'static>(
    initial: ModelSource,
    start: impl FnOnce(Wake) -> W,
) -> Result<(), UiError> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Logitscope")
        .with_app_id(APP_ID)
        .with_inner_size([1440.0, 900.0])
        .with_min_inner_size([720.0, 480.0])
        .with_icon(icons::window_icon())
        .with_drag_and_drop(true);
    let options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    let create = move |creation: &eframe::CreationContext<'_>| {
        let ctx = creation.egui_ctx.clone();
        let worker = start(Arc::new(move || ctx.request_repaint()));
        let app = App::new(creation, Box::new(worker), initial);
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    Ok(eframe::run_native(APP_ID, options, Box::new(create))?)
}

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

    /// The step on show, with its place in the line.
    pub fn shown_node(&self) -> Option<(usize, &'a Node)> {
        let run = self.run()?;
        let place = self.state.cursor.shown(run.line.len())?;
        Some((place, run.at(place)?))
    }
}
