//! The card that saves the run on show, a table or a picture: a path field, and the system's dialog where there is one.

use std::path::PathBuf;

use egui::{Align2, Key, RichText, TextEdit, Ui, vec2};

use crate::ui::action::Action;
use crate::ui::exports::Export;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{self, Emphasis, action_button, hint, section};

/// Shows the card, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(export) = scene.state.cards.saving else { return };
    if widgets::card(ui, "save", 440.0, |ui| card(ui, scene, export)).should_close() {
        scene.state.cards.saving = None;
    }
}

fn card(ui: &mut Ui, scene: &mut Scene<'_>, export: Export) {
    let palette = palette(ui);
    ui.label(RichText::new(export.title(scene.run())).font(semibold(size::TITLE)).color(palette.text));
    hint(ui, export.hint());
    ui.add_space(space::XS);
    section(ui, "Path");
    let taken = scene.state.cards.taken_path.as_deref() == Some(path(&scene.state.cards.save_path).as_path());
    ui.horizontal(|ui| {
        let width = ui.available_width() - 96.0 - space::S;
        let edit = TextEdit::singleline(&mut scene.state.cards.save_path)
            .hint_text(format!("/path/to/a/{}", export.file_name(scene.view.run.as_deref())))
            .align(Align2::LEFT_CENTER);
        let response = ui.add_sized(vec2(width, 32.0), edit).accessible_name(path_label(export));
        if std::mem::take(&mut scene.state.cards.focus_path) {
            response.request_focus();
        }
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let path = path(&scene.state.cards.save_path);
        ui.add_enabled_ui(!path.as_os_str().is_empty(), |ui| {
            let (icon, word) = if taken { (Icon::Save, "Replace") } else { (Icon::Save, "Save") };
            let save = action_button(ui, icon, word, Emphasis::Primary, 96.0);
            // A file is replaced by the button that says so, and not by a key.
            if (save.clicked() || entered && !taken) && !path.as_os_str().is_empty() {
                scene.actions.push(Action::SaveTo { export, path, replace: taken });
            }
        });
    });
    if taken {
        let text = RichText::new("A file is there. Replace it, or choose another name.");
        ui.label(text.size(size::SMALL).color(palette.warning));
    }
    ui.add_space(space::XS);
    let width = ui.available_width();
    if action_button(ui, Icon::Folder, "Choose where…", Emphasis::Secondary, width).clicked() {
        scene.actions.push(Action::PickPlace(export));
    }
}

/// Accessible name of the path field: `Trace path`.
fn path_label(export: Export) -> String {
    let noun = export.noun();
    format!("{}{} path", noun[..1].to_uppercase(), &noun[1..])
}

/// The path that was typed.
fn path(text: &str) -> PathBuf {
    text.trim().trim_matches('"').into()
}
