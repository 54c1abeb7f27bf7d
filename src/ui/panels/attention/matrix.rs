//! The weights as a matrix of colours: a row for each head, a column for each position.

use egui::{Mesh, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use crate::trace::Run;
use crate::ui::colours::weight_tint;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::inside::{AttentionRow, AttentionRows};
use crate::ui::panels::look::at_position;
use crate::ui::scene::Scene;
use crate::ui::table::{self, Side};
use crate::ui::theme::{palette, regular, semibold, size};

/// Height of a row, and of the line of titles.
const ROW: f32 = 20.0;
const HEADER: f32 = 22.0;
/// Width of the names, and of the sinks where there are any.
const NAME: f32 = 64.0;
const SINK: f32 = 56.0;
/// Widest column of a position.
const WIDEST: f32 = 36.0;

/// Where the parts of a row lie.
#[derive(Clone, Copy)]
struct Places {
    width: f32,
    /// From a row's left.
    sink: Option<f32>,
    cells: f32,
    /// Of a position; below 1, several share a column of pixels.
    column: f32,
}

impl Places {
    fn of(width: f32, rows: &[AttentionRow]) -> Self {
        let sink = rows.iter().any(|row| row.sink.is_some()).then_some(NAME);
        let cells = NAME + if sink.is_some() { SINK } else { 0.0 };
        let positions = rows.first().map_or(1, |row| row.weights.len().max(1));
        Self { width, sink, cells, column: ((width - cells) / positions as f32).min(WIDEST) }
    }

    /// The cell of a position in a row.
    fn cell(&self, row: Rect, position: usize) -> Rect {
        let left = row.left() + self.cells + position as f32 * self.column;
        Rect::from_min_size(pos2(left, row.top()), vec2(self.column, row.height()))
    }

    fn position_at(&self, row: Rect, x: f32, positions: usize) -> Option<usize> {
        let index = ((x - row.left() - self.cells) / self.column).floor();
        (index >= 0.0 && (index as usize) < positions).then_some(index as usize)
    }
}

/// Shows the matrix, at most so high; gives the row under the pointer.
pub(super) fn show(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    run: &Run,
    rows: &[AttentionRow],
    most: f32,
) -> Option<usize> {
    let places = Places::of(ui.available_width(), rows);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        header(ui, places, rows);
        matrix(ui, scene, run, places, rows, most - HEADER)
    })
    .inner
}

fn matrix(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    run: &Run,
    places: Places,
    rows: &[AttentionRow],
    most: f32,
) -> Option<usize> {
    let height = (rows.len() as f32 * ROW).min(most.max(ROW));
    let mut hovered = None;
    ScrollArea::vertical().id_salt("attention").auto_shrink([false, true]).max_height(height).show_rows(
        ui,
        ROW,
        rows.len(),
        |ui, range| {
            for index in range {
                if row(ui, scene, run, places, &rows[index], index) {
                    hovered = Some(index);
                }
            }
        },
    );
    hovered
}

/// Titles, and every so many positions a number.
fn header(ui: &mut Ui, places: Places, rows: &[AttentionRow]) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(places.width, HEADER), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, "Columns: a position each"));
    let title = |left: f32, width: f32, text: &str| {
        let cell = Rect::from_min_size(pos2(rect.left() + left, rect.top()), vec2(width, rect.height()));
        table::draw_text(ui, cell, text, semibold(size::SMALL), palette.secondary, Side::Left);
        cell
    };
    if let Some(left) = places.sink {
        let cell = title(left, SINK, "Sink");
        let id = ui.scope_id().with("sink");
        definitions::ATTENTION_SINK.explain(ui.interact(cell, id, Sense::hover()));
    }
    let positions = rows.first().map_or(0, |row| row.weights.len());
    // Numbers of three or four digits, well apart.
    let every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000]
        .into_iter()
        .find(|every| *every as f32 * places.column >= 34.0)
        .unwrap_or(50_000);
    for position in (0..positions).step_by(every) {
        let cell = places.cell(rect, position);
        let at = pos2(cell.left() + (places.column / 2.0).min(8.0), rect.center().y);
        let font = regular(size::CAPTION);
        ui.painter().text(at, egui::Align2::CENTER_CENTER, position.to_string(), font, palette.tertiary);
    }
    definitions::ATTENTION_WEIGHT.explain(response);
}

