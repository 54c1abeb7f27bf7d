//! The models on this computer, as the open card lists them: what was found, what is looked for, in which order.

use std::path::PathBuf;

use super::format;
use crate::library::{DeviceMemory, Fits, Library, LookedInto, Model, Progress};

/// In which order models are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Those opened here last, then the others, the newest files first.
    #[default]
    Used,
    /// By name.
    Name,
    /// The largest first.
    Size,
}

impl Order {
    /// All, with their names.
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::Used, "Last used"), (Self::Name, "Name"), (Self::Size, "Size")];
}

/// How far the search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It has not begun since the card opened.
    #[default]
    Waiting,
    /// So many of so many headers are read.
    Looking(usize, usize),
    /// It is done.
    Done,
}

/// The list.
#[derive(Default)]
pub struct Shelf {
    /// What is looked for.
    pub query: String,
    /// In which order.
    pub order: Order,
    /// Which row is selected.
    pub selected: usize,
    /// Whether a key moved the selection in this frame.
    pub moved: bool,
    /// How far the search is.
    pub phase: Phase,
    /// The models.
    pub models: Vec<Model>,
    /// What is none.
    pub others: Vec<Model>,
    /// Where was looked.
    pub looked_into: Vec<LookedInto>,
    /// The size of the adapter's memory.
    pub room: Option<DeviceMemory>,
    /// Indices of the models that show, in their order.
    pub shown: Vec<usize>,
    /// What `shown` was made for.
    shown_for: Option<(String, Order, usize, Vec<PathBuf>)>,
}

impl Shelf {
    /// Shows every model again, the first of them selected.
    pub(super) fn start_anew(&mut self) {
        self.query.clear();
        (self.selected, self.moved) = (0, true);
    }

    /// Begins a search. What an earlier one found stays until this one is done.
    pub(super) fn begin(&mut self) {
        self.phase = Phase::Looking(0, 0);
        if self.looked_into.is_empty() {
            self.models.clear();
        }
    }

    /// Takes in a model while the first search goes on.
    pub(super) fn take(&mut self, Progress { model, done, total }: Progress<'_>) {
        self.phase = Phase::Looking(done, total);
        if self.looked_into.is_empty() && model.facts.other.is_none() {
            self.models.push(model.clone());
        }
    }

    /// Takes in the whole result.
    pub(super) fn finish(&mut self, library: Library, room: Option<DeviceMemory>) {
        let Library { models, others, looked_into, .. } = library;
        let selected = self.selected_model().map(|model| model.found.path.clone());
        (self.models, self.others, self.looked_into, self.room) = (models, others, looked_into, room);
        self.phase = Phase::Done;
        self.shown_for = None;
        // The selection stays on its model.
        if let Some(path) = selected {
            self.arrange(&[]);
            let place = self.shown.iter().position(|index| self.models[*index].found.path == path);
            self.selected = place.unwrap_or(0);
            self.shown_for = None;
        }
    }

    /// Whether a first search is under way: what it finds is not all yet.
    pub(super) fn is_first_search(&self) -> bool {
        matches!(self.phase, Phase::Looking(..)) && self.looked_into.is_empty()
    }

    /// The newest models that would run here, up to so many, whatever is looked for.
    pub(super) fn newest(&self, most: usize) -> Vec<&Model> {
        let runs = |model: &&Model| model.opens() && model.facts.fits(self.room) != Some(Fits::Not);
        let mut models: Vec<_> = self.models.iter().filter(runs).collect();
        models.sort_by_key(|model| u64::MAX - model.found.modified());
        models.truncate(most);
        models
    }

    /// The selected model.
    pub(super) fn selected_model(&self) -> Option<&Model> {
        self.shown.get(self.selected).and_then(|index| self.models.get(*index))
    }

    /// Finds out which models show, and in which order; `recent` are those opened here, the newest first.
    pub(super) fn arrange(&mut self, recent: &[PathBuf]) {
        let key = (self.query.clone(), self.order, self.models.len(), recent.to_vec());
        if self.shown_for.as_ref() == Some(&key) {
            return;
        }
        let words: Vec<String> = self.query.split_whitespace().map(str::to_lowercase).collect();
        let answers = |model: &Model| {
            let text = format!("{} {}", model.found.name, details(model)).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        let mut shown: Vec<usize> =
            (0..self.models.len()).filter(|index| answers(&self.models[*index])).collect();
        let models = &self.models;
        shown.sort_by_cached_key(|index| {
            let Model { found, .. } = &models[*index];
            let first = match self.order {
                Order::Name => (0, 0),
                Order::Size => (0, u64::MAX - found.bytes),
                Order::Used => {
                    let place = recent.iter().position(|path| *path == found.path).unwrap_or(recent.len());
                    (place, u64::MAX - found.modified())
                }
            };
            (!models[*index].opens(), first, found.name.to_lowercase())
        });
        self.selected = self.selected.min(shown.len().saturating_sub(1));
        self.shown = shown;
        self.shown_for = Some(key);
    }
}

/// What a model is, in a line: family, parameters, format, context, and where it comes from.
pub(super) fn details(model: &Model) -> String {
    let facts = &model.facts;
    let parts = [
        facts.named_family().map(str::to_owned),
        facts.parameters.map(format::parameters),
        facts.quantisation.clone(),
        facts.context.map(|context| format!("{} positions", format::count(context))),
        Some(model.found.origin.name().to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
