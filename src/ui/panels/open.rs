//! The card that opens a model: dialogs, a path field, recent models, the built-in one.

use egui::{Align2, Key, Popup, RichText, TextEdit, Ui, vec2};

use super::{model_card, shelf};
use crate::session::ModelSource;
use crate::ui::action::Action;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{self, Emphasis, action_button, hint, section};

/// Shows the card, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if !scene.state.cards.open {
        return;
    }
    if widgets::card(ui, "open model", 620.0, |ui| card(ui, scene)).should_close() {
        scene.state.cards.open = false;
    }
}

fn card(ui: &mut Ui, scene: &mut Scene<'_>) {
    let palette = palette(ui);
    ui.label(RichText::new("Open a model").font(semibold(size::TITLE)).color(palette.text));
    ui.add_space(space::XS);
    shelf::show(ui, scene);
    ui.add_space(space::S);
    section(ui, "Elsewhere");
    hint(
        ui,
        "A Hugging Face folder, a .safetensors file in one, a .safetensors.index.json, or a GGUF file; or a saved trace.",
    );
    let third = (ui.available_width() - 2.0 * ui.spacing().item_spacing.x) / 3.0;
    ui.horizontal(|ui| {
        if action_button(ui, Icon::Folder, "Choose a folder…", Emphasis::Secondary, third).clicked() {
            scene.actions.push(Action::PickFolder);
        }
        if action_button(ui, Icon::File, "Choose a file…", Emphasis::Secondary, third).clicked() {
            scene.actions.push(Action::PickFile);
        }
        recent(ui, scene, third);
    });
    ui.horizontal(|ui| {
        let width = ui.available_width() - 80.0 - space::S;
        let edit = TextEdit::singleline(&mut scene.state.cards.open_path)
            .hint_text("/path/to/a/model or /path/to/a/trace.json")
            .align(Align2::LEFT_CENTER);
        let response = ui.add_sized(vec2(width, 32.0), edit).accessible_name("Model path");
        if response.changed() {
            scene.state.cards.open_problem = None;
        }
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let path = scene.state.cards.open_path.trim().trim_matches('"').to_owned();
        ui.add_enabled_ui(!path.is_empty(), |ui| {
            let open = action_button(ui, Icon::Check, "Open", Emphasis::Primary, 80.0);
            if (open.clicked() || entered) && !path.is_empty() {
                scene.actions.push(Action::Open(ModelSource::Path(path.into())));
            }
        });
    });
    problem(ui, scene);
    ui.add_space(space::XS);
    model_card::precision(ui, scene);
    ui.add_space(space::XS);
    section(ui, "Saved run");
    let width = ui.available_width();
    if action_button(ui, Icon::File, "Open a trace…", Emphasis::Secondary, width).clicked() {
        scene.actions.push(Action::OpenTrace);
    }
    ui.add_space(space::XS);
    section(ui, "Built in");
    let built_in = action_button(ui, Icon::Logo, "Demonstration model", Emphasis::Secondary, width);
    if built_in.on_hover_text("A small model that tells fairy tales").clicked() {
        scene.actions.push(Action::Open(ModelSource::BuiltIn));
    }
}

/// Why the path led to nothing.
fn problem(ui: &mut Ui, scene: &Scene<'_>) {
    let Some(notice) = &scene.state.cards.open_problem else { return };
    let palette = palette(ui);
    ui.label(RichText::new(&notice.title).font(semibold(size::BODY)).color(palette.error));
    let detail = RichText::new(&notice.detail).size(size::SMALL).color(palette.text);
    let shown = ui.add(egui::Label::new(detail).wrap().selectable(true));
    shown.scroll_to_me(None);
}

/// The models opened before, wherever they are, as a menu: a list of them would come and go with what is found.
fn recent(ui: &mut Ui, scene: &mut Scene<'_>, width: f32) {
    let recent = &scene.state.remembered.recent;
    ui.add_enabled_ui(!recent.is_empty(), |ui| {
        let button = action_button(ui, Icon::Down, "Opened before", Emphasis::Secondary, width);
        Popup::menu(&button).show(|ui| {
            for path in recent {
                let text = path.display().to_string();
                let name = path.file_name().map_or(text.clone(), |name| name.to_string_lossy().into_owned());
                if ui.button(name).on_hover_text(text).clicked() {
                    scene.actions.push(Action::Open(ModelSource::Path(path.clone())));
                }
            }
            ui.separator();
            if ui.button("Forget these").clicked() {
                scene.actions.push(Action::ClearRecent);
            }
        });
    });
}
