//! The card of keyboard shortcuts, and the reset of everything remembered.

use egui::{Key, KeyboardShortcut, RichText, Ui};

use crate::ui::action::Action;
use crate::ui::keyboard::SHORTCUTS;
use crate::ui::scene::Scene;
use crate::ui::theme::{mono, palette, semibold, size, space};
use crate::ui::widgets;

/// Shows the card, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if !scene.state.cards.shortcuts {
        return;
    }
    let card = widgets::card(ui, "shortcuts", 400.0, |ui| {
        let palette = palette(ui);
        ui.label(RichText::new("Keyboard").font(semibold(size::TITLE)).color(palette.text));
        ui.add_space(space::XS);
        ui.spacing_mut().item_spacing.y = 6.0;
        for (index, (_, meaning, _)) in SHORTCUTS.iter().enumerate() {
            if index > 0 && SHORTCUTS[index - 1].1 == *meaning {
                continue;
            }
            let keys: Vec<String> = SHORTCUTS
                .iter()
                .filter(|(_, other, _)| other == meaning)
                .map(|(other, _, _)| keys_of(ui, other))
                .collect();
            ui.horizontal(|ui| {
                ui.label(RichText::new(*meaning).color(palette.secondary));
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    ui.label(RichText::new(keys.join("  or  ")).font(mono(size::SMALL)).color(palette.text));
                });
            });
        }
        ui.separator();
        let report = ui.button("Report a problem…").on_hover_text(
            "Shows what broke last and what this computer has, to be copied. Nothing is sent.",
        );
        if report.clicked() {
            scene.actions.push(Action::ShowProblem);
        }
        let reset = ui
            .button("Reset the window")
            .on_hover_text("Forgets settings, recent models, theme and layout. The model and the text stay.");
        if reset.clicked() {
            scene.actions.push(Action::ResetAll);
        }
    });
    if card.should_close() {
        scene.state.cards.shortcuts = false;
    }
}

/// A shortcut as it stands on the keys.
pub(super) fn keys_of(ui: &Ui, shortcut: &KeyboardShortcut) -> String {
    if shortcut.modifiers.is_none() {
        match shortcut.logical_key {
            Key::ArrowLeft => "←",
            Key::ArrowRight => "→",
            Key::ArrowUp => "↑",
            Key::ArrowDown => "↓",
            Key::Questionmark => "?",
            Key::Period => ".",
            Key::Escape => "Esc",
            key => key.name(),
        }
        .to_owned()
    } else {
        ui.ctx().format_shortcut(shortcut)
    }
}
