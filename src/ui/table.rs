//! A plain table: a header whose columns explain themselves, and rows of one line.

use egui::{Color32, CornerRadius, FontId, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::definitions::Definition;
use super::theme::{mono, palette, semibold, size, space};
use super::widgets::one_line;

/// Height of a row, in points.
pub(super) const ROW: f32 = 24.0;

/// Width of a column of probabilities, which holds the longest: `< 0.001 %`.
pub(super) const PROBABILITY: f32 = 80.0;

/// Points that the number beside a bar takes.
const NUMBER: f32 = 62.0;

/// On which side a column's content stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Words and tokens.
    Left,
    /// Numbers.
    Right,
}

/// One column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// Its title.
    pub title: &'static str,
    /// What stands in it.
    pub definition: Option<&'static Definition>,
    /// Its width, in points; 0 takes what is left.
    pub width: f32,
    /// The side of its content.
    pub side: Side,
}

/// How a row looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowLook {
    /// As any other.
    Plain,
    /// It is the one that counts.
    Chosen,
}

impl Column {
    /// A column of words or tokens; a width of 0 takes what is left.
    pub(super) const fn words(title: &'static str, width: f32) -> Self {
        Self { title, definition: None, width, side: Side::Left }
    }

    /// A column of numbers.
    pub(super) const fn number(definition: &'static Definition, title: &'static str, width: f32) -> Self {
        Self { title, definition: Some(definition), width, side: Side::Right }
    }
}

/// The places of the columns in a row.
pub(super) fn cells(row: Rect, columns: &[Column]) -> Vec<Rect> {
    let fixed: f32 = columns.iter().map(|column| column.width).sum();
    let rest = (row.width() - fixed).max(48.0);
    let mut left = row.left();
    let mut cell = |column: &Column| {
        let width = if column.width > 0.0 { column.width } else { rest };
        let cell = Rect::from_min_size(pos2(left, row.top()), vec2(width, row.height()));
        left += width;
        cell.shrink2(vec2(6.0, 0.0))
    };
    columns.iter().map(&mut cell).collect()
}

/// Shows the titles.
pub(super) fn header(ui: &mut Ui, columns: &[Column]) {
    let palette = palette(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    for (index, (column, cell)) in columns.iter().zip(cells(rect, columns)).enumerate() {
        draw_text(ui, cell, column.title, semibold(size::SMALL), palette.secondary, column.side);
        if column.title.is_empty() {
            continue;
        }
        let id = ui.scope_id().with(("column", column.title, index, rect.top() as i32));
        let response = ui.interact(cell, id, Sense::hover());
        let label = format!("Column {}", column.title);
        response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &label));
        if let Some(definition) = column.definition {
            definition.explain(response);
        }
    }
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, palette.line));
}

/// A row's place and its ground; `label` is its accessible name.
pub(super) fn row(ui: &mut Ui, label: &str, look: RowLook, sense: Sense) -> (Rect, Response) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), sense);
    response.widget_info(|| WidgetInfo::labeled(Role::Row, true, label));
    if look == RowLook::Chosen {
        ui.painter().rect_filled(rect, CornerRadius::same(4), palette.accent_soft);
    }
    if response.hovered() {
        let fill = if look == RowLook::Chosen { palette.accent.gamma_multiply(0.12) } else { palette.raised };
        ui.painter().rect_filled(rect, CornerRadius::same(4), fill);
    }
    if response.has_focus() {
        super::widgets::focus_ring(ui, &response, rect);
    }
    (rect, response)
}

/// Puts a line of text into a cell.
pub(super) fn draw_text(ui: &Ui, cell: Rect, text: &str, font: FontId, color: Color32, side: Side) {
    let galley = one_line(ui, text, font, color, cell.width());
    let x = if side == Side::Right { cell.right() - galley.size().x } else { cell.left() };
    ui.painter().galley(pos2(x, cell.center().y - galley.size().y / 2.0), galley, color);
}

/// Puts a number into a cell.
pub(super) fn number(ui: &Ui, cell: Rect, text: &str, color: Color32) {
    draw_text(ui, cell, text, mono(size::SMALL), color, Side::Right);
}

/// A number on the right and a bar before it, as long as the share says.
pub(super) fn bar(ui: &Ui, cell: Rect, share: f64, text: &str, color: Color32) {
    let track = track(cell);
    if track.width() > 8.0 {
        let mut filled = track;
        filled.set_width(track.width() * share.clamp(0.0, 1.0) as f32);
        ui.painter().rect_filled(track, CornerRadius::same(3), palette(ui).raised);
        ui.painter().rect_filled(filled, CornerRadius::same(3), color);
    }
    number(ui, cell, text, palette(ui).text);
}

/// The place of a cell's bar.
pub(super) fn track(cell: Rect) -> Rect {
    let right = cell.right() - NUMBER;
    Rect::from_min_max(
        pos2(cell.left().min(right), cell.center().y - 4.0),
        pos2(right, cell.center().y + 4.0),
    )
}

/// Puts a token into a cell, its white space in a quieter colour.
pub(super) fn token(ui: &Ui, cell: Rect, text: &str, color: Color32) {
    let quiet = palette(ui).tertiary;
    let mut job = super::token_job::white_space_job(text, color, quiet);
    for section in &mut job.sections {
        section.format.font_id = mono(size::SMALL);
    }
    job.wrap = egui::text::TextWrapping::truncate_at_width(cell.width().max(8.0));
    let galley = ui.painter().layout_job(job);
    ui.painter().galley(pos2(cell.left(), cell.center().y - galley.size().y / 2.0), galley, color);
}

/// The end of a text that fits a width in the face of tokens, with `…` before it where something is left out.
pub(super) fn end_of(text: &str, width: f32) -> String {
    // Of the monospace face every character is equally wide.
    let fits = ((width / (size::SMALL * 0.6)) as usize).max(4);
    let count = text.chars().count();
    if count <= fits {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(count - fits + 1)).collect()
}

/// Room at the sides of a pane.
pub(super) fn framed(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    egui::Frame::new().inner_margin(egui::Margin::symmetric(space::L as i8, space::M as i8)).show(ui, add);
}
