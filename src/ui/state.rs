//! What the window itself knows, from its opening to its end. The trace is not here.

use std::path::PathBuf;

use super::chips::ChipLayout;
use super::cursor::Cursor;
use super::remembered::Remembered;
use crate::session::{ModelCard, ModelSource, Pace};

/// Which pane a narrow window shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactPane {
    /// Prompt and settings.
    Prompt,
    /// The chips.
    Text,
    /// The pipeline table.
    Pipeline,
    /// Probability over rank.
    Curve,
    /// What the strategy weighed.
    Strategy,
    /// The run's tree.
    Tree,
    /// The inspector.
    Step,
}

/// A candidate of a step, chosen by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateChoice {
    /// The step: an index in the trace's nodes.
    pub node: usize,
    /// Which of the node's candidates.
    pub index: usize,
}

/// Where the run on show comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The worker made it, and can go on with it.
    Worker,
    /// The worker made it with a model that is not open any more.
    Past,
    /// A saved trace.
    File,
}

/// What the window asked of the worker and has not got yet. Until then it does not ask again, however long a key is
/// held down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Nothing.
    Nothing,
    /// That a run begins, at this pace.
    Start(Pace),
    /// A single step.
    Step,
    /// That the run branches.
    Branch,
}

/// A notice on its way out of sight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Toast {
    /// Its number among all notices of the view, from 0.
    pub notice: usize,
    /// When it appeared, in the window's seconds.
    pub born: f64,
}

/// A model whose headers were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// Where it is.
    pub source: ModelSource,
    /// What its headers say.
    pub card: ModelCard,
}

/// The window's own state.
pub struct State {
    /// What is kept between sessions.
    pub remembered: Remembered,
    /// The selected step.
    pub cursor: Cursor,
    /// The path field of the open card.
    pub path_field: String,
    /// Whether the open card shows.
    pub open_shown: bool,
    /// Whether the path field of the open card takes the keyboard: for the card's first frame.
    pub focus_path: bool,
    /// Whether the card shows that saves the trace.
    pub save_shown: bool,
    /// Its path field.
    pub save_path: String,
    /// Where the trace was not saved, because a file is there.
    pub taken_path: Option<PathBuf>,
    /// The model that is asked about: to be loaded, or not.
    pub inspected: Option<Inspected>,
    /// Positions to allow for it; `None` is the model's own context.
    pub context: Option<usize>,
    /// Whether the shortcuts card shows.
    pub shortcuts_shown: bool,
    /// Whether the list of notices shows.
    pub notices_shown: bool,
    /// Notices that show by themselves.
    pub toasts: Vec<Toast>,
    /// Notices of the view that became toasts already.
    pub notices_seen: usize,
    /// When the present part of a load or initiation began or went on, in the window's seconds.
    pub progress_since: Option<f64>,
    /// How many prompt tokens were done then.
    pub progress_from: usize,
    /// What the worker was asked for and has not done yet.
    pub awaited: Awaited,
    /// The pane of a narrow window.
    pub compact_pane: CompactPane,
    /// Where the chips lie.
    pub chips: ChipLayout,
    /// Most new tokens of the run on show, as asked for when it began.
    pub wanted_tokens: usize,
    /// Whether a text was being edited in the last frame.
    pub typing: bool,
    /// The candidate that the keyboard chose of a step.
    pub candidate: Option<CandidateChoice>,
    /// Where the lines ended that branches left, the newest last.
    pub lines_left: Vec<usize>,
    /// The place to select once the line that was asked for is on show.
    pub awaited_place: Option<usize>,
    /// Position of prompt and text, from 0, that a panel points at: its chip lights up.
    pub pointed_at: Option<usize>,
    /// The same, as the panels of this frame propose it for the next one.
    pub next_pointed_at: Option<usize>,
    /// Where the run on show comes from.
    pub origin: Origin,
    /// The path field of the draft model.
    pub draft_path: String,
    /// Number of the run whose prompt the worker was asked to score.
    pub scored_run: Option<u64>,
    /// Number of the run shown; it tells caches that the trace is another one.
    pub run_number: u64,
}

/// Where a trace is saved if nobody says otherwise: in the person's own folder.
fn first_trace_path() -> String {
    let folder = std::env::home_dir().unwrap_or_default();
    folder.join("trace.json").display().to_string()
}

impl State {
    /// Whether a card lies over the window and takes the keyboard.
    pub fn card_shown(&self) -> bool {
        self.open_shown
            || self.save_shown
            || self.inspected.is_some()
            || self.shortcuts_shown
            || self.notices_shown
    }

    /// The state of a window that was just opened.
    pub fn new(remembered: Remembered) -> Self {
        Self {
            remembered,
            cursor: Cursor::default(),
            path_field: String::new(),
            open_shown: false,
            focus_path: false,
            save_shown: false,
            save_path: first_trace_path(),
            taken_path: None,
            inspected: None,
            context: None,
            shortcuts_shown: false,
            notices_shown: false,
            toasts: Vec::new(),
            notices_seen: 0,
            progress_since: None,
            progress_from: 0,
            awaited: Awaited::Nothing,
            compact_pane: CompactPane::Text,
            chips: ChipLayout::default(),
            wanted_tokens: 0,
            typing: false,
            candidate: None,
            lines_left: Vec::new(),
            awaited_place: None,
            pointed_at: None,
            next_pointed_at: None,
            origin: Origin::Worker,
            draft_path: String::new(),
            scored_run: None,
            run_number: 0,
        }
    }
}
