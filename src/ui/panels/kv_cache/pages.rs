//! The pages of every sequence: those that several share in another colour.

use egui::{Align2, CornerRadius, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::session::{CacheMap, CachedSequence};
use crate::ui::colours::mix;
use crate::ui::format;
use crate::ui::theme::{mono, palette, regular, size};
use crate::ui::widgets::one_line;

/// Room for a sequence's name.
const NAME: f32 = 132.0;

/// Shows a row for each sequence.
pub(super) fn show(ui: &mut Ui, map: &CacheMap) {
    ui.spacing_mut().item_spacing.y = 2.0;
    let most = map.sequences.iter().map(|sequence| sequence.pages.len()).max().unwrap_or(0);
    for (index, sequence) in map.sequences.iter().enumerate() {
        row(ui, map, sequence, index + 1, most);
    }
}

fn row(ui: &mut Ui, map: &CacheMap, sequence: &CachedSequence, number: usize, most: usize) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
    let shared = sequence.pages.iter().filter(|page| page.users > 1).count();
    let words = format!(
        "Sequence {number}: {}, {}, {shared} shared",
        format::plural(sequence.positions, "position"),
        format::plural(sequence.pages.len(), "page")
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
    if !ui.is_rect_visible(rect) {
        return;
    }
    let name = format!("{number} · {}", format::plural(sequence.positions, "position"));
    let galley = one_line(ui, &name, regular(size::SMALL), palette.secondary, NAME - 8.0);
    ui.painter().galley(
        pos2(rect.left(), rect.center().y - galley.size().y / 2.0),
        galley,
        palette.secondary,
    );
    let room = rect.width() - NAME;
    let each = (room / most.max(1) as f32).min(34.0);
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    // Of pages on one column of the screen one is drawn.
    let every = (1.0 / each).ceil().max(1.0) as usize;
    for (index, page) in sequence.pages.iter().enumerate().step_by(every) {
        let left = rect.left() + NAME + each * index as f32;
        let gap = if each > 4.0 { 2.0 } else { 0.0 };
        let place = Rect::from_min_size(
            pos2(left, rect.top() + 2.0),
            vec2((each - gap).max(1.0), rect.height() - 4.0),
        );
        let ink = if page.users > 1 { palette.second } else { palette.accent };
        // The last page may be filled in part.
        let held = sequence.positions.saturating_sub(index * map.page_positions).min(map.page_positions);
        let mut filled = place;
        filled.set_width(place.width() * held as f32 / map.page_positions.max(1) as f32);
        painter.rect_filled(place, CornerRadius::same(3), palette.raised);
        painter.rect_filled(filled, CornerRadius::same(3), mix(palette.surface, ink, 0.5));
        if each >= 22.0 {
            let text = page.number.to_string();
            painter.text(place.center(), Align2::CENTER_CENTER, text, mono(size::CAPTION), palette.text);
        }
    }
    response.on_hover_ui(|ui| {
        ui.set_max_width(280.0);
        ui.label(egui::RichText::new(&words).size(size::SMALL).color(palette.text));
        let text = "Each box is a page, with its number in the cache. Orange pages hold positions that several \
                    sequences have in common: they are stored once.";
        ui.label(egui::RichText::new(text).size(size::SMALL).color(palette.secondary));
    });
}
