//! Pinned tokens over the steps: lines on the left; on the right their names and values at the step on show, and the
//! search for others.

mod curves;
mod list;
mod plot;

use egui::{Frame, Margin, Rect, Ui, UiBuilder, pos2};

use crate::ui::scene::Scene;
use crate::ui::state::PinScale;
use crate::ui::theme::{palette, space};
use crate::ui::widgets::{empty, segmented};
use curves::Curve;

/// Width of the list, and where the pane is narrow.
const LIST: f32 = 264.0;
const NARROW_LIST: f32 = 216.0;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let whole = ui.available_rect_before_wrap();
    let list_width = if whole.width() < 760.0 { NARROW_LIST } else { LIST };
    let border = whole.right() - list_width;
    let left = Rect::from_min_max(whole.min, pos2(border, whole.bottom()));
    let right = Rect::from_min_max(pos2(border, whole.top()), whole.max);
    ui.painter().vline(border, whole.y_range(), egui::Stroke::new(1.0, palette(ui).line));
    let curves = curves::of(scene);
    ui.scope_builder(UiBuilder::new().max_rect(left), |ui| {
        Frame::new().inner_margin(Margin::symmetric(space::M as i8, space::S as i8)).show(ui, |ui| {
            lines(ui, scene, &curves);
        });
    });
    ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
        Frame::new().inner_margin(Margin::symmetric(space::M as i8, space::S as i8)).show(ui, |ui| {
            list::show(ui, scene, &curves);
        });
    });
    ui.allocate_rect(whole, egui::Sense::hover());
}

/// The switch, and the lines below it.
fn lines(ui: &mut Ui, scene: &mut Scene<'_>, curves: &[Curve]) {
    if scene.run().is_none_or(|run| run.line.is_empty()) {
        empty(
            ui,
            "No steps yet",
            "Pinned tokens show here as lines over the steps, chosen or not: will the text end now?",
        );
        return;
    }
    if curves.is_empty() {
        empty(ui, "Nothing is pinned", "Search a token on the right, or press the pin beside a candidate.");
        return;
    }
    let choices =
        [(PinScale::Logit, "Logit"), (PinScale::LogProbability, "Log-probability"), (PinScale::Rank, "Rank")];
    // Of a model on a server there are no logits.
    let served = scene.run().is_some_and(|run| run.model.server.is_some());
    if served && scene.state.pin_scale == PinScale::Logit {
        scene.state.pin_scale = PinScale::LogProbability;
    }
    let choices = &choices[usize::from(served)..];
    ui.scope(|ui| {
        ui.set_max_width(ui.available_width().min(320.0));
        if let Some(scale) = segmented(ui, scene.state.pin_scale, choices) {
            scene.state.pin_scale = scale;
        }
    });
    plot::show(ui, scene, curves);
}
