//! What the window itself knows: what is remembered between sessions, and the cursor. The trace is not here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::action::Action;
use super::chips::ChipLayout;
use crate::decoding::{DecodingSettings, StageSettings, StrategyKind};
use crate::session::{CacheFormat, ModelCard, ModelSource, Pace, WeightsChoice};

/// Most models that are remembered.
const RECENT: usize = 8;

/// The prompt of a first start.
const FIRST_PROMPT: &str = "Once upon a time";

/// The seed of a first start: with it the built-in model's tale begins well.
const FIRST_SEED: u64 = 22;

/// What is kept between sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// Light or dark.
    pub theme: ThemeChoice,
    /// Models opened before, newest first.
    pub recent: Vec<PathBuf>,
    /// The adapter asked for; `None` is the best.
    pub adapter: Option<String>,
    /// The precision that weights are loaded in.
    pub weights: WeightsChoice,
    /// The precision of the KV cache; `None` follows the weights.
    pub cache: Option<CacheFormat>,
    /// The prompt's text.
    pub prompt: String,
    /// Whether the tokenizer adds its special tokens.
    pub add_special: bool,
    /// Whether the prompt is put as a user's message into the model's chat template, where it has one.
    pub chat: bool,
    /// How to decode.
    pub decoding: DecodingSettings,
    /// What the chips' colour means.
    pub colouring: Colouring,
    /// Whether the prompt's chips are coloured, too: that takes another pass over it.
    pub prompt_scores: bool,
    /// Whether the inspector is shown.
    pub inspector: bool,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThemeChoice {
    /// As the system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// What the chips' colour means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Colouring {
    /// Probability of the chosen token under the raw softmax.
    #[default]
    Probability,
    /// −ln of it.
    Surprisal,
    /// Entropy of the raw softmax.
    Entropy,
    /// Rank of the chosen token.
    Rank,
    /// Time of the step.
    Milliseconds,
    /// None.
    None,
}

impl Colouring {
    /// Whether it shows what the model made of a token, which a token of the prompt has as well.
    pub fn is_of_logits(self) -> bool {
        match self {
            Self::Probability | Self::Surprisal | Self::Entropy | Self::Rank => true,
            Self::Milliseconds | Self::None => false,
        }
    }
}

/// Which step the window shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The selected step, as its place in the run's line.
    pub selected: Option<usize>,
    /// The selected token of the prompt, from 0; then no step is selected.
    pub prompt: Option<usize>,
    /// The step under the pointer, shown instead while it is there.
    pub preview: Option<usize>,
    /// What the panels of this frame propose as the next frame's preview.
    pub next_preview: Option<usize>,
    /// Whether the selection moves to each new step.
    pub follow: Follow,
    /// Whether a pointer at rest previews: not after the keyboard moved the selection, until it moves again.
    pub pointer: Pointer,
}

/// Whether what the pointer rests on is previewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// It is.
    Previews,
    /// The keyboard moved the selection last.
    Rests,
}

/// Whether the selection moves to each new step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It does.
    Newest,
    /// It stays where the user put it.
    Stay,
}

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

impl Default for Remembered {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            recent: Vec::new(),
            adapter: None,
            weights: WeightsChoice::default(),
            cache: None,
            prompt: FIRST_PROMPT.to_owned(),
            add_special: true,
            chat: false,
            // Greedy decoding of so small a model as the built-in one soon repeats itself.
            decoding: first_settings(StrategyKind::Sample),
            colouring: Colouring::default(),
            prompt_scores: false,
            inspector: true,
        }
    }
}

/// The settings of a first start. Sampling begins with stages that tame it, not with the neutral values of the
/// command line: there is something to see in the pipeline, and a small model stays readable.
pub fn first_settings(strategy: StrategyKind) -> DecodingSettings {
    let stages = StageSettings { temperature: 0.8, top_k: 40, top_p: 0.95, ..StageSettings::default() };
    DecodingSettings { strategy, stages, seed: FIRST_SEED, ..DecodingSettings::default() }
}

/// Where a trace is saved if nobody says otherwise: in the person's own folder.
fn first_trace_path() -> String {
    let folder = std::env::home_dir().unwrap_or_default();
    folder.join("trace.json").display().to_string()
}

