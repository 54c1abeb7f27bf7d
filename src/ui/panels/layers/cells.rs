//! The cells of the tables: a layer's name, and numbers with bars.

use egui::{Color32, CornerRadius, Rect, Ui};

use crate::ui::table::{self, Side, track};
use crate::ui::theme::{palette, regular, size};

/// Width of the column with the layer's name.
pub(super) const LAYER_WIDTH: f32 = 88.0;

/// The name of a row's layer, in its first cell.
pub(super) fn layer_cell(ui: &Ui, cell: Rect, name: &str) {
    table::draw_text(ui, cell, name, regular(size::SMALL), palette(ui).secondary, Side::Left);
}

/// A number on the right and a bar for a share from −1 to 1 before it, which begins in the middle.
pub(super) fn two_sided(ui: &Ui, cell: Rect, share: f64, text: &str, [below, above]: [Color32; 2]) {
    let palette = palette(ui);
    let track = track(cell);
    if track.width() > 16.0 {
        let middle = track.center().x;
        let end = middle + share.clamp(-1.0, 1.0) as f32 * track.width() / 2.0;
        let filled = Rect::from_x_y_ranges(middle.min(end)..=middle.max(end), track.y_range());
        let color = if share < 0.0 { below } else { above };
        ui.painter().rect_filled(track, CornerRadius::same(3), palette.raised);
        ui.painter().rect_filled(filled, CornerRadius::same(2), color);
        let line = track.y_range().expand(3.0);
        ui.painter().vline(middle, line, egui::Stroke::new(1.0, palette.outline));
    }
    table::number(ui, cell, text, palette.text);
}
