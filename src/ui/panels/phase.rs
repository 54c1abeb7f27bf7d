//! A phase of a run, as its chevron and its card tell it.

use crate::ui::definitions::Definition;
use crate::ui::format;

/// How far a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing of it happened yet.
    Pending,
    /// It is under way.
    Active,
    /// Done.
    Done,
    /// Done in a run that is not of the model on show.
    Past,
}

/// A phase, as its chevron and its card tell it.
pub(super) struct Phase {
    /// From 1.
    pub number: usize,
    pub title: &'static str,
    pub progress: Progress,
    /// Share done, where it is known.
    pub share: Option<f32>,
    /// What the chevron says below the title, the weightier parts first.
    pub figure: String,
    /// The same where that has no room; `None` leaves its last parts out.
    pub brief: Option<String>,
    pub goes_in: &'static str,
    pub happens: &'static str,
    pub comes_out: &'static str,
    pub facts: Vec<(&'static Definition, String)>,
}

/// Tokens a second.
pub(super) fn speed(tokens_per_second: f64) -> String {
    format!("{} tokens/s", format::rate(tokens_per_second))
}
