//! Beam search: the hypotheses after the step, those that ended, and those that fell with the reason.

use egui::{ScrollArea, Sense, Ui};

use crate::trace::strategies::{BeamStep, Hypothesis, Pruned};
use crate::trace::{Run, StrategyStep};
use crate::ui::action::Action;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::panels::tree::{fate_card, since};
use crate::ui::scene::Scene;
use crate::ui::table::{self, Column, RowLook, framed, number};
use crate::ui::theme::{palette, size, space};
use crate::ui::token_text;
use crate::ui::tree_rows::BeamFate;
use crate::ui::widgets::{hint, section};

const KEPT: [Column; 5] = [
    Column::words("", 44.0),
    Column::words("Text", 0.0),
    Column::number(&definitions::BEAM_DRAWN, "Drawn", 84.0),
    Column::number(&definitions::BEAM_LOG_PROBABILITY, "log p", 84.0),
    Column::number(&definitions::BEAM_SCORE, "Score", 84.0),
];
const FELL: [Column; 5] = [
    Column::words("", 44.0),
    Column::words("Text", 0.0),
    Column::words("Displaced by", 160.0),
    Column::number(&definitions::RIVAL_SCORE, "Rival's", 84.0),
    Column::number(&definitions::FALLEN_SCORE, "Score", 84.0),
];

/// Shows the hypotheses of a step.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, step: &StrategyStep, beam: &BeamStep) {
    let number = run.nodes.get(step.nodes.start).map_or(0, |node| node.step);
    ScrollArea::vertical().id_salt("beams").auto_shrink(false).show(ui, |ui| {
        framed(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            if beam.from_step > 1 {
                hint(ui, &format!("A search of its own: sums and scores count{}.", since(beam.from_step)));
                ui.add_space(space::S);
            }
            group(ui, scene, run, "Live", &beam.live, "None goes on.");
            ui.add_space(space::M);
            group(ui, scene, run, "Finished", &beam.finished, "None has ended so far.");
            ui.add_space(space::M);
            section(ui, &format!("Pruned at step {number}"));
            if beam.pruned.is_empty() {
                hint(ui, "None fell at this step.");
            } else {
                table::header(ui, &FELL);
                for (index, pruned) in beam.pruned.iter().enumerate() {
                    fell(ui, scene, run, Fall { step: number, from: beam.from_step, index, pruned });
                }
            }
        });
    });
}

fn group(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, title: &str, kept: &[Hypothesis], none: &str) {
    let palette = palette(ui);
    section(ui, title);
    if kept.is_empty() {
        hint(ui, none);
        return;
    }
    // Only where tokens are drawn is there a drawn value.
    let columns: Vec<Column> = match kept.iter().any(|one| one.drawn.is_some()) {
        true => KEPT.to_vec(),
        false => [&KEPT[..2], &KEPT[3..]].concat(),
    };
    table::header(ui, &columns);
    for (index, hypothesis) in kept.iter().enumerate() {
        let on_line = run.line.binary_search(&hypothesis.node).is_ok();
        let look = if on_line { RowLook::Chosen } else { RowLook::Plain };
        let text = text_of(run, hypothesis.node);
        let mark = if on_line { ", on show" } else { "" };
        let label = format!("{title} {}: {}{mark}, {text}", index + 1, format::score(hypothesis.score));
        let (rect, response) = table::row(ui, &label, look, Sense::click());
        let cells = table::cells(rect, &columns);
        number(ui, cells[0], &(index + 1).to_string(), palette.tertiary);
        if on_line {
            let place = egui::pos2(cells[0].left() + 6.0, cells[0].center().y);
            Icon::Check.paint(ui.painter(), place, size::SMALL / 20.0, palette.accent);
        }
        table::token(ui, cells[1], &table::end_of(&text, cells[1].width()), palette.text);
        let numbers = [hypothesis.log_probability, hypothesis.score];
        for (&cell, value) in cells[2..].iter().zip(hypothesis.drawn.into_iter().chain(numbers)) {
            number(ui, cell, &format::score(value), palette.text);
        }
        if response.clicked() {
            scene.actions.push(Action::ShowNode(hypothesis.node));
        }
        response.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_text("Click to show this line");
    }
}

/// A hypothesis that fell.
struct Fall<'a> {
    /// At this step.
    step: usize,
    /// The step from which on its search counts.
    from: usize,
    /// Which of those that fell then.
    index: usize,
    /// How it fell.
    pruned: &'a Pruned,
}

fn fell(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, fall: Fall<'_>) {
    let Fall { step, from, index, pruned } = fall;
    let palette = palette(ui);
    let (text, rival) = (text_of(run, pruned.node), text_of(run, pruned.rival));
    let label = format!(
        "Pruned {}: {}, below {}: {text}, displaced by {rival}",
        index + 1,
        format::score(pruned.score),
        format::score(pruned.rival_score)
    );
    let (rect, response) = table::row(ui, &label, RowLook::Plain, Sense::click());
    let cells = table::cells(rect, &FELL);
    Icon::Cross.paint(
        ui.painter(),
        egui::pos2(cells[0].right() - 4.0, cells[0].center().y),
        size::SMALL / 20.0,
        palette.tertiary,
    );
    table::token(ui, cells[1], &table::end_of(&text, cells[1].width()), palette.tertiary);
    table::token(ui, cells[2], &table::end_of(&rival, cells[2].width()), palette.secondary);
    number(ui, cells[3], &format::score(pruned.rival_score), palette.secondary);
    number(ui, cells[4], &format::score(pruned.score), palette.tertiary);
    if response.clicked() {
        scene.actions.push(Action::ShowNode(pruned.node));
    }
    let fate = BeamFate::Pruned { step, from, pruned: *pruned };
    response.on_hover_ui(|ui| fate_card(ui, run, fate));
}

/// The text from the prompt's end to a node, with visible white space.
fn text_of(run: &Run, node: usize) -> String {
    run.path(Some(node)).iter().map(|&node| token_text::of_node(&run.nodes[node])).collect()
}
