//! A letter in a square, for a lane or a model.

use egui::{Align2, Color32, CornerRadius, Pos2, Rect, Stroke, StrokeKind, Ui, vec2};

use crate::ui::theme::{semibold, size};

/// Side of the square.
pub(super) const BADGE: f32 = 18.0;

/// A letter in the colour that its lane has in plots.
pub(super) fn badge(ui: &Ui, letter: char, color: Color32, center: Pos2) {
    let rect = Rect::from_center_size(center, vec2(BADGE, BADGE));
    let fill = color.gamma_multiply(0.16);
    ui.painter().rect(rect, CornerRadius::same(4), fill, Stroke::new(1.0, color), StrokeKind::Inside);
    ui.painter().text(center, Align2::CENTER_CENTER, letter, semibold(size::SMALL), color);
}
