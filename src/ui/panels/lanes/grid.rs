//! Where the columns of the lanes lie.

use egui::{Rect, pos2, vec2};

use crate::ui::theme::space;

/// Width of the first column, which has the steps' numbers and the totals' names.
const FIRST: f32 = 124.0;
/// The same where there is little room.
const NARROW_FIRST: f32 = 108.0;
/// How many lanes the column of another model is as wide as: it says more.
const SECOND: f32 = 1.5;
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
    lanes: usize,
    /// Whether there is little height.
    pub low: bool,
}

impl Grid {
    /// For so many lanes, with another model's column beside them or not.
    pub(super) fn of(rect: Rect, lanes: usize, second: bool) -> Self {
        let first = if rect.width() < 640.0 { NARROW_FIRST } else { FIRST };
        // The scrollbar of the rows lies on the right.
        let columns = lanes.max(1) as f32 + if second { SECOND } else { 0.0 };
        let lane = (rect.width() - first - space::S) / columns;
        Self { left: rect.left(), first, lane, lanes, low: rect.height() < LOW }
    }

    /// The first column's cell of a row.
    pub(super) fn first(&self, row: Rect) -> Rect {
        Rect::from_min_size(pos2(self.left, row.top()), vec2(self.first, row.height()))
    }

    /// The other model's cell of a row.
    pub(super) fn second(&self, row: Rect) -> Rect {
        let left = self.lane(row, self.lanes).left();
        Rect::from_min_size(pos2(left, row.top()), vec2(SECOND * self.lane, row.height()))
    }

    /// A lane's cell of a row.
    pub(super) fn lane(&self, row: Rect, lane: usize) -> Rect {
        let left = self.left + self.first + lane as f32 * self.lane;
        Rect::from_min_size(pos2(left, row.top()), vec2(self.lane, row.height()))
    }
}
