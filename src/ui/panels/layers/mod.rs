//! Inside a step, layer by layer: what the model would say after each, and what each added to the residual stream.

mod cells;
mod experts;
mod lens;
mod norms;
mod parts;
mod states;
mod strip;
mod table;

use egui::{RichText, ScrollArea, Ui, vec2};

use super::look::Look;
use crate::session::probe::LayerProbe;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::inside::LayersView;
use crate::ui::scene::Scene;
use crate::ui::table::framed;
use crate::ui::theme::{mono, palette, size, space};
use crate::ui::token_job::white_space_job;
use crate::ui::widgets::segmented;

pub(crate) use table::table;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(look) = Look::of(ui, scene) else { return };
    if !look.is_current {
        ui.set_opacity(0.45);
    }
    let choices = choices(&look);
    if !choices.iter().any(|(choice, _)| *choice == scene.state.inside.layers) {
        scene.state.inside.layers = LayersView::Lens;
    }
    framed(ui, |ui| {
        head(ui, scene, &look, &choices);
        ui.add_space(space::XS);
        ScrollArea::vertical().id_salt("layers").auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            match scene.state.inside.layers {
                LayersView::Lens => lens::show(ui, &look),
                LayersView::Norms => norms::show(ui, &look),
                LayersView::Parts => parts::show(ui, &look),
                LayersView::Experts => experts::show(ui, &look),
                LayersView::States => states::show(ui, &look),
            }
        });
    });
}

/// The views that have something to show.
fn choices(look: &Look<'_>) -> Vec<(LayersView, &'static str)> {
    let any = |has: fn(&LayerProbe) -> bool| look.found.probe.layers.iter().any(has);
    let mut choices =
        vec![(LayersView::Lens, "Lens"), (LayersView::Norms, "Norms"), (LayersView::Parts, "Parts")];
    if any(|layer| layer.inside.experts.is_some()) {
        choices.push((LayersView::Experts, "Experts"));
    }
    if any(|layer| layer.inside.state.is_some()) {
        choices.push((LayersView::States, "States"));
    }
    choices
}

/// Which pass it is and what came of it, and the choice of the view.
fn head(ui: &mut Ui, scene: &mut Scene<'_>, look: &Look<'_>, choices: &[(LayersView, &'static str)]) {
    let width = ui.available_width();
    let tabs = (choices.len() as f32 * 84.0).min(width);
    let beside = width - tabs >= 320.0;
    let mut choose = |ui: &mut Ui| {
        if let Some(view) = segmented(ui, scene.state.inside.layers, choices) {
            scene.state.inside.layers = view;
        }
    };
    if beside {
        ui.horizontal(|ui| {
            ui.set_min_height(30.0);
            summary(ui, look, width - tabs);
            ui.add_space((ui.available_width() - tabs).max(0.0));
            ui.allocate_ui(vec2(tabs, 30.0), choose);
        });
    } else {
        choose(ui);
        ui.horizontal(|ui| summary(ui, look, width));
    }
}

/// `·the → ·cat`, and what the model thinks of it in the end.
fn summary(ui: &mut Ui, look: &Look<'_>, room: f32) {
    let palette = palette(ui);
    let probe = &look.found.probe;
    ui.spacing_mut().item_spacing.x = space::S;
    let mut job = white_space_job(&look.token(probe.input), palette.secondary, palette.tertiary);
    job.append(" → ", 0.0, egui::TextFormat::simple(mono(size::BODY), palette.tertiary));
    let followed = white_space_job(&look.token(probe.token), palette.accent, palette.tertiary);
    for section in &followed.sections {
        let range = section.byte_range.start.0..section.byte_range.end.0;
        job.append(&followed.text[range], 0.0, section.format.clone());
    }
    job.wrap = egui::text::TextWrapping::truncate_at_width((room - 200.0).max(48.0));
    let heading = ui.label(job);
    let words =
        format!("position {}: {} → {}", probe.position, look.token(probe.input), look.token(probe.token));
    heading.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &words));
    let numbers = format!(
        "rank {} · {} · logit {}",
        format::count(probe.last.rank as u64),
        format::probability(probe.last.probability(probe.last.logit) as f32),
        format::value(probe.last.logit),
    );
    let numbers = ui.label(RichText::new(numbers).size(size::SMALL).color(palette.secondary));
    definitions::LENS.explain(numbers);
}
