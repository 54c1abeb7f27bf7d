//! The page before the first run, as long as a person has opened no model: how to run, and the way to a larger model.

use egui::{Align, Layout, RichText, ScrollArea, Ui, vec2};

use super::shelf;
use crate::ui::action::Action;
use crate::ui::get_card::GetAction;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{Emphasis, action_button};

/// Most models that are offered.
const MOST: usize = 3;
/// Height of one of them, and of all else.
const ROW: f32 = 42.0;
const REST: f32 = 168.0;
/// Widths of what is said and offered, and of the buttons in one row.
const WIDTH: f32 = 536.0;
const LESSON: f32 = 148.0;
const BUTTON: f32 = 190.0;

/// Shows the page. What is found appears below everything else, so that nothing moves.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let room = ui.available_size();
    let most = (((room.y - REST) / ROW) as usize).clamp(1, MOST);
    ScrollArea::vertical().id_salt("first models").auto_shrink(false).show(ui, |ui| {
        ui.vertical_centered(|ui| {
            ui.add_space(((room.y - REST - most as f32 * ROW) / 2.0).max(space::S));
            heading(ui, scene);
            why_larger(ui, scene);
            ui.add_space(space::S);
            buttons(ui, scene, room.x);
            ui.add_space(space::M);
            let width = WIDTH.min(room.x - 2.0 * space::L);
            let layout = Layout::top_down(Align::Min);
            ui.allocate_ui_with_layout(vec2(width, 0.0), layout, |ui| models(ui, scene, most));
        });
    });
}

/// What to do with the model that is there.
fn heading(ui: &mut Ui, scene: &Scene<'_>) {
    let palette = palette(ui);
    let (title, words) = match scene.view.loaded {
        Some(_) => ("Nothing decoded yet", "Press Run, or Space. Step makes one token at a time."),
        None => ("No model yet", "Choose “Open model…”, or drop a model's folder on the window."),
    };
    ui.label(RichText::new(title).font(semibold(size::TITLE)).color(palette.secondary));
    ui.label(RichText::new(words).size(size::SMALL).color(palette.tertiary));
}

/// The ways on, in a row, or in two where one has no room.
fn buttons(ui: &mut Ui, scene: &mut Scene<'_>, room: f32) {
    let gap = ui.spacing().item_spacing.x;
    let two = 2.0 * BUTTON + gap;
    let all = LESSON + gap + two;
    let row = |ui: &mut Ui, width: f32, add: &mut dyn FnMut(&mut Ui)| {
        let layout = Layout::left_to_right(Align::Center);
        ui.allocate_ui_with_layout(vec2(width, 32.0), layout, add);
    };
    if all + 2.0 * space::L <= room {
        row(ui, all, &mut |ui| {
            lesson(ui, scene);
            ways_to_models(ui, scene, BUTTON);
        });
    } else {
        lesson(ui, scene);
        let width = two.min(room - 2.0 * space::L);
        row(ui, width, &mut |ui| ways_to_models(ui, scene, (width - gap) / 2.0));
    }
}

fn lesson(ui: &mut Ui, scene: &mut Scene<'_>) {
    if action_button(ui, Icon::Book, "Take a lesson", Emphasis::Secondary, LESSON).clicked() {
        scene.actions.push(Action::ToggleLessons);
    }
}

fn ways_to_models(ui: &mut Ui, scene: &mut Scene<'_>, width: f32) {
    let found = &scene.state.cards.shelf;
    let lacks = !found.is_first_search() && found.newest(1).is_empty();
    let emphasis = if lacks { Emphasis::Primary } else { Emphasis::Secondary };
    let get = action_button(ui, Icon::Save, "Get a larger model…", emphasis, width);
    if get.on_hover_text("From the Hugging Face hub. Nothing goes online before you allow it.").clicked() {
        scene.actions.push(Action::Get(GetAction::Show));
    }
    if action_button(ui, Icon::Folder, "Open from disk…", Emphasis::Secondary, width).clicked() {
        scene.actions.push(Action::ShowOpen);
    }
}

/// Why a larger model; a line whatever was found, so that the buttons below stay where they are.
fn why_larger(ui: &mut Ui, scene: &Scene<'_>) {
    let found = &scene.state.cards.shelf;
    let words = match (found.is_first_search(), found.newest(1).is_empty()) {
        (true, _) => "Looking for models on this computer…",
        (false, true) => {
            "The built-in model is tiny: a larger one has more to show. None was found on this computer."
        }
        (false, false) => {
            "The built-in model is tiny: a larger one has more to show. Some of this computer's are below."
        }
    };
    ui.label(RichText::new(words).size(size::SMALL).color(palette(ui).tertiary));
}

/// Those that were found.
fn models(ui: &mut Ui, scene: &mut Scene<'_>, most: usize) {
    let found = &scene.state.cards.shelf;
    if found.is_first_search() {
        return;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    for model in &found.newest(most) {
        if shelf::row(ui, model, false, found.room) {
            scene.actions.push(shelf::open(model));
        }
    }
}
