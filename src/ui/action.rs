//! Everything that a person can do, as one closed list that buttons, menus and shortcuts share.

use std::sync::Arc;

use super::arrangement::Preset;
use super::connect_card::ConnectAction;
use super::earlier::Replaced;
use super::exports::Export;
use super::following::Towards;
use super::get_card::GetAction;
use super::lanes::{LaneAction, SecondAction};
use super::lessons::Lesson;
use super::pane::Pane;
use super::remembered::{Colouring, ThemeChoice};
use crate::decoding::StrategyKind;
use crate::session::{CacheFormat, ModelSource, ProbeTarget, WeightsChoice};
use crate::trace::Token;

/// Something a person asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Show the ways to open a model.
    ShowOpen,
    /// Ask for a folder by the system's dialog.
    PickFolder,
    /// Ask for a file by the system's dialog.
    PickFile,
    /// Ask by the system's dialog for another folder to look for models in.
    PickLibraryFolder,
    /// Look for models in this folder no more.
    ForgetLibraryFolder(std::path::PathBuf),
    /// Something with models that are not here yet.
    Get(GetAction),
    /// Something with models on servers.
    Connect(ConnectAction),
    /// Show what a model's headers say, to be loaded from there; the built-in one and those on servers are loaded
    /// at once.
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
    /// Send the message of a conversation: the keyboard stays where it was written.
    Send,
    /// Hold the run.
    Pause,
    /// Run, or hold what runs.
    ToggleRun,
    /// One step: of a paused run, or the first of a new one. A run that came to its end stays.
    StepOnce,
    /// The first step of a new run.
    StepAnew,
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
    /// Look inside the pass that led to a token of the run.
    LookInside(ProbeTarget),
    /// Put the run's text through the decoder again, with the KV cache and without it.
    Compare,
    /// End that.
    EndComparison,
    /// Time the ops of the pass that led to a node of the run.
    Profile(usize),
    /// Let models take so many bytes of GPU memory at most, from the next load on.
    UseGpuMemory(Option<u64>),
    /// Show the card of the model that was asked for last, to load it otherwise.
    InspectLoaded,
    /// Select the candidate that stands so many rows below.
    MoveCandidate(isize),
    /// Go on with the selected candidate.
    BranchSelected,
    /// Return to the line before the last branch; without one, to what was replaced last.
    Undo,
    /// Bring back what another run or conversation took the place of.
    BringBack(Replaced),
    /// Show a node of the trace: select it, on a line that leads to it.
    ShowNode(usize),
    /// Show the line that ends in this node of the trace.
    FollowLine(usize),
    /// Load the draft model inside the program.
    LoadBuiltInDraft,
    /// Ask by the system's dialog for a draft model's folder.
    PickDraftFolder,
    /// Ask by the system's dialog for a draft model's file.
    PickDraftFile,
    /// Load a draft model.
    LoadDraft(std::path::PathBuf),
    /// Forget the draft model.
    DropDraft,
    /// Something with lanes.
    Lane(LaneAction),
    /// Something with another model beside them.
    Second(SecondAction),
    /// Pin a token, or take it off.
    TogglePin(Token),
    /// Light, dark, or as the system.
    SetTheme(ThemeChoice),
    /// Show or hide the inspector.
    ToggleInspector,
    /// Choose by this strategy from the next run on.
    UseStrategy(StrategyKind),
    /// Colour the chips by this.
    UseColouring(Colouring),
    /// Put prompts as chats, or not.
    ToggleChat,
    /// Begin a conversation anew.
    NewConversation,
    /// Go back to a turn of the conversation, by its place, to ask it anew.
    AskAnew(usize),
    /// Make everything larger (1), smaller (−1), or of the usual size (0).
    Zoom(i8),
    /// Put the panes where a purpose wants them.
    Arrange(Preset),
    /// Put the panes where they were at first.
    ResetArrangement,
    /// Show everything that can be done, to be found by name.
    TogglePalette,
    /// Show what to send to the developers where something broke.
    ShowProblem,
    /// Show the keyboard's shortcuts.
    ToggleShortcuts,
    /// Show the lessons.
    ToggleLessons,
    /// Begin a lesson.
    BeginLesson(Arc<Lesson>),
    /// Ask by the system's dialog for a lesson's file.
    PickLesson,
    /// Go to a step of the lesson, or out of it.
    GoInLesson(Towards),
    /// The same, with the prompt that was typed kept or not.
    ArriveInLesson(Towards, bool),
    /// Do what the button of the lesson's step says.
    RunLessonStep,
    /// Show what the user was told.
    ToggleNotices,
    /// Bring a pane to the front.
    ShowPane(Pane),
    /// Show where something is to be saved.
    Export(Export),
    /// Write it to a file.
    SaveTo {
        /// What.
        export: Export,
        /// The file.
        path: std::path::PathBuf,
        /// Whether one that is there may go.
        replace: bool,
    },
    /// Ask by the system's dialog where to save something.
    PickPlace(Export),
    /// Show a trace that was saved before.
    OpenTrace,
    /// Copy a text.
    Copy(String),
    /// Forget everything remembered: settings, recent models, layout.
    ResetAll,
}