/// One row; whether the pointer is on it.
fn row(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    run: &Run,
    places: Places,
    row: &AttentionRow,
    index: usize,
) -> bool {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(places.width, ROW), Sense::click());
    let label = words(run, row);
    let selected = scene.state.inside.row == index;
    response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, &label));
    let ink = if selected { palette.accent } else { palette.secondary };
    let name = Rect::from_min_size(rect.min, vec2(NAME, ROW));
    let font = if selected { semibold(size::SMALL) } else { regular(size::SMALL) };
    table::draw_text(ui, name, &row.name, font, ink, Side::Left);
    if let (Some(left), Some(sink)) = (places.sink, row.sink) {
        let cell = Rect::from_min_size(pos2(rect.left() + left, rect.top()), vec2(SINK - 8.0, ROW));
        let cell = cell.shrink2(vec2(0.0, 2.0));
        ui.painter().rect_filled(cell, 3.0, weight_tint(ui, palette.surface, sink));
        let text = format::probability(sink);
        table::draw_text(
            ui,
            cell.shrink2(vec2(4.0, 0.0)),
            &text,
            regular(size::CAPTION),
            palette.text,
            Side::Right,
        );
    }
    cells(ui, places, rect.shrink2(vec2(0.0, 1.0)), row);
    if response.hovered() || response.has_focus() {
        let stroke = Stroke::new(1.0, palette.accent);
        ui.painter().rect_stroke(rect, 3.0, stroke, StrokeKind::Inside);
    }
    if response.clicked() {
        press(scene, row, index);
    }
    let hovered = response.hovered();
    let pointer = response.hover_pos();
    let position = pointer.and_then(|at| places.position_at(rect, at.x, row.weights.len()));
    match position {
        Some(position) => {
            scene.state.next_pointed_at = Some(position);
            let weight = format::probability(row.weights[position]);
            let hidden = if position < row.first { ", outside of the window" } else { "" };
            let token = at_position(run, position);
            response.on_hover_text(format!("{} → position {position} {token}: {weight}{hidden}", row.name))
        }
        None => response.on_hover_text(label),
    };
    hovered
}

/// A press keeps a row's weights on the text; one on a layer shows its heads.
fn press(scene: &mut Scene<'_>, row: &AttentionRow, index: usize) {
    let inside = &mut scene.state.inside;
    if inside.rows == AttentionRows::Layers && inside.row == index {
        (inside.rows, inside.layer, inside.row) = (AttentionRows::Heads, row.layer, 0);
    } else {
        inside.row = index;
    }
}

/// The weights as colours; where several positions share a column of pixels, the highest.
fn cells(ui: &Ui, places: Places, rect: Rect, row: &AttentionRow) {
    let count = row.weights.len();
    let ground = palette(ui).raised;
    let mut mesh = Mesh::default();
    let each = (1.0 / places.column).ceil().max(1.0) as usize;
    for start in (0..count).step_by(each) {
        let end = (start + each).min(count);
        let (left, right) = (places.cell(rect, start).left(), places.cell(rect, end - 1).right());
        let gap = if places.column > 5.0 { 1.0 } else { 0.0 };
        let cell = Rect::from_x_y_ranges(left..=right - gap, rect.y_range());
        let highest = row.weights[start..end].iter().copied().fold(0.0, f32::max);
        if end <= row.first {
            // A thin line: nothing is seen there.
            let line = Rect::from_x_y_ranges(cell.x_range(), rect.center().y - 0.5..=rect.center().y + 0.5);
            mesh.add_colored_rect(line, ground);
        } else {
            mesh.add_colored_rect(cell, weight_tint(ui, ground, highest));
        }
    }
    ui.painter().add(mesh);
}

/// A row in words: where most of its weight is.
fn words(run: &Run, row: &AttentionRow) -> String {
    let most = (0..row.weights.len()).max_by(|&one, &other| row.weights[one].total_cmp(&row.weights[other]));
    let most = most.map_or_else(String::new, |position| {
        let weight = format::probability(row.weights[position]);
        format!("most on position {position} {} ({weight})", at_position(run, position))
    });
    let sink = row.sink.map_or_else(String::new, |sink| format!(", sink {}", format::probability(sink)));
    format!("{}: {most}{sink}", row.name)
}
