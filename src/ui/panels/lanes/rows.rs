//! The lanes' tokens, a row a step: only the rows in sight are laid out.

use egui::{Align2, CornerRadius, Rect, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::columns::Column;
use super::grid::Grid;
use super::second::{self, Second};
use crate::session::lane_letter;
use crate::trace::{Node, Run};
use crate::ui::action::Action;
use crate::ui::colours::{quantity, series};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::lanes::LaneAction;
use crate::ui::panels::phases::stop_words;
use crate::ui::scene::Scene;
use crate::ui::table;
use crate::ui::theme::{mono, palette, regular, semibold, size, space};
use crate::ui::token_text;
use crate::ui::widgets::{focus_ring, hint};

/// Height of a row.
const ROW: f32 = 24.0;
/// Width of a lane below which a token has no number beside it.
const TIGHT: f32 = 132.0;
/// Room for the longest probability.
const SHARE: f32 = 68.0;
/// Room for the sign of the first difference.
const SIGN: f32 = 16.0;

/// Shows them.
pub(super) fn show(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    grid: &Grid,
    columns: &[Column<'_>],
    second: Option<&Second<'_>>,
) {
    let runs = || columns.iter().filter_map(|column| column.run);
    if runs().next().is_none() {
        table::framed(ui, |ui| {
            let words = "Press the triangle to decode the prompt in each lane. A lane whose pencil is pressed changes with \
                         the settings, until that is pressed again.";
            hint(ui, words);
        });
        return;
    }
    // One more row where a lane ended, for why it did.
    let rows = runs().map(|(_, run)| run.line.len() + usize::from(run.stop.is_some())).max().unwrap_or(0);
    let selected = scene.run().and_then(|run| scene.state.cursor.shown(run.line.len()));
    // egui pulls an offset beyond the rows of the frame before back to these: the newest step would not come into sight.
    ui.spacing_mut().scroll.kinetic.rubber_band = false;
    let mut area = ScrollArea::vertical().id_salt("lanes").auto_shrink(false);
    if let Some(offset) = offset_to(ui, selected.filter(|_| scene.view.lanes.shown().is_some())) {
        area = area.vertical_scroll_offset(offset);
    }
    let shown = area.show_rows(ui, ROW, rows, |ui, visible| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for place in visible {
            let rect = row(ui, scene, grid, columns, place, selected == Some(place));
            if let Some(second) = second {
                second::cell(ui, scene, second, place, grid.second(rect));
            }
        }
    });
    let id = ui.scope_id().with("lanes offset");
    ui.data_mut(|data| data.insert_temp(id, shown.state.clamped_offset().y));
}

/// Where the rows scroll to, if the selected step is another one than before and out of sight.
fn offset_to(ui: &Ui, selected: Option<usize>) -> Option<f32> {
    let id = ui.scope_id().with("lanes selected");
    let before = ui.data_mut(|data| {
        let before = data.get_temp::<Option<usize>>(id).flatten();
        data.insert_temp(id, selected);
        before
    });
    let place = selected.filter(|_| selected != before)?;
    let offset = ui.data(|data| data.get_temp::<f32>(ui.scope_id().with("lanes offset"))).unwrap_or(0.0);
    // A row of air below: there may stand why a lane ended.
    let (top, bottom) = (place as f32 * ROW, (place + 2) as f32 * ROW);
    let room = ui.available_height();
    if top < offset {
        Some((top - ROW).max(0.0))
    } else if bottom > offset + room {
        Some(bottom - room)
    } else {
        None
    }
}

fn row(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    grid: &Grid,
    columns: &[Column<'_>],
    place: usize,
    selected: bool,
) -> Rect {
    let ink = palette(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    if selected {
        ui.painter().rect_filled(rect, CornerRadius::ZERO, ink.accent_soft);
    }
    let number = grid.first(rect);
    if columns.iter().any(|column| column.run.is_some_and(|(_, run)| place < run.line.len())) {
        let at = pos2(number.right() - space::M, number.center().y);
        let color = if selected { ink.text } else { ink.tertiary };
        let step = format::count(place as u64 + 1);
        ui.painter().text(at, Align2::RIGHT_CENTER, step, mono(size::SMALL), color);
    }
    for (lane, column) in columns.iter().enumerate() {
        let Some((_, run)) = column.run else { continue };
        let cell = Cell { lane, place, leaves: column.leaves, rect: grid.lane(rect, lane) };
        cell.mark(ui);
        match run.at(place) {
            Some(node) => cell.token(ui, scene, column, node, same_as_first(columns, place, node)),
            None if run.line.len() == place => cell.end(ui, run),
            None => {}
        }
    }
    rect
}

/// Whether the first lane has the same token at a place.
fn same_as_first(columns: &[Column<'_>], place: usize, node: &Node) -> bool {
    let first = columns.first().and_then(|column| column.run).and_then(|(_, run)| run.at(place));
    first.is_some_and(|first| first.token == node.token)
}

/// A lane at a step.
struct Cell {
    lane: usize,
    place: usize,
    leaves: Option<usize>,
    rect: Rect,
}

impl Cell {
    fn is_first_difference(&self) -> bool {
        self.leaves == Some(self.place)
    }

    /// Marks where the lane leaves the first one, and the way from there on.
    fn mark(&self, ui: &Ui) {
        let Some(leaves) = self.leaves.filter(|leaves| *leaves <= self.place) else { return };
        let color = series(ui, self.lane).color;
        let first = self.place == leaves;
        let bar = Rect::from_min_size(self.rect.left_top() + vec2(1.0, 0.0), vec2(2.0, ROW));
        ui.painter().rect_filled(bar, 0.0, color.gamma_multiply(if first { 1.0 } else { 0.45 }));
        if first {
            let line = self.rect.x_range();
            ui.painter().hline(line, self.rect.top() + 0.5, Stroke::new(1.5, color));
            let at = pos2(self.rect.left() + 8.0, self.rect.center().y);
            ui.painter().text(at, Align2::LEFT_CENTER, "≠", semibold(size::BODY), color);
        }
    }

    /// Shows its token.
    fn token(&self, ui: &mut Ui, scene: &mut Scene<'_>, column: &Column<'_>, node: &Node, same: bool) {
        let ink = palette(ui);
        let probability = node.log_probability.exp();
        let (name, share) = (token_text::of_node(node), format::probability(probability));
        let letter = lane_letter(self.lane);
        let id = ui.scope_id().with(("lane cell", self.lane, self.place));
        let response = ui.interact(self.rect, id, Sense::click());
        response.widget_info(|| {
            let leaves = if self.is_first_difference() { ", leaves lane A" } else { "" };
            let label = format!("Lane {letter}, step {}: {name}, {share}{leaves}", self.place + 1);
            WidgetInfo::labeled(Role::Button, true, label)
        });
        if response.hovered() {
            ui.painter().rect_filled(self.rect.shrink2(vec2(3.0, 1.0)), CornerRadius::same(4), ink.hover);
        }
        focus_ring(ui, &response, self.rect.shrink2(vec2(3.0, 1.0)));
        let inside = self.rect.with_min_x(self.rect.left() + 8.0 + SIGN).with_max_x(self.rect.right() - 8.0);
        let wide = self.rect.width() >= TIGHT;
        let words = if wide { inside.with_max_x(inside.right() - SHARE) } else { inside };
        // Before the first difference all lanes say the same: there the others stand back.
        let quiet = same && self.lane > 0;
        table::token(ui, words, &name, if quiet { ink.tertiary } else { ink.text });
        if wide {
            let number = inside.with_min_x(inside.right() - SHARE);
            table::number(ui, number, &share, ink.tertiary);
        }
        let bar = Rect::from_min_size(
            pos2(inside.left(), self.rect.bottom() - 3.0),
            vec2(inside.width() * probability.clamp(0.0, 1.0), 2.0),
        );
        ui.painter().rect_filled(bar, 1.0, quantity(ui, probability).gamma_multiply(0.8));
        if response.clicked() {
            let (lane, place) = (self.lane, Some(self.place));
            scene.actions.push(Action::Lane(LaneAction::Show { lane, place }));
        }
        if response.hovered() && column.is_shown(scene) {
            scene.state.cursor.next_preview = Some(self.place);
        }
        definitions::PROBABILITY.explain(response);
    }

    /// Says why the lane ended.
    fn end(&self, ui: &mut Ui, run: &Run) {
        let Some(stop) = run.stop else { return };
        let words = stop_words(stop);
        let response = ui.interact(self.rect, ui.scope_id().with(("lane end", self.lane)), Sense::hover());
        let letter = lane_letter(self.lane);
        response.widget_info(|| {
            let leaves = if self.is_first_difference() { ", leaves lane A" } else { "" };
            WidgetInfo::labeled(Role::Label, true, format!("Lane {letter} ended: {words}{leaves}"))
        });
        let left = pos2(self.rect.left() + 8.0 + SIGN, self.rect.center().y);
        let clip = self.rect.intersect(ui.clip_rect());
        let painter = ui.painter().with_clip_rect(clip);
        painter.text(left, Align2::LEFT_CENTER, words, regular(size::CAPTION), palette(ui).tertiary);
    }
}
