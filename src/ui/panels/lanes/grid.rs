//! Where the columns of the lanes lie.

use egui::{Rect, pos2, vec2};

use crate::ui::theme::space;

/// Width of the first column, which has the steps' numbers and the totals' names.
const FIRST: f32 = 108.0;
/// The same where there is little room.
const NARROW_FIRST: f32 = 92.0;
/// Height below which the pane says everything in less room.
const LOW: f32 = 300.0;

/// Where the columns lie.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    /// Left edge of the pane.
    left: f32,
    /// Width of the first column.
    first: f32,
    /// Width of a lane.
    lane: f32,
    /// Whether there is little height.
    pub low: bool,
}

impl Grid {
    pub(super) fn of(rect: Rect, lanes: usize) -> Self {
        let first = if rect.width() < 640.0 { NARROW_FIRST } else { FIRST };
        // The scrollbar of the rows lies on the right.
        let lane = (rect.width() - first - space::S) / lanes.max(1) as f32;
        Self { left: rect.left(), first, lane, low: rect.height() < LOW }
    }

    /// The first column's cell of a row.
    pub(super) fn first(&self, row: Rect) -> Rect {
        Rect::from_min_size(pos2(self.left, row.top()), vec2(self.first, row.height()))
    }

    /// A lane's cell of a row.
    pub(super) fn lane(&self, row: Rect, lane: usize) -> Rect {
        let left = self.left + self.first + lane as f32 * self.lane;
        Rect::from_min_size(pos2(left, row.top()), vec2(self.lane, row.height()))
    }
}
