//! The card that chooses another model to hold against the first lane: the open one in another precision, another file, or
//! the built-in draft model.

use egui::{Align2, Button, Key, RichText, TextEdit, Ui, vec2};

use crate::session::{BUILT_IN, ModelSource, WeightsChoice};
use crate::ui::action::Action;
use crate::ui::icons::Icon;
use crate::ui::lanes::SecondAction;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{self, Emphasis, action_button, hint, section};

/// Shows the card, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if !scene.state.cards.second {
        return;
    }
    if widgets::card(ui, "another model", 460.0, |ui| card(ui, scene)).should_close() {
        scene.state.cards.second = false;
    }
}

fn card(ui: &mut Ui, scene: &mut Scene<'_>) {
    let title = RichText::new("Another model against lane A").font(semibold(size::TITLE));
    ui.label(title.color(palette(ui).text));
    hint(
        ui,
        "It reads lane A's prompt and text, and you see step by step what it would have said in its place. It has to have the \
         same tokens: the same model in another precision, or one of its family.",
    );
    ui.add_space(space::XS);
    let Some(loaded) = scene.view.loaded.as_ref() else {
        hint(ui, "Open a model first.");
        return;
    };
    let (name, built_in) = (loaded.model.name.clone(), loaded.model.path == BUILT_IN);
    // What weights a server has is its own matter.
    if loaded.server.is_none() {
        section(ui, "The same model, with other weights");
        precisions(ui, scene, &name);
        ui.add_space(space::XS);
    }
    section(ui, "Another file");
    files(ui, scene);
    ui.add_space(space::XS);
    path(ui, scene);
    recent(ui, scene);
    if built_in {
        ui.add_space(space::XS);
        section(ui, "Built in");
        let width = ui.available_width();
        let button = action_button(ui, Icon::Logo, "Built-in draft model", Emphasis::Secondary, width);
        if button.on_hover_text("A tenth of the built-in model's size, with its tokens.").clicked() {
            scene.actions.push(Action::Second(SecondAction::Load(ModelSource::BuiltInDraft)));
        }
    }
}

/// The open model in each precision.
fn precisions(ui: &mut Ui, scene: &mut Scene<'_>, name: &str) {
    let choices = WeightsChoice::ALL;
    let gaps = (choices.len() - 1) as f32 * space::XS;
    let each = (ui.available_width() - gaps) / choices.len() as f32;
    let present = scene.state.remembered.weights;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        for choice in choices {
            let words = if choice == WeightsChoice::Original { "as in the file" } else { choice.name() };
            let button = Button::new(RichText::new(words).size(size::SMALL));
            let label = format!("The same model, weights {words}");
            let about = match choice == present {
                true => format!("{name} once more, just as it is open: both say the same."),
                false => format!("{name} once more, with weights {words}."),
            };
            let response = ui.add_sized(vec2(each, 30.0), button).accessible_name(label);
            if response.on_hover_text(about).clicked() {
                scene.actions.push(Action::Second(SecondAction::LoadSame(choice)));
            }
        }
    });
}

fn files(ui: &mut Ui, scene: &mut Scene<'_>) {
    let half = (ui.available_width() - space::S) / 2.0;
    ui.horizontal(|ui| {
        let ways = [
            (Icon::Folder, "Choose its folder…", SecondAction::PickFolder),
            (Icon::File, "Choose its file…", SecondAction::PickFile),
        ];
        for (icon, words, action) in ways {
            if action_button(ui, icon, words, Emphasis::Secondary, half).clicked() {
                scene.actions.push(Action::Second(action));
            }
        }
    });
}

fn path(ui: &mut Ui, scene: &mut Scene<'_>) {
    ui.horizontal(|ui| {
        let width = ui.available_width() - 80.0 - space::S;
        let edit = TextEdit::singleline(&mut scene.state.cards.second_path)
            .hint_text("/path/to/another/model")
            .align(Align2::LEFT_CENTER);
        let response = ui.add_sized(vec2(width, 32.0), edit).accessible_name("Other model's path");
        if std::mem::take(&mut scene.state.cards.focus_path) {
            response.request_focus();
        }
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let path = scene.state.cards.second_path.trim().trim_matches('"').to_owned();
        ui.add_enabled_ui(!path.is_empty(), |ui| {
            let load = action_button(ui, Icon::Check, "Load", Emphasis::Primary, 80.0);
            if (load.clicked() || entered) && !path.is_empty() {
                let source = ModelSource::Path(path.into());
                scene.actions.push(Action::Second(SecondAction::Load(source)));
            }
        });
    });
}

/// Models that were opened before, but for the one that is open.
fn recent(ui: &mut Ui, scene: &mut Scene<'_>) {
    let open = scene.view.loaded.as_ref().map(|loaded| loaded.model.path.clone()).unwrap_or_default();
    let recent = &scene.state.remembered.recent;
    let others: Vec<_> = recent.iter().filter(|path| path.display().to_string() != open).cloned().collect();
    for path in others {
        let text = path.display().to_string();
        let name = path.file_name().map_or(text.clone(), |name| name.to_string_lossy().into_owned());
        let button = Button::new(name).truncate().min_size(vec2(ui.available_width(), 28.0));
        if ui.add(button).on_hover_text(text).clicked() {
            scene.actions.push(Action::Second(SecondAction::Load(ModelSource::Path(path))));
        }
    }
}
