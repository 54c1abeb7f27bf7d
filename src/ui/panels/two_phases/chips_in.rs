//! The tokens that enter a pass, as chips: as many as have room.

use std::ops::Range;

use egui::{Align2, CornerRadius, Painter, Rect, Stroke, StrokeKind, Ui, pos2, vec2};

use crate::trace::Run;
use crate::ui::format;
use crate::ui::panels::look::at_position;
use crate::ui::theme::{mono, palette, regular, size};
use crate::ui::widgets::one_line;

/// Height of a line of chips with its gap, and of a chip.
const LINE: f32 = 21.0;
const CHIP: f32 = 18.0;

/// Paints them from the last one back, which is the newest.
pub(super) fn show(ui: &Ui, painter: &Painter, rect: Rect, run: &Run, entering: Range<usize>) {
    let palette = palette(ui);
    painter.rect_filled(rect, CornerRadius::same(6), palette.window);
    painter.rect_stroke(rect, CornerRadius::same(6), Stroke::new(1.0, palette.line), StrokeKind::Inside);
    let inner = rect.shrink(8.0);
    let chip = |position: usize| {
        let text = at_position(run, position);
        one_line(ui, &text, mono(size::CAPTION), palette.text, inner.width() - 10.0)
    };
    // From the end on, so that the newest token is there whatever is left out.
    let lines_that_fit = ((inner.height() / LINE) as usize).max(1);
    let mut lines: Vec<Vec<usize>> = vec![Vec::new()];
    let mut width = 0.0;
    let mut left_out = 0;
    for position in entering.clone().rev() {
        let needed = chip(position).size().x + 10.0 + 3.0;
        if width + needed > inner.width() && width > 0.0 {
            // One line is for the words that some are left out.
            if lines.len() + 1 >= lines_that_fit && position > entering.start {
                left_out = position + 1 - entering.start;
                break;
            }
            lines.push(Vec::new());
            width = 0.0;
        }
        width += needed;
        if let Some(line) = lines.last_mut() {
            line.push(position);
        }
    }
    let extra = usize::from(left_out > 0);
    let height = (lines.len() + extra) as f32 * LINE;
    let mut top = inner.center().y - height / 2.0;
    if left_out > 0 {
        let text = format!("… and {} before", format::count(left_out as u64));
        let at = pos2(inner.center().x, top + CHIP / 2.0);
        painter.text(at, Align2::CENTER_CENTER, text, regular(size::SMALL), palette.tertiary);
        top += LINE;
    }
    for line in lines.iter().rev() {
        let widths: f32 = line.iter().map(|&position| chip(position).size().x + 13.0).sum::<f32>() - 3.0;
        let mut left = inner.center().x - widths / 2.0;
        for &position in line.iter().rev() {
            let galley = chip(position);
            let place = Rect::from_min_size(pos2(left, top), vec2(galley.size().x + 10.0, CHIP));
            painter.rect_filled(place, CornerRadius::same(4), palette.accent_soft);
            painter.galley(
                pos2(place.left() + 5.0, place.center().y - galley.size().y / 2.0),
                galley,
                palette.text,
            );
            left = place.right() + 3.0;
        }
        top += LINE;
    }
}
