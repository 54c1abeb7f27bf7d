//! The two phases: what a pass takes in and gives, the run's text with the KV cache and without it, and what bounds each
//! phase.

mod both_ways;
mod chips_in;
mod curve;
mod limits;
mod pass;
mod rows;
mod way;

use egui::{Ui, vec2};

use super::elsewhere;
use crate::session::{Comparison, Status};
use crate::ui::action::Action;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::measuring::PhasesView;
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::table::framed;
use crate::ui::theme::{palette, regular, size, space};
use crate::ui::widgets::{Emphasis, action_button, empty, one_line, segmented};

/// Room of the choice of the view, and of the button beside it.
const CHOICE: f32 = 300.0;
const BUTTON: f32 = 176.0;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if elsewhere::stays(
        ui,
        scene,
        "Its passes run there, so that only the time of a whole step is known (the chevrons above, and the inspector)",
    ) {
        return;
    }
    let Some(run) = scene.run().filter(|run| !run.line.is_empty()) else {
        empty(
            ui,
            "Initiation and incremental steps",
            "Run a prompt: how its first token comes of one pass over all of it, and every other token of a pass over \
             one, is drawn and measured here.",
        );
        return;
    };
    framed(ui, |ui| {
        controls(ui, scene);
        ui.add_space(space::S);
        let measured = comparison(scene);
        match scene.state.measuring.view {
            PhasesView::Pass => pass::show(ui, scene, run),
            PhasesView::BothWays => both_ways::show(ui, scene, run, measured),
            PhasesView::Limits => limits::show(ui, measured, scene.view.limits.as_ref()),
        }
    });
}

/// What was measured of the run on show: a saved one was not measured here.
fn comparison<'a>(scene: &Scene<'a>) -> Option<&'a Comparison> {
    scene.view.comparison.as_ref().filter(|_| scene.state.origin != Origin::File)
}

/// The choice of the view, and what measures.
fn controls(ui: &mut Ui, scene: &mut Scene<'_>) {
    ui.horizontal(|ui| {
        ui.set_min_height(32.0);
        let room = ui.available_width();
        let choices = [
            (PhasesView::Pass, "The pass"),
            (PhasesView::BothWays, "KV cache: on, off"),
            (PhasesView::Limits, "Limits"),
        ];
        ui.allocate_ui(vec2(CHOICE.min(room), 30.0), |ui| {
            if let Some(view) = segmented(ui, scene.state.measuring.view, &choices) {
                scene.state.measuring.view = view;
            }
        });
        if scene.state.measuring.view == PhasesView::Pass {
            return;
        }
        let words = ratio(comparison(scene));
        let room = ui.available_width() - BUTTON - space::M;
        if room > 160.0 {
            let words = one_line(ui, &words, regular(size::SMALL), palette(ui).secondary, room);
            ui.label(words);
        }
        ui.add_space((ui.available_width() - BUTTON).max(0.0));
        button(ui, scene);
    });
}

/// The button that begins and ends the comparison.
fn button(ui: &mut Ui, scene: &mut Scene<'_>) {
    let width = BUTTON.min(ui.available_width());
    let comparing = comparison(scene).is_some_and(|comparison| !comparison.ended);
    if comparing {
        if action_button(ui, Icon::Stop, "End measuring", Emphasis::Secondary, width).clicked() {
            scene.actions.push(Action::EndComparison);
        }
        return;
    }
    let waits = matches!(scene.view.status, Status::Paused | Status::Ready);
    let can = waits && scene.state.origin == Origin::Worker && scene.view.loaded.is_some();
    ui.add_enabled_ui(can, |ui| {
        let emphasis =
            if comparison(scene).is_none() { Emphasis::Primary } else { Emphasis::Secondary };
        let pressed = action_button(ui, Icon::Play, "Run it both ways", emphasis, width)
            .on_hover_text(
                "Puts this text through the decoder again, with the KV cache and without it by turns, and measures each \
                 pass. The run stays as it is.",
            )
            .on_disabled_hover_text("Pause the run, or let it end, while its model is open.");
        if pressed.clicked() {
            scene.actions.push(Action::Compare);
        }
    });
}

/// How much more the way without a cache took so far.
fn ratio(comparison: Option<&Comparison>) -> String {
    let Some(comparison) = comparison.filter(|comparison| !comparison.steps.is_empty()) else {
        return String::new();
    };
    let sums = |of: fn(&crate::session::ComparedStep) -> (usize, f64)| {
        let each = comparison.steps.iter().map(of);
        each.fold((0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    let (rows, seconds) = sums(|step| (step.uncached.rows, step.uncached.seconds));
    let (least_rows, least_seconds) = sums(|step| (step.cached.rows, step.cached.seconds));
    format!(
        "without it {}× the rows, {}× the time",
        format::rate(rows as f64 / least_rows as f64),
        format::rate(seconds / least_seconds)
    )
}
