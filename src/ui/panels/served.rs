//! What the server of a model is and can do, thing by thing.

use egui::{CollapsingHeader, Color32, Frame, Label, Margin, RichText, Sense, Ui, vec2};

use crate::session::{Answer, Capability, ServerFacts};
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{Palette, palette, semibold, size, space};
use crate::ui::widgets::{caption, hint};

/// In the left panel: which server it is, and below, folded, what it can do. Nothing for a model on this computer.
pub(super) fn show(ui: &mut Ui, scene: &Scene<'_>) {
    let Some(loaded) = &scene.view.loaded else { return };
    let Some(facts) = &loaded.server else { return };
    let palette = palette(ui);
    ui.label(caption(ui, "On a server"));
    let about = format!("{} · {}", facts.engine(), loaded.adapter.name);
    ui.add(Label::new(RichText::new(about).size(size::SMALL).color(palette.secondary)).truncate())
        .on_hover_text(&loaded.model.path);
    let limits = facts.rows.iter().filter(|row| row.answer != Answer::Yes).count();
    let title = match limits {
        0 => "What it can do · all of it".to_owned(),
        limits => format!("What it can do · {}", format::plural(limits, "limit")),
    };
    let title = RichText::new(title).size(size::SMALL).color(palette.secondary);
    CollapsingHeader::new(title).id_salt("what the server can do").show_unindented(ui, |ui| {
        rows(ui, &facts.rows);
    });
    ui.add_space(space::S);
}

/// What it can do, a thing a row: yes, no, or how far, and a sentence.
pub(super) fn rows(ui: &mut Ui, rows: &[Capability]) {
    ui.spacing_mut().item_spacing.y = 2.0;
    for row in rows {
        let palette = palette(ui);
        let (icon, color, word) = answer(&row.answer, palette);
        let response = ui
            .horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 6.0;
                let (mark, _) = ui.allocate_exact_size(vec2(14.0, 18.0), Sense::hover());
                icon.paint(ui.painter(), mark.center(), 0.7, color);
                ui.label(RichText::new(row.what).font(semibold(size::SMALL)).color(palette.text));
                ui.label(RichText::new(&word).size(size::SMALL).color(color));
            })
            .response;
        response.widget_info(|| {
            egui::WidgetInfo::labeled(
                egui::Role::Label,
                true,
                format!("{}: {word}. {}", row.what, row.detail),
            )
        });
        let below = Margin { left: 20, ..Margin::ZERO };
        Frame::new().inner_margin(below).show(ui, |ui| hint(ui, &row.detail));
    }
}

fn answer(answer: &Answer, palette: &Palette) -> (Icon, Color32, String) {
    match answer {
        Answer::Yes => (Icon::Check, palette.good, "yes".to_owned()),
        Answer::No => (Icon::Cross, palette.error, "no".to_owned()),
        Answer::Limited(word) => (Icon::Half, palette.warning, word.clone()),
    }
}

/// What is told of a loaded model in place of layers, weights and memory.
pub(super) fn facts_of(facts: &ServerFacts, context: usize) -> Vec<(&'static Definition, String)> {
    let listed = match (facts.whole_rows, facts.vocabulary) {
        (true, Some(vocabulary)) => format!("all {}", format::count(vocabulary as u64)),
        _ => format!("{} highest", format::count(facts.most_listed as u64)),
    };
    let mut told = vec![(&definitions::SERVER_ENGINE, facts.engine())];
    told.extend(facts.vocabulary.map(|all| (&definitions::SERVER_VOCABULARY, format::count(all as u64))));
    told.push((&definitions::SERVER_LISTS, listed));
    told.push((&definitions::CONTEXT, format::plural(context, "position")));
    told
}
