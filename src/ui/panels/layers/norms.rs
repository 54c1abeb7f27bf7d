//! How long the residual stream is after each layer, and what its blocks added.

use egui::{Sense, Ui};

use super::cells::{LAYER_WIDTH, layer_cell};
use crate::session::probe::{Addition, LayerProbe};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::panels::look::Look;
use crate::ui::table::{self, Column, RowLook};
use crate::ui::theme::{palette, space};
use crate::ui::widgets::hint;

/// Shows a row for each layer, and one for the embedding.
pub(super) fn show(ui: &mut Ui, look: &Look<'_>) {
    let probe = &look.found.probe;
    let third = (ui.available_width() - LAYER_WIDTH) / 3.0;
    let columns = [
        Column::words("Layer", LAYER_WIDTH),
        Column::number(&definitions::STREAM_NORM, "Stream", third),
        Column::number(&definitions::ATTENTION_NORM, "+ attention", third),
        Column::number(&definitions::FEED_FORWARD_NORM, "+ feed-forward", third),
    ];
    table::header(ui, &columns);
    let longest = probe.layers.iter().map(|layer| layer.residual_norm).fold(probe.embedding.norm, f64::max);
    let added =
        |layer: &LayerProbe| [layer.mixer, layer.feed_forward].map(|block| norm(block).unwrap_or(0.0));
    let most = probe.layers.iter().flat_map(added).fold(f64::MIN_POSITIVE, f64::max);
    // As many decimals in all rows.
    let short = |value: f64| format::signed(&format!("{value:.0$}", if longest < 100.0 { 3 } else { 1 }));
    let mut row = |name: &str, stream: f64, blocks: [Option<f64>; 2]| {
        let words = |value: Option<f64>| value.map_or_else(|| "nothing".to_owned(), short);
        let [attention, feed_forward] = blocks.map(words);
        let label = format!(
            "{name}: stream {}, attention added {attention}, feed-forward {feed_forward}",
            short(stream)
        );
        let (rect, _) = table::row(ui, &label, RowLook::Plain, Sense::hover());
        let cells = table::cells(rect, &columns);
        let palette = palette(ui);
        layer_cell(ui, cells[0], name);
        table::bar(ui, cells[1], stream / longest, &short(stream), palette.tertiary);
        for (cell, value) in cells[2..].iter().zip(blocks) {
            match value {
                Some(value) => table::bar(ui, *cell, value / most, &short(value), palette.accent),
                None => table::number(ui, *cell, "–", palette.tertiary),
            }
        }
    };
    row("Embedding", probe.embedding.norm, [None; 2]);
    for layer in &probe.layers {
        let blocks = [norm(layer.mixer), norm(layer.feed_forward)];
        row(&format!("Layer {}", layer.layer), layer.residual_norm, blocks);
    }
    ui.add_space(space::S);
    hint(
        ui,
        "Lengths √Σx² of the residual stream after each layer and of what its blocks added. A block with a state counts as attention.",
    );
}

fn norm(block: Option<Addition>) -> Option<f64> {
    block.map(|block| block.norm)
}
