//! What the lanes took, under their tokens.

use egui::{Align2, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::columns::{Column, Totals};
use super::grid::Grid;
use crate::session::lane_letter;
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::table;
use crate::ui::theme::{palette, regular, size, space};

/// A line of totals: what it is, and what it says of a lane.
type Line = (&'static Definition, fn(&Column<'_>, &Totals) -> String);

const LINES: [Line; 6] = [
    (&definitions::LANE_LEAVES, |column, _| {
        column.leaves.map_or_else(none, |place| format!("step {}", place + 1))
    }),
    (&definitions::LANE_TOKENS, |_, totals| format::count(totals.tokens as u64)),
    (&definitions::LANE_PASSES, |_, totals| format::count(totals.passes as u64)),
    (&definitions::LANE_ROWS, |_, totals| format::count(totals.rows)),
    (&definitions::LANE_TIME, |_, totals| format::seconds(totals.seconds)),
    (&definitions::LANE_SURPRISAL, |_, totals| {
        totals.surprisal.map_or_else(none, |nats| format!("{} nats", format::value(nats as f32)))
    }),
];

fn none() -> String {
    "–".to_owned()
}

/// Height of a line.
pub(super) fn line_height(grid: &Grid) -> f32 {
    if grid.low { 15.0 } else { 20.0 }
}

/// How high they are.
pub(super) fn height(grid: &Grid) -> f32 {
    (LINES.len() + 1) as f32 * line_height(grid) + if grid.low { 6.0 } else { 12.0 }
}

/// Shows them.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, grid: &Grid, columns: &[Column<'_>], rect: Rect) {
    let ink = palette(ui);
    ui.painter().rect_filled(rect, 0.0, ink.window.gamma_multiply(0.5));
    ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, ink.outline));
    let totals: Vec<Option<Totals>> =
        columns.iter().map(|column| column.run.map(|(_, run)| Totals::of(run))).collect();
    let mut top = rect.top() + if grid.low { 3.0 } else { 6.0 };
    for (definition, said) in LINES {
        let line = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), line_height(grid)));
        top = line.bottom();
        name(ui, grid, line, definition);
        for (lane, column) in columns.iter().enumerate() {
            let value = totals[lane].as_ref().map_or_else(none, |totals| said(column, totals));
            let cell = grid.lane(line, lane).shrink2(vec2(space::S, 0.0));
            let id = ui.scope_id().with(("total", definition.name, lane));
            let response = ui.interact(cell, id, Sense::hover());
            response.widget_info(|| {
                let label = format!("Lane {}, {}: {value}", lane_letter(lane), definition.name);
                WidgetInfo::labeled(Role::Label, true, label)
            });
            table::number(ui, cell, &value, ink.text);
            definition.explain(response);
        }
    }
    let line = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), line_height(grid)));
    name(ui, grid, line, &definitions::LANE_SHARED);
    shared(ui, scene, grid, columns, line);
}

/// What lanes share, over all columns.
fn shared(ui: &mut Ui, scene: &Scene<'_>, grid: &Grid, columns: &[Column<'_>], line: Rect) {
    let figures = scene.view.lanes.shared;
    let sharing = |column: &Column<'_>| column.run.is_some_and(|(_, run)| run.continued_positions > 0);
    let letters = (0..columns.len()).filter(|&lane| sharing(&columns[lane])).map(lane_letter);
    let letters: Vec<String> = letters.map(String::from).collect();
    let (Some((last, before)), true) = (letters.split_last(), figures.amount > 0) else { return };
    let lanes = if before.is_empty() { last.clone() } else { format!("{} and {last}", before.join(", ")) };
    let rows = format::plural(figures.amount as usize, "token row");
    let words = format!("initiation of {rows}, {}", format::seconds(figures.seconds));
    let cell = line.with_min_x(line.left() + grid.first(line).width()).shrink2(vec2(space::S, 0.0));
    let response = ui.interact(line, ui.scope_id().with("shared"), Sense::hover());
    response
        .widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("Shared by lanes {lanes}: {words}")));
    let color = palette(ui).secondary;
    let words = format!("by {lanes}: {words}");
    table::draw_text(ui, cell, &words, regular(size::SMALL), color, table::Side::Left);
    definitions::LANE_SHARED.explain(response);
}

/// What a line is.
fn name(ui: &mut Ui, grid: &Grid, line: Rect, definition: &'static Definition) {
    let cell = grid.first(line);
    let response = ui.interact(cell, ui.scope_id().with(("total name", definition.name)), Sense::hover());
    let at = pos2(cell.left() + space::M, cell.center().y);
    let color = palette(ui).secondary;
    let painter = ui.painter().with_clip_rect(cell.intersect(ui.clip_rect()));
    painter.text(at, Align2::LEFT_CENTER, definition.name, regular(size::SMALL), color);
    definition.explain(response);
}
