//! What is said before the program goes online for the first time.

use egui::{Frame, Margin, RichText, Stroke, Ui};

use crate::ui::action::Action;
use crate::ui::get_card::GetAction;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{RADIUS, palette, semibold, size, space};
use crate::ui::widgets::{Emphasis, action_button};

pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let palette = palette(ui);
    let frame = Frame::new()
        .fill(palette.accent_soft)
        .stroke(Stroke::new(1.0, palette.outline))
        .corner_radius(RADIUS)
        .inner_margin(Margin::same(14));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.label(RichText::new("This goes online").font(semibold(size::BODY)).color(palette.text));
        let host = match scene.state.cards.get.host.as_str() {
            "" => "the Hugging Face hub",
            host => host,
        };
        let text = format!(
            "Logitscope never goes online by itself. To get a model it asks {host}, and the servers that it sends its files \
             from. They see this computer's address and which model you take, as with a browser, and {host} your access token \
             if one is set here. Nothing else is sent."
        );
        ui.label(RichText::new(text).color(palette.secondary));
        ui.add_space(space::XS);
        if action_button(ui, Icon::Check, "Allow it", Emphasis::Primary, 120.0).clicked() {
            scene.actions.push(Action::Get(GetAction::Allow));
        }
    });
}
