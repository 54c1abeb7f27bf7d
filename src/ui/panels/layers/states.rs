//! What the states of a layer's heads kept of themselves, and how strongly they were written to.

use egui::{Sense, Ui};

use super::cells::{LAYER_WIDTH, layer_cell};
use super::strip::strip;
use crate::session::probe::{StateProbe, StateRule};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::panels::look::Look;
use crate::ui::table::{self, Column, RowLook, Side};
use crate::ui::theme::space;
use crate::ui::widgets::hint;

/// Shows a row for each layer with a state.
pub(super) fn show(ui: &mut Ui, look: &Look<'_>) {
    let half = (ui.available_width() - LAYER_WIDTH) / 2.0;
    let column =
        |definition, title| Column { title, definition: Some(definition), width: half, side: Side::Left };
    let columns = [
        Column::words("Layer", LAYER_WIDTH),
        column(&definitions::STATE_KEPT, "Kept"),
        column(&definitions::STATE_WROTE, "Wrote"),
    ];
    table::header(ui, &columns);
    for layer in &look.found.probe.layers {
        let Some(state) = &layer.inside.state else { continue };
        row(ui, &format!("Layer {}", layer.layer), state, &columns);
    }
    ui.add_space(space::S);
    hint(
        ui,
        "A cell is a head, brighter where it kept more of its state, and where it wrote more strongly to it.",
    );
}

fn row(ui: &mut Ui, name: &str, state: &StateProbe, columns: &[Column]) {
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len().max(1) as f32;
    let wrote = format::value(mean(&state.wrote));
    let label = format!("{name}: kept {}, wrote {wrote} on average", format::probability(mean(&state.kept)));
    let (rect, response) = table::row(ui, &label, RowLook::Plain, Sense::hover());
    let cells = table::cells(rect, columns);
    layer_cell(ui, cells[0], name);
    let kept = strip(ui, cells[1], &state.kept, |_| false);
    // A time step has no largest value of its own.
    let most = match state.rule {
        StateRule::Delta => 1.0,
        StateRule::TimeStep => state.wrote.iter().copied().fold(f32::MIN_POSITIVE, f32::max),
    };
    let shares: Vec<f32> = state.wrote.iter().map(|value| value / most).collect();
    let written = strip(ui, cells[2], &shares, |_| false);
    match kept.or(written) {
        Some(head) => response.on_hover_text(format!(
            "head {head}: kept {} of its state, wrote with {} {}",
            format::probability(state.kept[head]),
            match state.rule {
                StateRule::Delta => "strength",
                StateRule::TimeStep => "time step",
            },
            format::value(state.wrote[head])
        )),
        None => response,
    };
}
