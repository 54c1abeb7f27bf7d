//! The cards that lie over the window: which ones show, and what was entered into them.

use std::path::PathBuf;

use super::connect_card::ConnectCard;
use super::exports::Export;
use super::get_card::GetCard;
use super::shelf::Shelf;
use crate::problems::Written;
use crate::session::{ModelCard, ModelSource, Notice};

/// What the cards hold.
pub struct Cards {
    /// The path field of the open card.
    pub open_path: String,
    /// Why nothing could be opened by it: it shows there, as the window behind it is out of sight.
    pub open_problem: Option<Notice>,
    /// Whether the open card shows.
    pub open: bool,
    /// Whether the path field of the card that opens takes the keyboard: for its first frame.
    pub focus_path: bool,
    /// Whether the card that chooses another model for the lanes shows.
    pub second: bool,
    /// Its path field.
    pub second_path: String,
    /// The models on this computer, which the open card lists.
    pub shelf: Shelf,
    /// Whether the search field of the open card takes the keyboard: for the card's first frame.
    pub focus_search: bool,
    /// The card that gets models.
    pub get: GetCard,
    /// The card that connects to a server.
    pub connect: ConnectCard,
    /// What the card asks about that saves something; it shows while there is such.
    pub saving: Option<Export>,
    /// What it asked about last: its path field is about that.
    pub saving_before: Option<Export>,
    /// Its path field.
    pub save_path: String,
    /// Where it was not saved, because a file is there.
    pub taken_path: Option<PathBuf>,
    /// The model that is asked about: to be loaded, or not.
    pub inspected: Option<Inspected>,
    /// Positions to allow for it; `None` is the model's own context.
    pub context: Option<usize>,
    /// The command palette, if it shows.
    pub palette: Option<Palette>,
    /// Whether the card of lessons shows.
    pub lessons: bool,
    /// What broke last, if anything did, while the card about it shows.
    pub problem: Option<Option<Written>>,
    /// Whether the shortcuts card shows.
    pub shortcuts: bool,
    /// Whether the list of notices shows.
    pub notices: bool,
}

/// What was entered into the command palette.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    /// What is looked for.
    pub query: String,
    /// Which of what was found is selected.
    pub selected: usize,
    /// Whether a key moved the selection in this frame.
    pub moved: bool,
}

/// A model whose headers were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// Where it is.
    pub source: ModelSource,
    /// What its headers say.
    pub card: ModelCard,
}

impl Default for Cards {
    fn default() -> Self {
        Self {
            open_path: String::new(),
            open_problem: None,
            open: false,
            focus_path: false,
            second: false,
            second_path: String::new(),
            shelf: Shelf::default(),
            focus_search: false,
            get: GetCard::default(),
            connect: ConnectCard::default(),
            saving: None,
            saving_before: None,
            save_path: first_trace_path(),
            taken_path: None,
            inspected: None,
            context: None,
            palette: None,
            lessons: false,
            problem: None,
            shortcuts: false,
            notices: false,
        }
    }
}

impl Cards {
    /// Whether a card lies over the window and takes the keyboard.
    pub fn any(&self) -> bool {
        let small = self.palette.is_some()
            || self.shortcuts
            || self.notices
            || self.lessons
            || self.problem.is_some();
        self.open
            || self.get.shows
            || self.connect.shows
            || self.second
            || self.saving.is_some()
            || self.inspected.is_some()
            || small
    }
}

/// Where a trace is saved if nobody says otherwise: in the person's own folder.
fn first_trace_path() -> String {
    let folder = std::env::home_dir().unwrap_or_default();
    folder.join("trace.json").display().to_string()
}
