//! The card for a report of a problem: what broke last, and what the computer has, to be copied. Nothing is sent.

use egui::{Label, RichText, ScrollArea, Ui};

use crate::problems::Written;
use crate::ui::action::Action;
use crate::ui::scene::Scene;
use crate::ui::theme::{mono, palette, semibold, size, space};
use crate::ui::widgets;

/// Shows the card, if it is asked for.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(written) = scene.state.cards.problem.clone() else { return };
    let adapters = scene.view.adapters_described.as_deref();
    let text = text(written.as_ref(), adapters.unwrap_or("(being looked at …)"));
    let card = widgets::card(ui, "problem", 620.0, |ui| {
        let palette = palette(ui);
        ui.label(RichText::new("Report a problem").font(semibold(size::TITLE)).color(palette.text));
        ui.add_space(space::XS);
        let what = match &written {
            Some(written) => format!(
                "Copy this into your report, and say what you did before. It has nothing of your prompts and texts. What \
                 broke is kept in {}.",
                written.path.display()
            ),
            None => "Nothing broke so far on this computer. Copy this into your report all the same, and say what you \
                     expected and what happened."
                .to_owned(),
        };
        ui.label(RichText::new(what).color(palette.secondary));
        ui.add_space(space::S);
        let height = (ui.ctx().content_rect().height() - 260.0).clamp(120.0, 360.0);
        ScrollArea::both().auto_shrink([false, true]).max_height(height).show(ui, |ui| {
            ui.add(Label::new(RichText::new(&text).font(mono(size::SMALL)).color(palette.text)).extend());
        });
        ui.add_space(space::S);
        ui.horizontal(|ui| {
            if ui.add_enabled(adapters.is_some(), egui::Button::new("Copy")).clicked() {
                scene.actions.push(Action::Copy(text.clone()));
            }
        });
    });
    if card.should_close() {
        scene.state.cards.problem = None;
    }
}

/// What is copied.
fn text(written: Option<&Written>, adapters: &str) -> String {
    let broke = match written {
        Some(written) => format!("What broke last:\n{}\n", written.text),
        None => "Nothing broke so far.\n\n".to_owned(),
    };
    format!(
        "Logitscope {} on {} {}\n\n{broke}Adapters:\n{adapters}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}
