//! The two ways of computing a text.

use egui::Color32;

use crate::session::{ComparedStep, MeasuredPass};
use crate::ui::theme::Palette;

/// One of the two ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Uncached,
    Cached,
}

impl Way {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uncached => "Without KV cache",
            Self::Cached => "With KV cache",
        }
    }

    /// A step's pass.
    pub(super) fn pass(self, step: &ComparedStep) -> MeasuredPass {
        match self {
            Self::Uncached => step.uncached,
            Self::Cached => step.cached,
        }
    }

    /// Its colour.
    pub(super) fn ink(self, palette: &Palette) -> Color32 {
        match self {
            Self::Uncached => palette.second,
            Self::Cached => palette.accent,
        }
    }
}
