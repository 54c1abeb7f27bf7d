//! The card that gets models: what is downloaded, a field for any model of the hub, and a few to begin with.

mod coming;
mod consent;
mod curated;
mod found;
mod rows;

use egui::{Align, Layout, RichText, Ui};

use crate::ui::action::Action;
use crate::ui::get_card::GetAction;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{self, Emphasis, action_button, hint};

/// Shows the card, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if !scene.state.cards.get.shows {
        return;
    }
    if widgets::card(ui, "get a model", 640.0, |ui| card(ui, scene)).should_close() {
        scene.state.cards.get.shows = false;
    }
}

fn card(ui: &mut Ui, scene: &mut Scene<'_>) {
    let palette = palette(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Get a model").font(semibold(size::TITLE)).color(palette.text));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let back = action_button(ui, Icon::Folder, "Models on this computer", Emphasis::Secondary, 206.0);
            if back.clicked() {
                scene.actions.push(Action::Get(GetAction::Back));
            }
        });
    });
    let allowed = scene.state.remembered.goes_online;
    if allowed {
        coming::show(ui, scene);
        found::show(ui, scene);
    } else {
        consent::show(ui, scene);
    }
    ui.add_space(space::S);
    curated::show(ui, scene);
    ui.add_space(space::XS);
    footer(ui, scene, allowed);
}

/// Where all this goes, and how to forbid it again.
fn footer(ui: &mut Ui, scene: &mut Scene<'_>, allowed: bool) {
    hint(
        ui,
        "Sizes are rough until the hub tells them. Models go into the hub's own cache, where other programs find them; their \
         licences are their makers'.",
    );
    if allowed && ui.button(RichText::new("Go online no more").size(size::SMALL)).clicked() {
        scene.actions.push(Action::Get(GetAction::Forbid));
    }
}
