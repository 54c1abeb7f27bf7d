//! Which rows the passes computed: steps go down, positions across. What was computed before is a triangle of repeated work
//! without a KV cache, and nothing with it.

use egui::{Align2, CornerRadius, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use super::way::Way;
use crate::session::Comparison;
use crate::ui::colours::mix;
use crate::ui::format;
use crate::ui::theme::{palette, regular, size};

/// Shows the rows of the steps that were measured.
pub(super) fn show(ui: &mut Ui, way: Way, comparison: &Comparison, height: f32) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let (positions, steps) = (comparison.prompt + comparison.tokens - 1, comparison.tokens);
    let done = comparison.steps.len();
    response.widget_info(|| {
        let words = format!("{}, rows of {done} of {steps} steps over {positions} positions", way.name());
        WidgetInfo::labeled(Role::Image, true, words)
    });
    ui.painter().rect_filled(rect, CornerRadius::same(4), palette.window);
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let inner = rect.shrink(4.0);
    let across = |position: usize| inner.left() + inner.width() * position as f32 / positions as f32;
    let down = |step: usize| inner.top() + inner.height() * step as f32 / steps as f32;
    let (new, again) = (way.ink(palette), mix(palette.window, way.ink(palette), 0.42));
    let mut drawn_to = inner.top();
    for (index, step) in comparison.steps.iter().enumerate() {
        // Of steps on one line of the screen the last is drawn.
        let bottom = down(index + 1);
        if bottom - drawn_to < 1.0 && index + 1 < done {
            continue;
        }
        let gap = if bottom - drawn_to > 5.0 { 1.0 } else { 0.0 };
        let rows = way.pass(step).rows;
        let end = comparison.prompt + index;
        // Positions that no step before has computed.
        let fresh = if index == 0 { end } else { 1 };
        let line = |from: usize, to: usize| {
            let (left, right) = (across(from), across(to).max(across(from) + 2.0).min(inner.right()));
            let left = left.min(right - 2.0);
            Rect::from_min_max(pos2(left, drawn_to), pos2(right, (bottom - gap).max(drawn_to + 1.0)))
        };
        if rows > fresh {
            painter.rect_filled(line(end - rows, end - fresh), 0.0, again);
        }
        painter.rect_filled(line(end - rows.min(fresh), end), 0.0, new);
        drawn_to = bottom;
    }
    painter.rect_stroke(rect, CornerRadius::same(4), Stroke::new(1.0, palette.line), StrokeKind::Inside);
    // Where nothing is drawn there is room for what the axes are.
    let corner = rect.right_top() + vec2(-8.0, 7.0);
    let text = format!("→ position, {}", format::count(positions as u64));
    let font = regular(size::CAPTION);
    if rect.width() > 190.0 && rect.height() > 130.0 {
        painter.text(corner, Align2::RIGHT_TOP, text, font.clone(), palette.tertiary);
        let text = format!("↓ step, {}", format::count(steps as u64));
        painter.text(corner + vec2(0.0, 14.0), Align2::RIGHT_TOP, text, font, palette.tertiary);
    }
    response.on_hover_ui(|ui| {
        ui.set_max_width(280.0);
        let text = match way {
            Way::Uncached => {
                "Each line is a step's pass: bright what no step before had computed, dim what was computed before and \
                 is computed again. The dim triangle is the work that a KV cache saves."
            }
            Way::Cached => {
                "Each line is a step's pass: all of the prompt at the first step, one row at every other. Keys and \
                 values of all earlier positions are read from the cache."
            }
        };
        ui.label(egui::RichText::new(text).size(size::SMALL).color(palette.secondary));
    });
}
