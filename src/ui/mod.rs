//! The window: reads a [`crate::session::View`], sends [`crate::session::Command`]s. One file a panel.
//!
//! | file | owns |
//! | --- | --- |
//! | `app` | the frame: takes events in, lays panels out |
//! | `performing`, `opening`, `running` | what the app does: for each action, to open models and traces, to run a prompt |
//! | `lanes`, `lane_names`, `laning` | runs side by side: as they are set up, their names, what the app does for them |
//! | `earlier`, `bringing_back` | runs and conversations that others took the place of; what the app does for them |
//! | `branching` | candidates chosen by hand, other lines of the run's tree |
//! | `tree_rows` | the run's tree as rows |
//! | `action` | the closed list of what a person can do, with its shortcuts |
//! | `keyboard` | the shortcuts |
//! | `state`, `cursor`, `remembered` | what the window knows besides the view: which token it shows, what is kept between sessions |
//! | `scene` | what a panel sees in one frame |
//! | `worker` | the other end: a trait, so that tests can script it |
//! | `panels/*` | one panel each; they read a `scene::Scene` and push [`action::Action`]s |
//! | `layout` | where the panels lie |
//! | `pane`, `arrangement`, `dock` | the panes of the centre: their names, where they lie, how they show |
//! | `dialog`, `inspecting`, `trace_files` | file dialogs, models' headers, saved files: on threads of their own |
//! | `connect_card`, `asking`, `connecting`, `keys` | models on servers: the card, the question on a thread of its own, what the app does, keys for as long as it runs |
//! | `shelf`, `looking`, `shelving` | the models on this computer: the list, the search on a thread of its own, what the app does |
//! | `exports`, `exporting`, `picture` | what leaves the window as a file: its names, its data, a pane drawn off screen |
//! | `pacing` | input, handed over as fast as frames can take it |
//! | `theme` | design tokens |
//! | `definitions` | what each number means |
//! | `sent` | what the numbers of a run are whose model was on a server |
//! | `loading` | the parts of loading in words |
//! | `controls`, `typed` | rows with a control on the right, and what was typed into them |
//! | `axes`, `chips`, `colours`, `format`, `icons`, `table`, `token_job`, `token_text`, `widgets` | how things look |
//!
//! Nothing here sees a GPU type of the engine or a model's file, and nothing blocks.

pub mod action;
pub mod app;
mod arrangement;
mod asking;
mod axes;
mod branching;
mod bringing_back;
pub mod cards;
mod chips;
mod colours;
pub mod connect_card;
mod connecting;
mod controls;
pub mod cursor;
pub mod definitions;
mod dialog;
mod dock;
pub mod downloads;
pub mod earlier;
mod exporting;
mod exports;
mod fetching;
pub mod following;
mod format;
pub mod get_card;
mod getting;
mod icons;
mod inside;
mod inspecting;
mod keyboard;
pub mod keys;
mod lane_names;
pub mod lanes;
mod laning;
mod layout;
pub mod lessons;
mod loading;
mod looking;
pub mod measuring;
mod opening;
mod pacing;
pub mod pane;
mod panels;
mod performing;
mod picture;
mod pinning;
pub mod remembered;
mod running;
mod scene;
mod segments;
mod sent;
pub mod shelf;
mod shelving;
pub mod state;
mod table;
mod talk;
mod teaching;
pub mod theme;
mod timing;
mod token_job;
mod token_text;
mod trace_files;
mod tree_rows;
mod typed;
mod what_if;
mod widgets;
pub mod worker;

pub use app::App;
pub use worker::Worker;

use std::sync::Arc;

use eframe::egui_wgpu::{WgpuError, WgpuSetup};

use crate::library::Environment;
use crate::session::{ModelSource, ServerKeys, Session, adapter_for_window};

/// The name under which the system keeps the window's settings.
const APP_ID: &str = "logitscope";

/// Wakes the window from another thread: it takes events in at its next frame.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Why the window could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum UiError {
    /// No adapter draws it.
    #[error(
        "the window cannot open: {0}. Update the GPU's driver; a software Vulkan driver works as well (on Linux: \
         package mesa-vulkan-drivers, Mesa 25 or newer)"
    )]
    NoAdapter(String),
    /// The system has no place for it.
    #[error(
        "the window cannot open: {0}; without a display, `logitscope generate` decodes in the terminal \
         (see `logitscope generate --help`)"
    )]
    Window(eframe::Error),
}

impl From<eframe::Error> for UiError {
    fn from(error: eframe::Error) -> Self {
        match error {
            eframe::Error::Wgpu(WgpuError::CustomNativeAdapterSelectionError(reason)) => {
                Self::NoAdapter(reason)
            }
            other => Self::Window(other),
        }
    }
}

/// What the window begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// With the settings and panes of the last time.
    Remembered,
    /// As at the first start.
    Fresh,
}

/// Opens the window with a first model, on the engine's own worker; returns when it is closed.
pub fn run(initial: ModelSource, memory: Memory) -> Result<(), UiError> {
    run_with(initial, memory, |wake| Session::start(move || wake()))
}

/// Opens the window and returns when it is closed. `start` begins the worker; it is called once, on the
/// window's thread.
pub fn run_with<W: Worker + 'static>(
    initial: ModelSource,
    memory: Memory,
    start: impl FnOnce(Wake) -> W,
) -> Result<(), UiError> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Logitscope")
        .with_app_id(APP_ID)
        // With title bar and taskbar it fits a screen of 1366 × 768.
        .with_inner_size([1320.0, 660.0])
        .with_min_inner_size([720.0, 480.0])
        .with_icon(icons::window_icon())
        .with_drag_and_drop(true);
    let mut options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    draw_by_what_works(&mut options);
    let create = move |creation: &eframe::CreationContext<'_>| {
        let ctx = creation.egui_ctx.clone();
        let worker = start(Arc::new(move || ctx.request_repaint()));
        let app = App::new(creation, Box::new(worker), initial)
            .looking_in(Environment::of_process())
            .keeping_keys_in(ServerKeys::default());
        let app = if memory == Memory::Fresh { app.as_at_first() } else { app };
        Ok(Box::new(app) as Box<dyn eframe::App>)
    };
    Ok(eframe::run_native(APP_ID, options, Box::new(create))?)
}

/// Lets the window be drawn by the first adapter that works: eframe itself gives up where the best one does not.
fn draw_by_what_works(options: &mut eframe::NativeOptions) {
    let WgpuSetup::CreateNew(setup) = &mut options.wgpu_options.wgpu_setup else { return };
    let (preference, descriptor) = (setup.power_preference, Arc::clone(&setup.device_descriptor));
    setup.native_adapter_selector = Some(Arc::new(move |adapters, surface| {
        adapter_for_window(adapters, surface, preference, &*descriptor)
    }));
}
