//! What the strategy weighed at the selected step: a pane whose content and title follow the strategy.

mod beams;
mod contrastive;
mod draft;
mod lookahead;
mod rate;

use egui::Ui;

use super::prompt_token::no_step;
use crate::trace::{StepDetail, StrategyKind};
use crate::ui::scene::Scene;
use crate::ui::widgets::empty;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let (Some(run), Some((place, node))) = (scene.run(), scene.shown_node()) else {
        no_step(ui, scene, "What the strategy weighed at a step appears here.");
        return;
    };
    let Some(step) = run.step_of(run.line[place]) else {
        let (title, text) = match run.strategy {
            _ if node.chosen_by == crate::trace::ChosenBy::Hand => (
                "Chosen by hand",
                "The strategy weighed nothing here: you chose this token, and it goes on from it.",
            ),
            StrategyKind::Greedy => (
                "Nothing else to weigh",
                "Greedy decoding takes the highest value of one row of logits: the pipeline shows all of it.",
            ),
            StrategyKind::Sample => (
                "Nothing else to weigh",
                "Sampling draws from one row of logits: the pipeline and the draw show all of it.",
            ),
            StrategyKind::Server => (
                "The server chose",
                "Which stages it ran and how it drew, it does not tell: the pipeline shows the row that it sent.",
            ),
            StrategyKind::Beam
            | StrategyKind::Contrastive
            | StrategyKind::Speculative
            | StrategyKind::Lookahead => ("No record of this step", "The strategy left none for this token."),
        };
        empty(ui, title, text);
        return;
    };
    match &step.detail {
        StepDetail::Beam(beam) => beams::show(ui, scene, run, step, beam),
        StepDetail::Contrastive(contrastive) => contrastive::show(ui, scene, run, contrastive),
        StepDetail::Speculative(speculative) => draft::show(ui, run, step, speculative, run.line[place]),
        StepDetail::Lookahead(lookahead) => lookahead::show(ui, run, step, lookahead),
    }
}
