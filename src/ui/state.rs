//! What the window itself knows, from its opening to its end. The trace is not here.

use std::time::Duration;

use super::arrangement::Preset;
use super::cards::Cards;
use super::chips::ChipLayout;
use super::cursor::Cursor;
use super::downloads::Downloads;
use super::earlier::Earlier;
pub use super::earlier::Origin;
use super::following::Following;
use super::inside::Inside;
use super::keys::Keys;
use super::measuring::Measuring;
use super::pane::{CompactPane, Pane};
use super::remembered::Remembered;
use super::segments::Segments;
use super::what_if::Foretold;
use crate::session::{Pace, Status, View};

/// What the lines of pinned tokens show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinScale {
    /// Raw logits.
    Logit,
    /// Log-probabilities under the raw softmax.
    #[default]
    LogProbability,
    /// Ranks.
    Rank,
}

/// A candidate that the pointer rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeekAt {
    /// Node and token.
    pub of: (usize, u32),
    /// Since when, in the window's seconds.
    pub since: f64,
    /// Whether the worker was asked what would follow.
    pub asked: bool,
}

/// A candidate of a step, chosen by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateChoice {
    /// The step: an index in the trace's nodes.
    pub node: usize,
    /// Which of the node's candidates.
    pub index: usize,
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

/// The window's own state.
pub struct State {
    /// Whether the program was begun in safe mode.
    pub is_safe: bool,
    /// How many of the notices a person has seen in their list.
    pub notices_read: usize,
    /// Whether the grammar's editor is to come into sight.
    pub show_grammar: bool,
    /// What is kept between sessions.
    pub remembered: Remembered,
    /// The selected step.
    pub cursor: Cursor,
    /// The preset in which the panes lie.
    pub preset: Option<Preset>,
    /// The models that come from the hub.
    pub downloads: Downloads,
    /// Keys of servers.
    pub keys: Keys,
    /// The cards over the window.
    pub cards: Cards,
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
    /// Where panes lay in the last frame.
    pub pane_places: Vec<(Pane, egui::Rect)>,
    /// Where the chips lie.
    pub chips: ChipLayout,
    /// The segments that they are in.
    pub segments: Segments,
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
    /// What is looked into inside a step.
    pub inside: Inside,
    /// The lesson that is followed.
    pub lesson: Option<Following>,
    /// What is shown and asked of times and of the cache.
    pub measuring: Measuring,
    /// What runs and conversations took the place of.
    pub earlier: Earlier,
    /// When a run ended by itself, in the window's seconds.
    pub ended_at: Option<f64>,
    /// Where the run on show comes from.
    pub origin: Origin,
    /// The path field of the draft model.
    pub draft_path: String,
    /// The candidate that the pointer rests on.
    pub peek: Option<PeekAt>,
    /// The same, as the panels of this frame propose it for the next one: node and token.
    pub next_peek: Option<(usize, u32)>,
    /// The node whose whole row the vocabulary field lacks, as long as it is in sight.
    pub field_wants: Option<usize>,
    /// The node whose whole row the worker was asked for last.
    pub row_asked: Option<usize>,
    /// The stage after which kept tokens are lit in the vocabulary field; `None` lights all.
    pub field_stage: Option<usize>,
    /// Whether the settings are held against the run on show, and what they would have made of it.
    pub what_if: bool,
    /// What they would have made of it, as far as that is worked out.
    pub foretold: Option<Foretold>,
    /// The lane whose settings the settings are.
    pub edited_lane: Option<usize>,
    /// Whether the worker holds the runs of the lanes, so that it can go on with each.
    pub lanes_held: bool,
    /// The search field for tokens.
    pub pin_query: String,
    /// What the lines of pinned tokens show.
    pub pin_scale: PinScale,
    /// Number of the run whose prompt the worker was asked to score.
    pub scored_run: Option<u64>,
    /// Number of the run that answers the newest question of the conversation.
    pub answering_run: Option<u64>,
    /// Whether the run that was asked for is to answer it.
    pub asked_in_chat: bool,
    /// For how long the GPU has not answered, where that is unusual.
    pub gpu_silence: Option<Duration>,
    /// Number of the run shown; it tells caches that the trace is another one.
    pub run_number: u64,
}

impl State {
    /// The state of a window that was just opened.
    pub fn new(remembered: Remembered) -> Self {
        Self {
            is_safe: false,
            notices_read: 0,
            show_grammar: false,
            downloads: Downloads::left(&remembered.downloads),
            remembered,
            cursor: Cursor::default(),
            preset: None,
            keys: Keys::default(),
            cards: Cards::default(),
            toasts: Vec::new(),
            notices_seen: 0,
            progress_since: None,
            progress_from: 0,
            awaited: Awaited::Nothing,
            compact_pane: CompactPane::Pane(Pane::Text),
            pane_places: Vec::new(),
            chips: ChipLayout::default(),
            segments: Segments::default(),
            wanted_tokens: 0,
            typing: false,
            candidate: None,
            lines_left: Vec::new(),
            awaited_place: None,
            pointed_at: None,
            next_pointed_at: None,
            inside: Inside::default(),
            lesson: None,
            measuring: Measuring::default(),
            earlier: Earlier::default(),
            ended_at: None,
            origin: Origin::Worker,
            draft_path: String::new(),
            peek: None,
            next_peek: None,
            field_wants: None,
            row_asked: None,
            field_stage: None,
            what_if: false,
            foretold: None,
            edited_lane: None,
            lanes_held: false,
            pin_query: String::new(),
            pin_scale: PinScale::default(),
            scored_run: None,
            answering_run: None,
            asked_in_chat: false,
            gpu_silence: None,
            run_number: 0,
        }
    }

    /// Whether the page before the first run offers models: as long as a person has opened none.
    pub(super) fn offers_models(&self, view: &View) -> bool {
        let loading = matches!(view.status, Status::Loading { .. });
        let opened = &self.remembered;
        opened.recent.is_empty()
            && opened.servers.is_empty()
            && self.lesson.is_none()
            && view.run.is_none()
            && !loading
    }
}
