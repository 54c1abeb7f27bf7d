//! The command palette: a word or two, and what they find of all that can be done.

use egui::{Align2, CornerRadius, Key, Modifiers, ScrollArea, Sense, TextEdit, Ui, WidgetInfo, vec2};

use super::commands::{self, Named};
use super::shortcuts::keys_of;
use crate::ui::cards::Palette;
use crate::ui::scene::Scene;
use crate::ui::theme::{mono, palette, regular, size, space};
use crate::ui::widgets;

/// Height of a row.
const ROW: f32 = 28.0;

/// Shows the palette, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(mut open) = scene.state.cards.palette.take() else { return };
    let mut found: Vec<(u32, Named)> = commands::all(scene)
        .into_iter()
        .filter_map(|command| Some((commands::answers(&command.name, &open.query)?, command)))
        .collect();
    // Of equally good ones the order stays.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let mut chosen = keys(ui, &mut open, found.len());
    let card = widgets::card(ui, "palette", 520.0, |ui| {
        let edit = TextEdit::singleline(&mut open.query)
            .hint_text("What to do?")
            .desired_width(f32::INFINITY)
            .margin(vec2(10.0, 8.0));
        let response = ui.add(edit).accessible_name("Command");
        if response.changed() {
            open.selected = 0;
        }
        response.request_focus();
        ui.add_space(space::S);
        if found.is_empty() {
            widgets::hint(ui, "Nothing of this name can be done.");
        }
        ScrollArea::vertical().id_salt("commands").max_height(10.0 * ROW).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (place, (_, command)) in found.iter().enumerate() {
                if row(ui, command, place == open.selected, open.moved) {
                    chosen = Some(place);
                }
            }
        });
        open.moved = false;
    });
    match chosen.and_then(|place| found.into_iter().nth(place)) {
        Some((_, command)) => scene.actions.push(command.action),
        None if card.should_close() => {}
        None => scene.state.cards.palette = Some(open),
    }
}

/// Moves the selection by the arrows; the place of what Enter chooses.
fn keys(ui: &Ui, open: &mut Palette, count: usize) -> Option<usize> {
    open.selected = open.selected.min(count.saturating_sub(1));
    ui.input_mut(|input| {
        if input.consume_key(Modifiers::NONE, Key::ArrowDown) && open.selected + 1 < count {
            (open.selected, open.moved) = (open.selected + 1, true);
        }
        if input.consume_key(Modifiers::NONE, Key::ArrowUp) && open.selected > 0 {
            (open.selected, open.moved) = (open.selected - 1, true);
        }
        (input.consume_key(Modifiers::NONE, Key::Enter) && count > 0).then_some(open.selected)
    })
}

/// Shows a command; whether it was clicked.
fn row(ui: &mut Ui, command: &Named, is_selected: bool, scrolls: bool) -> bool {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    response
        .widget_info(|| WidgetInfo::selected(egui::Role::ListItem, true, is_selected, command.name.as_str()));
    if is_selected && scrolls {
        response.scroll_to_me(None);
    }
    let fill = match (is_selected, response.hovered()) {
        (true, _) => palette.accent_soft,
        (false, true) => palette.hover,
        (false, false) => egui::Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, CornerRadius::same(4), fill);
    let inside = rect.shrink2(vec2(space::S, 0.0));
    let mut room = inside;
    if let Some(keys) = &command.keys {
        let (text, font) = (keys_of(ui, keys), mono(size::SMALL));
        let shown =
            ui.painter().text(inside.right_center(), Align2::RIGHT_CENTER, text, font, palette.tertiary);
        room.max.x = shown.left() - space::S;
    }
    let painter = ui.painter().with_clip_rect(room.intersect(ui.clip_rect()));
    painter.text(room.left_center(), Align2::LEFT_CENTER, &command.name, regular(size::BODY), palette.text);
    response.clicked()
}
