//! Whom the routers chose: a score for each expert, and who computed the row.

use egui::{Sense, Ui};

use super::cells::{LAYER_WIDTH, layer_cell};
use super::strip::strip;
use crate::session::probe::ExpertsProbe;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::panels::look::Look;
use crate::ui::table::{self, Column, RowLook, Side};
use crate::ui::theme::{mono, palette, size, space};
use crate::ui::widgets::hint;

/// Shows a row for each layer with a router.
pub(super) fn show(ui: &mut Ui, look: &Look<'_>) {
    let taken = (ui.available_width() * 0.4).clamp(150.0, 420.0);
    let column =
        |definition, title, width| Column { title, definition: Some(definition), width, side: Side::Left };
    let columns = [
        Column::words("Layer", LAYER_WIDTH),
        column(&definitions::ROUTER_SCORE, "Scores", 0.0),
        column(&definitions::EXPERT_SHARE, "Taken", taken),
    ];
    table::header(ui, &columns);
    for layer in &look.found.probe.layers {
        let Some(experts) = &layer.inside.experts else { continue };
        let name = format!("Layer {}", layer.layer);
        row(ui, &name, experts, &columns);
    }
    ui.add_space(space::S);
    hint(
        ui,
        "A cell is an expert, brighter where the router's score is higher; framed are those that computed the row.",
    );
}

fn row(ui: &mut Ui, name: &str, experts: &ExpertsProbe, columns: &[Column]) {
    let share = |&(expert, share): &(usize, f32)| format!("#{expert} {}", format::probability(share));
    let taken: Vec<String> = experts.chosen.iter().map(share).collect();
    let taken = taken.join(", ");
    let label = format!("{name}: of {} experts {taken}", experts.scores.len());
    let (rect, response) = table::row(ui, &label, RowLook::Plain, Sense::hover());
    let cells = table::cells(rect, columns);
    layer_cell(ui, cells[0], name);
    // The highest score is the brightest: of many experts none has much.
    let highest = experts.scores.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let values: Vec<f32> = experts.scores.iter().map(|score| score / highest).collect();
    let chosen = |index: usize| experts.chosen.iter().any(|(expert, _)| *expert == index);
    let hovered = strip(ui, cells[1], &values, chosen);
    table::draw_text(ui, cells[2], &taken, mono(size::SMALL), palette(ui).text, Side::Left);
    match hovered {
        Some(expert) => {
            let score = format::probability(experts.scores[expert]);
            let mark = if chosen(expert) { ", taken" } else { "" };
            response.on_hover_text(format!("expert {expert}: score {score}{mark}"))
        }
        None => response.on_hover_text(taken),
    };
}
