//! A row of numbers from 0 to 1 as cells of colour.

use egui::{CornerRadius, Rect, Stroke, StrokeKind, Ui, pos2};

use crate::ui::colours::quantity;
use crate::ui::theme::palette;

/// Widest cell.
const WIDEST: f32 = 28.0;

/// Paints the cells; gives the one under the pointer. `framed` tells which ones have a frame.
pub(super) fn strip(ui: &Ui, place: Rect, values: &[f32], framed: impl Fn(usize) -> bool) -> Option<usize> {
    let place = place.shrink2(egui::vec2(0.0, 4.0));
    let width = (place.width() / values.len().max(1) as f32).min(WIDEST);
    let gap = if width > 6.0 { 1.0 } else { 0.0 };
    let cell = |index: usize| {
        let left = place.left() + index as f32 * width;
        Rect::from_min_max(pos2(left, place.top()), pos2(left + width - gap, place.bottom()))
    };
    for (index, &value) in values.iter().enumerate() {
        ui.painter().rect_filled(cell(index), CornerRadius::same(2), quantity(ui, value));
    }
    for index in (0..values.len()).filter(|&index| framed(index)) {
        let stroke = Stroke::new(2.0, palette(ui).text);
        ui.painter().rect_stroke(cell(index), CornerRadius::same(2), stroke, StrokeKind::Inside);
    }
    let pointer = ui.input(|input| input.pointer.hover_pos()).filter(|at| place.contains(*at))?;
    (0..values.len()).find(|&index| cell(index).expand2(egui::vec2(gap, 0.0)).contains(pointer))
}
