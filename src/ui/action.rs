//! Everything that a person can do, as one closed list that buttons, menus and shortcuts share.

use egui::{Context, Key, KeyboardShortcut, Modifiers};

use super::state::{State, ThemeChoice};
use crate::session::{CacheFormat, ModelSource, WeightsChoice};

/// Something a person asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Show the ways to open a model.
    ShowOpen,
    /// Ask for a folder by the system's dialog.
    PickFolder,
    /// Ask for a file by the system's dialog.
    PickFile,
    /// Show what a model's headers say, to be loaded from there; the built-in one is loaded at once.
    Open(ModelSource),
    /// Load a model.
    Load(ModelSource),
    /// Forget the models opened before.
    ClearRecent,
    /// Use another adapter, and load the model again on it; `None` is the best.
    UseAdapter(Option<String>),
    /// Load weights in this precision, and the open model again.
    UseWeights(WeightsChoice),
    /// Keep keys and values in this precision, and load the open model again; `None` follows the weights.
    UseCache(Option<CacheFormat>),
    /// Allow so many positions for the model that is asked about; `None` is the model's own context.
    UseContext(Option<usize>),
    /// Begin a run, or go on with one.
    Run,
    /// Hold the run.
    Pause,
    /// Run, or hold what runs.
    ToggleRun,
    /// One step: of a paused run, or the first of a new one.
    StepOnce,
    /// End the run.
    Stop,
    /// Select a step by its index in the trace.
    Select(usize),
    /// Select a token of the prompt by its index.
    SelectPrompt(usize),
    /// Select the step before; before the first one come the prompt's tokens.
    SelectPrevious,
    /// Select the step after.
    SelectNext,
    /// Select the first step.
    SelectFirst,
    /// Select the newest step, and follow.
    SelectLast,
    /// Whether the selection follows the newest step.
    ToggleFollow,
    /// Go on from a step of the run with another of its candidates.
    Branch {
        /// The step: an index in the trace's nodes.
        node: usize,
        /// The candidate's token.
        token: u32,
    },
    /// Select the candidate that stands so many rows below.
    MoveCandidate(isize),
    /// Go on with the selected candidate.
    BranchSelected,
    /// Return to the line before the last branch.
    UndoBranch,
    /// Show a node of the trace: select it, on a line that leads to it.
    ShowNode(usize),
    /// Show the line that ends in this node of the trace.
    FollowLine(usize),
    /// Ask by the system's dialog for a draft model's folder.
    PickDraftFolder,
    /// Ask by the system's dialog for a draft model's file.
    PickDraftFile,
    /// Load a draft model.
    LoadDraft(std::path::PathBuf),
    /// Forget the draft model.
    DropDraft,
    /// Light, dark, or as the system.
    SetTheme(ThemeChoice),
    /// Show or hide the inspector.
    ToggleInspector,
    /// Show the keyboard's shortcuts.
    ToggleShortcuts,
    /// Show what the user was told.
    ToggleNotices,
    /// Show where the run's trace is to be saved.
    SaveTrace,
    /// Write the run's trace to a file.
    SaveTo {
        /// The file.
        path: std::path::PathBuf,
        /// Whether one that is there may go.
        replace: bool,
    },
    /// Ask by the system's dialog where to save the run's trace.
    PickTracePlace,
    /// Show a trace that was saved before.
    OpenTrace,
    /// Copy a text.
    Copy(String),
    /// Forget everything remembered: settings, recent models, layout.
    ResetAll,
}

/// Shortcuts with what they do, in the order of the shortcuts card.
pub const SHORTCUTS: &[(KeyboardShortcut, &str, Action)] = &[
    (plain(Key::Space), "Run or pause", Action::ToggleRun),
    (command(Key::Enter), "Run", Action::Run),
    (plain(Key::S), "One step", Action::StepOnce),
    (plain(Key::Period), "One step", Action::StepOnce),
    (plain(Key::Escape), "Stop; put errors away", Action::Stop),
    (plain(Key::ArrowLeft), "Step before", Action::SelectPrevious),
    (plain(Key::ArrowRight), "Step after", Action::SelectNext),
    (plain(Key::Home), "First step", Action::SelectFirst),
    (plain(Key::End), "Newest step, and follow", Action::SelectLast),
    (plain(Key::ArrowUp), "Candidate above", Action::MoveCandidate(-1)),
    (plain(Key::ArrowDown), "Candidate below", Action::MoveCandidate(1)),
    (plain(Key::B), "Branch: go on with the selected candidate", Action::BranchSelected),
    (plain(Key::U), "Undo: back to the line before the branch", Action::UndoBranch),
    (plain(Key::F), "Follow the newest step", Action::ToggleFollow),
    (plain(Key::I), "Show or hide the inspector", Action::ToggleInspector),
    (command(Key::O), "Open a model", Action::ShowOpen),
    (command(Key::S), "Save the trace", Action::SaveTrace),
    (plain(Key::N), "Show notices", Action::ToggleNotices),
    (plain(Key::F1), "Show shortcuts", Action::ToggleShortcuts),
    (plain(Key::Questionmark), "Show shortcuts", Action::ToggleShortcuts),
];

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

/// The actions that the keyboard asks for in this frame. While a text is being edited only shortcuts with a
/// command key count, and behind a card none but the one that closes it.
pub fn from_keyboard(ctx: &Context, state: &State) -> Vec<Action> {
    // Escape takes the focus from an editor before this is asked, and must do nothing else then.
    let typing = state.typing || ctx.text_edit_focused();
    let card = state.card_shown() || ctx.memory(|memory| memory.top_modal_layer()).is_some();
    let popup = egui::Popup::is_any_open(ctx);
    let focus = ctx.memory(|memory| memory.focused()).is_some();
    ctx.input_mut(|input| {
        SHORTCUTS
            .iter()
            .filter(|(shortcut, _, action)| {
                let free = shortcut.modifiers.command || !typing;
                let behind = card && !state.closes_card(action);
                // Escape closes an open popup before it stops a run; Space presses a button that has the focus.
                let taken = match shortcut.logical_key {
                    Key::Escape => popup,
                    Key::Space => popup || focus,
                    _ => false,
                };
                free && !taken && !behind
            })
            .filter(|(shortcut, _, _)| {
                // A question mark needs shift on most keyboards, so its modifiers say nothing.
                if shortcut.logical_key == Key::Questionmark {
                    input.key_pressed(Key::Questionmark)
                } else {
                    input.consume_shortcut(shortcut)
                }
            })
            .map(|(_, _, action)| action.clone())
            .collect()
    })
}
