//! Controls of the settings: a name on the left, what is set on the right.

use std::ops::RangeInclusive;

use egui::{CollapsingHeader, DragValue, Id, Response, RichText, Slider, TextEdit, Ui, vec2};

use super::format;
use super::theme::{palette, size, space};
use super::typed::Typed;

/// A named row with a control on the right; `add` gets the id of the name.
pub(super) fn row(ui: &mut Ui, name: &str, meaning: &str, add: impl FnOnce(&mut Ui, Id) -> Response) {
    let palette = palette(ui);
    ui.horizontal(|ui| {
        ui.set_min_height(26.0);
        ui.spacing_mut().interact_size = vec2(48.0, 22.0);
        ui.spacing_mut().button_padding.y = 2.0;
        let text = RichText::new(name).size(size::SMALL).color(palette.secondary);
        let label = ui.add(egui::Label::new(text).sense(egui::Sense::hover())).on_hover_text(meaning).id;
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            add(ui, label).on_hover_text(meaning);
        });
    });
}

/// A named row with a rail and its number.
pub(super) fn slider(ui: &mut Ui, name: &str, meaning: &str, value: &mut f32, range: RangeInclusive<f32>) {
    let rail = (ui.available_width() - 118.0 - 48.0 - 2.0 * space::S).clamp(40.0, 160.0);
    let typed = Typed::of(ui, name);
    let ends = f64::from(*range.start())..=f64::from(*range.end());
    row(ui, name, meaning, |ui, label| {
        let number = DragValue::new(value)
            .range(range.clone())
            .custom_parser(typed.parser(ui))
            .custom_formatter(|value, _| format::signed(&format!("{:.2}", value + 0.0)))
            .speed(0.01)
            .min_size(vec2(48.0, 22.0));
        let number = ui.add(number).labelled_by(label);
        ui.spacing_mut().slider_width = rail;
        ui.spacing_mut().interact_size.y = 16.0;
        let slider = Slider::new(value, range).show_value(false).trailing_fill(false);
        number | ui.add(slider).accessible_name(format!("{name}, rail"))
    });
    typed.tell_correction(ui, &rounded(ends));
}

/// The ends of a range of f32 as they were written.
fn rounded(ends: RangeInclusive<f64>) -> RangeInclusive<f64> {
    let round = |end: f64| (end * 1e4).round() / 1e4;
    round(*ends.start())..=round(*ends.end())
}

/// A named row with a number.
pub(super) fn number(
    ui: &mut Ui,
    name: &str,
    meaning: &str,
    value: &mut usize,
    range: RangeInclusive<usize>,
) {
    let typed = Typed::of(ui, name);
    let ends = *range.start() as f64..=*range.end() as f64;
    row(ui, name, meaning, |ui, label| {
        let number = DragValue::new(value).range(range).speed(0.25).min_size(vec2(48.0, 22.0));
        ui.add(number.custom_parser(typed.parser(ui))).labelled_by(label)
    });
    typed.tell_correction(ui, &ends);
}

/// A group that opens at a press; its title tells whether anything in it is on.
pub(super) fn group(ui: &mut Ui, name: &str, on: bool, add: impl FnOnce(&mut Ui)) {
    let state = if on { GroupState::On } else { GroupState::Off };
    group_in(ui, name, state, false, add);
}

/// What a group's title tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupState {
    /// Nothing in it is set.
    Off,
    /// Something is.
    On,
    /// Something is set that cannot be.
    Broken,
}

/// The same for a group that may be broken; `opens` opens it and scrolls to it.
pub(super) fn group_in(ui: &mut Ui, name: &str, state: GroupState, opens: bool, add: impl FnOnce(&mut Ui)) {
    let palette = palette(ui);
    let (title, color) = match state {
        GroupState::Off => (name.to_owned(), palette.secondary),
        GroupState::On => (format!("{name} · on"), palette.text),
        GroupState::Broken => (format!("{name} · broken"), palette.error),
    };
    let title = RichText::new(title).size(size::SMALL).color(color);
    let header = CollapsingHeader::new(title).id_salt(name).open(opens.then_some(true));
    let shown = header.show_unindented(ui, add);
    if opens {
        shown.header_response.request_focus();
        ui.scroll_to_rect(shown.header_response.rect, Some(egui::Align::TOP));
    }
}

/// A named row with a line of text that stands for a list. What does not parse stays in the line, in red, and
/// changes nothing; it is forgotten when the line is left.
pub(super) fn list<T: PartialEq>(
    ui: &mut Ui,
    name: &str,
    meaning: &str,
    value: &mut T,
    print: impl Fn(&T) -> String,
    parse: impl Fn(&str) -> Option<T>,
) {
    row(ui, name, meaning, |ui, label| {
        let id = ui.scope_id().with(("list", name));
        let kept: Option<String> = ui.data(|data| data.get_temp(id));
        let mut text = kept.unwrap_or_else(|| print(value));
        let parsed = parse(&text);
        let color = parsed.is_none().then(|| palette(ui).error);
        let edit = TextEdit::singleline(&mut text).id(id).text_color_opt(color);
        let response = ui.add_sized(vec2(160.0_f32.min(ui.available_width()), 22.0), edit).labelled_by(label);
        if response.changed()
            && let Some(parsed) = parse(&text)
        {
            *value = parsed;
        }
        let focused = response.has_focus();
        ui.data_mut(|data| {
            if focused {
                data.insert_temp(id, text);
            } else {
                data.remove_temp::<String>(id);
            }
        });
        response
    });
}