impl Remembered {
    /// Puts a model at the head of the recent ones, if its path can be written down: in no file of settings can one
    /// that is no UTF-8.
    pub fn remember_model(&mut self, path: PathBuf) {
        if path.to_str().is_none() {
            return;
        }
        self.recent.retain(|known| *known != path);
        self.recent.insert(0, path);
        self.recent.truncate(RECENT);
    }
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            selected: None,
            prompt: None,
            preview: None,
            next_preview: None,
            follow: Follow::Newest,
            pointer: Pointer::Previews,
        }
    }
}

impl Cursor {
    /// The step to show, of `count` steps.
    pub fn shown(&self, count: usize) -> Option<usize> {
        self.preview.or(self.selected).filter(|index| *index < count)
    }

    /// Selects a step and stays there; selecting the newest one of a run follows again.
    pub fn select(&mut self, index: usize, count: usize) {
        if count == 0 {
            return;
        }
        self.selected = Some(index.min(count - 1));
        self.prompt = None;
        self.follow = Follow::Stay;
    }

    /// Selects a token of the prompt.
    pub fn select_prompt(&mut self, index: usize) {
        self.selected = None;
        self.prompt = Some(index);
        self.follow = Follow::Stay;
    }

    /// Moves by some tokens: the prompt's, of which there are so many, come before the steps.
    pub fn move_by(&mut self, tokens: isize, prompt: usize, count: usize) {
        let from = self.prompt.unwrap_or(prompt + self.selected.unwrap_or(0));
        let to = from.saturating_add_signed(tokens);
        if to < prompt { self.select_prompt(to) } else { self.select(to - prompt, count) }
    }

    /// Selects the newest step and follows.
    pub fn follow_newest(&mut self, count: usize) {
        self.follow = Follow::Newest;
        self.prompt = None;
        self.selected = count.checked_sub(1);
    }

    /// Takes in that there are now `count` steps, and what the pointer is over.
    pub fn begin_frame(&mut self, count: usize) {
        let proposed = self.next_preview.take().filter(|index| *index < count);
        self.preview = proposed.filter(|_| self.pointer == Pointer::Previews);
        if self.follow == Follow::Newest {
            self.selected = count.checked_sub(1);
        }
        self.selected = self.selected.filter(|index| *index < count);
    }
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

    /// Whether an action closes the one card that shows.
    pub fn closes_card(&self, action: &Action) -> bool {
        match action {
            Action::ShowOpen => self.open_shown && self.inspected.is_none(),
            Action::SaveTrace => self.save_shown,
            Action::ToggleShortcuts => self.shortcuts_shown,
            Action::ToggleNotices => self.notices_shown,
            _ => false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_follows_until_a_step_is_selected() {
        let mut cursor = Cursor::default();
        cursor.begin_frame(0);
        assert_eq!(cursor.shown(0), None);
        cursor.begin_frame(3);
        assert_eq!(cursor.shown(3), Some(2));
        cursor.select(0, 3);
        cursor.begin_frame(9);
        assert_eq!(cursor.shown(9), Some(0));
        cursor.next_preview = Some(5);
        cursor.begin_frame(9);
        assert_eq!(cursor.shown(9), Some(5));
        cursor.begin_frame(9);
        assert_eq!(cursor.shown(9), Some(0));
        cursor.move_by(-1, 4, 9);
        assert_eq!(
            (cursor.prompt, cursor.selected),
            (Some(3), None),
            "the prompt comes before the first step"
        );
        cursor.move_by(-100, 4, 9);
        assert_eq!((cursor.prompt, cursor.shown(9)), (Some(0), None));
        cursor.move_by(4, 4, 9);
        assert_eq!((cursor.prompt, cursor.selected), (None, Some(0)));
        cursor.move_by(100, 4, 9);
        assert_eq!(cursor.selected, Some(8));
        cursor.select_prompt(1);
        cursor.follow_newest(9);
        cursor.begin_frame(12);
        assert_eq!(cursor.selected, Some(11));
    }

    #[test]
    fn recent_models_are_few_and_unique() {
        let mut remembered = Remembered::default();
        for index in 0..20 {
            remembered.remember_model(format!("model-{}", index % 12).into());
        }
        assert_eq!(remembered.recent.len(), RECENT);
        assert_eq!(remembered.recent[0], PathBuf::from("model-7"));
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            remembered.remember_model(std::ffi::OsStr::from_bytes(b"m\xff.gguf").into());
            assert!(serde_json::to_string(&remembered).is_ok(), "what is remembered can be written down");
        }
    }
}
