//! A row for each layer, a column for each position.

use egui::{
    Align2, CornerRadius, Painter, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::filled::Filled;
use crate::session::LayerKeeps;
use crate::ui::colours::mix;
use crate::ui::format;
use crate::ui::theme::{Palette, palette, regular, size};

/// Room for the layers' numbers, and for their states.
const NUMBERS: f32 = 26.0;
const STATES: f32 = 58.0;
/// Room for the positions' numbers.
const POSITIONS: f32 = 16.0;

/// Where positions lie in the grid.
struct Across {
    left: f32,
    /// Width of a position.
    each: f32,
    /// Positions of a page; `None` where that is not known.
    page: Option<usize>,
}

impl Across {
    fn x(&self, position: usize) -> f32 {
        self.left + self.each * position as f32
    }
}

/// Shows it.
pub(super) fn show(ui: &mut Ui, filled: &Filled<'_>, height: f32) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let layers = layers(filled);
    let positions = filled.node.counters.cached_positions;
    let page = filled.map.map(|map| map.page_positions);
    // The axis ends with the page that the run's newest position is in.
    let newest = filled.run.line_nodes().map(|node| node.counters.cached_positions).max().unwrap_or(0);
    let end = newest.max(positions).max(1).next_multiple_of(page.unwrap_or(1));
    let name = format!(
        "KV cache: {} by {} of {} positions",
        format::plural(layers.len(), "layer"),
        format::count(positions as u64),
        format::count(end as u64)
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let states = if layers.iter().any(|layer| layer.state) { STATES } else { 0.0 };
    let grid = Rect::from_min_max(
        rect.left_top() + vec2(NUMBERS, 0.0),
        rect.right_bottom() - vec2(states, POSITIONS),
    );
    let each = grid.height() / layers.len().max(1) as f32;
    let across = Across { left: grid.left(), each: grid.width() / end as f32, page };
    for (index, layer) in layers.iter().enumerate() {
        let gap = if each > 5.0 { 1.0 } else { 0.0 };
        let top = grid.top() + each * index as f32;
        let row = Rect::from_x_y_ranges(grid.x_range(), top..=top + each - gap);
        layer_row(&painter, palette, row, layer, filled, &across, end);
        if layer.state {
            let block = Rect::from_x_y_ranges(grid.right() + 10.0..=rect.right(), row.y_range());
            painter.rect_filled(block, CornerRadius::same(2), palette.second);
        }
        let every = (11.0 / each).ceil().max(1.0) as usize;
        if index.is_multiple_of(every) {
            let at = pos2(grid.left() - 6.0, row.center().y);
            let number = layer.layer.to_string();
            painter.text(at, Align2::RIGHT_CENTER, number, regular(size::CAPTION), palette.tertiary);
        }
    }
    separators(&painter, palette, grid, &across, end);
    numbers(&painter, palette, grid, &across, end);
    if states > 0.0 {
        let at = pos2(rect.right(), grid.bottom() + 3.0);
        painter.text(at, Align2::RIGHT_TOP, "state", regular(size::CAPTION), palette.tertiary);
    }
    response.on_hover_ui(|ui| {
        ui.set_max_width(300.0);
        let text = "Rows are layers, columns positions of the text. Bright: new in this step. Dim: kept from earlier \
                    steps, read and not computed again. Faint: kept, but outside the layer's sliding window. Empty: free \
                    places of pages that are in use by the run's end. A state takes the same room after any number of \
                    positions.";
        ui.label(egui::RichText::new(text).size(size::SMALL).color(palette.secondary));
    });
}

/// What each layer keeps; without the model at hand as many as the trace tells.
fn layers(filled: &Filled<'_>) -> Vec<LayerKeeps> {
    match filled.map {
        Some(map) if !map.layers.is_empty() => map.layers.clone(),
        _ => {
            let keep = filled.run.model.layers_keep;
            let (caches, states) = (keep.caches(), keep.states());
            // Older traces do not tell: their models had no states.
            let rows = if caches + states == 0 { filled.run.model.layers } else { caches };
            (0..rows).map(|layer| LayerKeeps { layer, cache: true, ..LayerKeeps::default() }).collect()
        }
    }
}

/// The cells of a layer: kept, new, outside its window, free.
fn layer_row(
    painter: &Painter,
    palette: &Palette,
    row: Rect,
    layer: &LayerKeeps,
    filled: &Filled<'_>,
    across: &Across,
    end: usize,
) {
    if !layer.cache {
        painter.hline(row.x_range(), row.center().y, Stroke::new(1.0, palette.line));
        return;
    }
    let positions = filled.node.counters.cached_positions;
    let seen_from = layer.first_seen(positions);
    let part = |from: usize, to: usize, color| {
        if to > from {
            let part = Rect::from_x_y_ranges(across.x(from)..=across.x(to), row.y_range());
            painter.rect_filled(part, 0.0, color);
        }
    };
    let (kept, faint) =
        (mix(palette.surface, palette.accent, 0.42), mix(palette.surface, palette.accent, 0.14));
    part(positions, end, palette.raised);
    part(0, seen_from, faint);
    part(seen_from, filled.before.max(seen_from), kept);
    part(filled.before.max(seen_from), positions, palette.accent);
}

/// Lines between positions where they have room, and broader ones between pages.
fn separators(painter: &Painter, palette: &Palette, grid: Rect, across: &Across, end: usize) {
    if across.each >= 4.0 {
        for position in 1..end {
            painter.vline(across.x(position), grid.y_range(), Stroke::new(1.0, palette.surface));
        }
    }
    if let Some(page) = across.page.filter(|page| across.each * *page as f32 >= 3.0) {
        let broad = if across.each >= 4.0 { 3.0 } else { 1.5 };
        for position in (page..end).step_by(page) {
            painter.vline(across.x(position), grid.y_range(), Stroke::new(broad, palette.surface));
        }
    }
    painter.rect_stroke(grid, CornerRadius::same(2), Stroke::new(1.0, palette.line), StrokeKind::Outside);
}

/// Numbers of positions below the grid.
fn numbers(painter: &Painter, palette: &Palette, grid: Rect, across: &Across, end: usize) {
    let page = across.page.unwrap_or(16).max(1);
    let every = page * ((44.0 / (across.each * page as f32)).ceil().max(1.0) as usize);
    for position in (0..=end).step_by(every) {
        let x = across.x(position);
        let align = if position == 0 { Align2::LEFT_TOP } else { Align2::CENTER_TOP };
        if x < grid.right() - 14.0 {
            let text = format::count(position as u64);
            let at = pos2(x, grid.bottom() + 3.0);
            painter.text(at, align, text, regular(size::CAPTION), palette.tertiary);
        }
    }
}
