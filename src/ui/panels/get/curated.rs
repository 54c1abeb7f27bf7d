//! A few models to begin with.

use egui::Ui;

use super::rows::{Row, button, row};
use crate::hub::{Curated, curated};
use crate::session::ModelSource;
use crate::ui::action::Action;
use crate::ui::downloads::{Phase, Wanted};
use crate::ui::format;
use crate::ui::get_card::GetAction;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::palette;
use crate::ui::widgets::{Emphasis, section};

/// Memory beside the weights, roughly: for what is computed, and a short context.
const BESIDE: u64 = 300_000_000;

pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    section(ui, "Good to begin with");
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for model in curated() {
            model_row(ui, scene, model);
        }
    });
}

fn model_row(ui: &mut Ui, scene: &mut Scene<'_>, model: &Curated) {
    let size = format!("~{}", format::bytes(model.about_bytes));
    let exceeded = scene.state.cards.shelf.room.filter(|room| model.about_bytes + BESIDE > room.bytes);
    let palette = palette(ui);
    let note = match exceeded {
        Some(room) if room.is_own => ("larger than the GPU: slower", palette.warning),
        Some(_) => ("too large for the GPU", palette.warning),
        None => (model.licence.as_str(), palette.tertiary),
    };
    let shown = Row { name: &model.name, details: &model.about, note: Some(note), size: &size };
    let wanted = Wanted { repository: model.repository.clone(), file: model.file.clone() };
    let begun = scene.state.downloads.of(&wanted).map(|download| download.phase.clone());
    let allowed = scene.state.remembered.goes_online;
    let response = row(ui, &shown, |ui| match begun {
        None => {
            ui.add_enabled_ui(allowed, |ui| {
                if button(ui, Icon::Save, "Get", &model.name, Emphasis::Secondary) {
                    scene.actions.push(Action::Get(GetAction::Begin(wanted, model.about_bytes)));
                }
            });
        }
        Some(Phase::Here(path)) => {
            if button(ui, Icon::Check, "Open", &model.name, Emphasis::Secondary) {
                scene.actions.push(Action::Open(ModelSource::Path(path)));
            }
        }
        Some(_) => {
            ui.add_enabled_ui(false, |ui| button(ui, Icon::Save, "Coming", &model.name, Emphasis::Secondary));
        }
    });
    response
        .on_hover_text(format!("{}\n\n{}\n{}\n{}", model.about, model.repository, model.file, model.licence));
}
