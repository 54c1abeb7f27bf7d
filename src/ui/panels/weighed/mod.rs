//! What the strategy weighed at the selected step: a pane whose content and title follow the strategy.

mod beams;
mod contrastive;
mod draft;
mod lookahead;

use egui::Ui;

use super::prompt_token::no_step;
use crate::trace::{Run, StepDetail, StrategyKind, StrategyStep};
use crate::ui::Scene;
use crate::ui::widgets::empty;

/// The pane's title: that of the run on show.
pub fn title(run: Option<&Run>) -> &'static str {
    match run.map(|run| run.strategy) {
        Some(StrategyKind::Beam) => "Beams",
        Some(StrategyKind::Contrastive) => "Contrastive",
        Some(StrategyKind::Speculative) => "Draft",
        Some(StrategyKind::Lookahead) => "Lookahead",
        Some(StrategyKind::Greedy | StrategyKind::Sample) | None => "Strategy",
    }
}

/// Shows the pane.
pub fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
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

/// Tokens of the line and passes that gave them, up to a step and with it: a step is one pass of the model, the first
/// one initiation.
fn tokens_and_passes(run: &Run, step: &StrategyStep) -> (usize, usize) {
    let on_line = |node: &usize| run.line.binary_search(node).is_ok();
    let so_far =
        run.steps.iter().filter(|other| other.nodes.start <= step.nodes.start && on_line(&other.nodes.start));
    so_far.fold((0, 0), |(tokens, passes), step| {
        (tokens + step.nodes.clone().filter(|node| on_line(node)).count(), passes + 1)
    })
}

/// Tokens a pass, as a person reads it: `1.83 · 22 in 12`.
fn tokens_per_pass(run: &Run, step: &StrategyStep) -> String {
    let (tokens, passes) = tokens_and_passes(run, step);
    format!("{:.2} · {tokens} in {passes}", tokens as f64 / passes.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Node;
    use crate::trace::strategies::SpeculativeStep;

    #[test]
    fn tokens_per_pass_count_the_line_alone_up_to_the_step() {
        let step =
            |nodes| StrategyStep { nodes, detail: StepDetail::Speculative(SpeculativeStep::default()) };
        let parents = [None, Some(0), Some(1), Some(2), Some(0), Some(4)];
        let run = Run {
            nodes: parents.iter().map(|&parent| Node { parent, ..Node::default() }).collect(),
            line: vec![0, 4, 5],
            steps: vec![step(0..1), step(1..4), step(4..6)],
            ..Run::default()
        };
        assert_eq!(tokens_and_passes(&run, &run.steps[2]), (3, 2));
        assert_eq!(tokens_and_passes(&run, &run.steps[0]), (1, 1));
        assert_eq!(tokens_per_pass(&run, &run.steps[2]), "1.50 · 3 in 2");
    }
}
