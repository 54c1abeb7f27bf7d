//! The conversation above the prompt's editor: what the system says, what was said before, and the template's switches.

use egui::{CornerRadius, Frame, Label, Margin, RichText, ScrollArea, TextEdit, Ui, vec2};

use crate::session::Switch;
use crate::ui::action::Action;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::talk::{Talk, Turn};
use crate::ui::theme::{palette, size, space};
use crate::ui::widgets::{icon_button, section, segmented};

/// Lines of a text that a turn shows; all of it is there under the pointer.
const LINES: usize = 3;
/// The share of the window's height that the turns take at most, and between which heights that is; those before are
/// scrolled to.
const TURNS_SHARE: f32 = 0.22;
const TURNS_HEIGHTS: [f32; 2] = [72.0, 210.0];

/// Shows what was said before.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Scene { state, actions, .. } = scene;
    let talk = &mut state.remembered.talk;
    ui.horizontal(|ui| {
        let turns = talk.all().count();
        let title = if turns == 0 {
            "Conversation".to_owned()
        } else {
            format!("Conversation · {}", format::plural(turns, "turn"))
        };
        section(ui, &title);
        if turns > 0 {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if icon_button(ui, Icon::Plus, "Begin a new conversation").clicked() {
                    actions.push(Action::NewConversation);
                }
            });
        }
    });
    let system = TextEdit::multiline(&mut talk.system)
        .desired_rows(1)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(10, 6))
        .hint_text("System message (optional)");
    ui.add(system).accessible_name("System message");

    let count = talk.all().count();
    if count == 0 {
        return;
    }
    // The editor below stays in sight, however long they talk.
    let [least, most] = TURNS_HEIGHTS;
    let height = (TURNS_SHARE * ui.ctx().content_rect().height()).clamp(least, most);
    let turns = ScrollArea::vertical().id_salt("turns").max_height(height).stick_to_bottom(true);
    turns.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::S;
        for (place, turn) in talk.all().enumerate() {
            let is_newest = place + 1 == count && talk.newest.is_some();
            if show_turn(ui, place, turn, is_newest) {
                actions.push(Action::AskAnew(place));
            }
        }
    });
}

/// The switches that the template reads.
pub(super) fn switches(ui: &mut Ui, talk: &mut Talk, switches: &[Switch]) {
    for switch in switches {
        let values = switch.values.iter().enumerate().map(|(index, (label, _))| (Some(index), *label));
        let choices: Vec<(Option<usize>, &str)> =
            [(None, "as the template")].into_iter().chain(values).collect();
        let json = |index: usize| serde_json::from_str(switch.values[index].1).unwrap_or_default();
        let chosen = talk.switches.get(switch.name);
        let current = (0..switch.values.len()).find(|&index| chosen == Some(&json(index)));
        ui.label(RichText::new(switch.label).size(size::SMALL).color(palette(ui).secondary));
        match segmented(ui, current, &choices) {
            Some(Some(index)) => drop(talk.switches.insert(switch.name.to_owned(), json(index))),
            Some(None) => drop(talk.switches.remove(switch.name)),
            None => {}
        }
    }
}

/// Shows a turn; whether it is to be asked anew.
fn show_turn(ui: &mut Ui, place: usize, turn: &Turn, is_newest: bool) -> bool {
    let palette = palette(ui);
    let mut again = false;
    let frame = Frame::new()
        .fill(palette.raised)
        .corner_radius(CornerRadius::same(6))
        .inner_margin(Margin::symmetric(10, 6));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = space::XS;
        ui.horizontal_top(|ui| {
            let width = ui.available_width() - 28.0 - space::S;
            ui.allocate_ui(vec2(width, 0.0), |ui| {
                ui.set_width(width);
                ui.vertical(|ui| said(ui, "You", &turn.asked));
            });
            let label = format!("Go back to question {}", place + 1);
            let response = icon_button(ui, Icon::Reset, &label);
            again = response
                .on_hover_text(
                    "Edit this question and ask from here; what came after goes, and can be brought back (U)",
                )
                .clicked();
        });
        match turn.answer.as_str() {
            "" if is_newest => {}
            "" => said(ui, "Assistant", "no answer"),
            answer => said(ui, "Assistant", answer),
        }
    });
    again
}

/// Who said what; the beginning of it, with all of it under the pointer.
fn said(ui: &mut Ui, who: &str, text: &str) {
    let palette = palette(ui);
    ui.label(RichText::new(who).size(size::CAPTION).color(palette.tertiary));
    let font = egui::FontId::proportional(size::SMALL);
    let mut job =
        egui::text::LayoutJob::simple(text.trim().to_owned(), font, palette.text, ui.available_width());
    job.wrap.max_rows = LINES;
    job.wrap.break_anywhere = false;
    // What is cut off shows under the pointer by itself.
    ui.add(Label::new(job).selectable(false));
}
