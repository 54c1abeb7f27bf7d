//! Whose doing the chosen token's logit is: the parts that the embedding and each block have in it.

use egui::{Color32, Sense, Ui};

use super::cells::{LAYER_WIDTH, layer_cell, two_sided};
use crate::session::probe::{Addition, LayerProbe};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::panels::look::Look;
use crate::ui::table::{self, Column, RowLook};
use crate::ui::theme::{palette, space};
use crate::ui::widgets::{fact, hint};

/// Width of the column of sums.
const SUM: f32 = 84.0;

/// Shows a row for each layer, one for the embedding and one for biases, and the sum beside the logit.
pub(super) fn show(ui: &mut Ui, look: &Look<'_>) {
    let probe = &look.found.probe;
    let half = (ui.available_width() - LAYER_WIDTH - SUM) / 2.0;
    let columns = [
        Column::words("Layer", LAYER_WIDTH),
        Column::number(&definitions::ATTENTION_PART, "Attention", half),
        Column::number(&definitions::FEED_FORWARD_PART, "Feed-forward", half),
        Column::number(&definitions::PARTS_SO_FAR, "So far", SUM),
    ];
    table::header(ui, &columns);
    let parts = |layer: &LayerProbe| [part(layer.mixer), part(layer.feed_forward)];
    let all = probe.layers.iter().flat_map(parts).flatten();
    let most = all.chain([probe.embedding.logit, probe.bias_logit]).map(f64::abs).fold(1e-9, f64::max);
    let mut so_far = 0.0;
    let palette = palette(ui);
    let of_block = [palette.second, palette.accent];
    let mut row = |name: &str, blocks: [Option<f64>; 2], colors: [Color32; 2]| {
        so_far += blocks.iter().flatten().sum::<f64>();
        let words: Vec<String> = blocks.iter().flatten().map(|&value| format::score(value)).collect();
        let label = format!("{name}: {}, so far {}", words.join(" and "), format::score(so_far));
        let (rect, _) = table::row(ui, &label, RowLook::Plain, Sense::hover());
        let cells = table::cells(rect, &columns);
        layer_cell(ui, cells[0], name);
        for (cell, value) in cells[1..3].iter().zip(blocks) {
            if let Some(value) = value {
                two_sided(ui, *cell, value / most, &format::score(value), colors);
            }
        }
        table::number(ui, cells[3], &format::score(so_far), palette.secondary);
    };
    row("Embedding", [Some(probe.embedding.logit), None], [palette.tertiary; 2]);
    for layer in &probe.layers {
        row(&format!("Layer {}", layer.layer), parts(layer), of_block);
    }
    if probe.bias_logit != 0.0 {
        row("Biases", [Some(probe.bias_logit), None], [palette.tertiary; 2]);
    }
    ui.add_space(space::S);
    fact(ui, &definitions::SUM_OF_PARTS, &format::signed(&format!("{:.4}", probe.sum_of_parts())));
    fact(ui, &definitions::UNCAPPED_LOGIT, &format::signed(&format!("{:.4}", probe.uncapped_logit)));
    if probe.uncapped_logit != probe.last.logit {
        fact(ui, &definitions::LOGIT, &format::signed(&format!("{:.4}", probe.last.logit)));
    }
    ui.add_space(space::XS);
    hint(
        ui,
        "Each block's direct part of the chosen token's logit, with the final norm's divisor as it is here. What a block did by way of later ones counts as theirs.",
    );
}

fn part(block: Option<Addition>) -> Option<f64> {
    block.map(|block| block.logit)
}
