//! A row of the card: a name, a line about it, and what can be done on the right.

use egui::{
    Align2, Color32, CornerRadius, Rect, Response, Role, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use crate::ui::icons::Icon;
use crate::ui::theme::{mono, palette, regular, semibold, size, space};
use crate::ui::widgets::{Emphasis, action_button, one_line};

/// Width of the button at the end of a row.
pub(super) const BUTTON: f32 = 92.0;
/// Height of a row.
const ROW: f32 = 48.0;

/// What a row says.
pub(super) struct Row<'a> {
    /// The model.
    pub name: &'a str,
    /// A line about it.
    pub details: &'a str,
    /// A word that stands out behind the line, with its colour.
    pub note: Option<(&'a str, Color32)>,
    /// Its size.
    pub size: &'a str,
}

/// Shows a row; `end` adds what is at its right.
pub(super) fn row(ui: &mut Ui, row: &Row<'_>, end: impl FnOnce(&mut Ui)) -> Response {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    let note = row.note.map(|(text, _)| format!(", {text}")).unwrap_or_default();
    let label = format!("{}, {}, {}{note}", row.name, row.size, row.details);
    response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &label));
    if response.hovered() {
        ui.painter().rect_filled(rect.shrink2(vec2(0.0, 1.0)), CornerRadius::same(6), palette.hover);
    }
    let inside = rect.shrink2(vec2(10.0, 0.0));
    let button = Rect::from_min_max(pos2(inside.right() - BUTTON, inside.top() + 8.0), inside.max);
    // One that takes no place of its own: the row has it.
    end(&mut ui.new_child(UiBuilder::new().max_rect(button).id_salt(&label)));
    let text_end = button.left() - space::M;
    let (above, below) = (inside.top() + 7.0, inside.top() + 26.0);
    let size_rect = ui.painter().text(
        pos2(text_end, above + 1.0),
        Align2::RIGHT_TOP,
        row.size,
        mono(size::SMALL),
        palette.secondary,
    );
    let line = |y: f32, text: &str, font, color, end: f32| {
        let galley = one_line(ui, text, font, color, end - inside.left());
        ui.painter().galley(pos2(inside.left(), y), galley, color);
    };
    line(above, row.name, semibold(size::BODY), palette.text, size_rect.left() - space::M);
    let mut details_end = text_end;
    if let Some((text, color)) = row.note {
        let rect =
            ui.painter().text(pos2(text_end, below), Align2::RIGHT_TOP, text, regular(size::SMALL), color);
        details_end = rect.left() - space::M;
    }
    line(below, row.details, regular(size::SMALL), palette.secondary, details_end);
    response
}

/// A button whose accessible name says what it is about.
pub(super) fn button(ui: &mut Ui, icon: Icon, word: &str, about: &str, emphasis: Emphasis) -> bool {
    let response = action_button(ui, icon, word, emphasis, BUTTON);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), format!("{word} {about}")));
    response.clicked()
}
