//! The lens: what the model would say after each layer, and how the chosen token climbs.

use egui::{CornerRadius, Rect, Sense, Stroke, StrokeKind, Ui, vec2};

use super::cells::{LAYER_WIDTH, layer_cell};
use crate::session::probe::Lens;
use crate::ui::colours::{mix, quantity};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::panels::look::Look;
use crate::ui::table::{self, Column, RowLook};
use crate::ui::theme::{palette, space};
use crate::ui::widgets::hint;

/// Widths of the columns with rank and probability.
const RANK: f32 = 68.0;
const PROBABILITY: f32 = 136.0;
/// Least width of a token.
const TOKEN: f32 = 92.0;

/// Shows a row for each layer: its most likely tokens, and the chosen one's place and probability.
pub(super) fn show(ui: &mut Ui, look: &Look<'_>) {
    let columns = columns(ui.available_width());
    table::header(ui, &columns);
    for layer in &look.found.probe.layers {
        row(ui, look, &format!("Layer {}", layer.layer), &layer.lens, &columns);
    }
    ui.add_space(space::S);
    hint(
        ui,
        "What the model would say if it ended after this layer: its final norm and LM head on the residual stream. Framed is the chosen token.",
    );
}

fn columns(width: f32) -> Vec<Column> {
    let room = width - LAYER_WIDTH - RANK - PROBABILITY;
    let tokens = ((room / TOKEN) as usize).clamp(1, 8);
    let mut columns = vec![Column::words("Layer", LAYER_WIDTH)];
    for index in 0..tokens {
        let title = if index == 0 { "Most likely" } else { "" };
        columns.push(Column::words(title, (room / tokens as f32).max(48.0)));
    }
    columns.push(Column::number(&definitions::LENS_RANK, "Rank", RANK));
    columns.push(Column::number(&definitions::LENS_PROBABILITY, "p", PROBABILITY));
    columns
}

fn row(ui: &mut Ui, look: &Look<'_>, layer: &str, lens: &Lens, columns: &[Column]) {
    let palette = palette(ui);
    let followed = look.found.probe.token;
    let share = lens.log_probability.exp() as f32;
    let first = lens.top.first().map(|&(id, logit)| (look.token(id), lens.probability(logit) as f32));
    let (first, first_share) = first.unwrap_or_default();
    let label = format!(
        "{layer}: says {first} ({}), {} has rank {} ({})",
        format::probability(first_share),
        look.token(followed),
        format::count(lens.rank as u64),
        format::probability(share)
    );
    let (rect, response) = table::row(ui, &label, RowLook::Plain, Sense::hover());
    let cells = table::cells(rect, columns);
    let (tokens, numbers) = cells[1..].split_at(cells.len() - 3);
    layer_cell(ui, cells[0], layer);
    for (cell, &(id, logit)) in tokens.iter().zip(&lens.top) {
        token(ui, *cell, &look.token(id), lens.probability(logit) as f32, id == followed);
    }
    let best = if lens.rank == 1 { palette.accent } else { palette.text };
    table::number(ui, numbers[0], &format::count(lens.rank as u64), best);
    table::bar(ui, numbers[1], share.into(), &format::probability(share), palette.accent);
    response.on_hover_ui(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for &(id, logit) in &lens.top {
            let share = format::probability(lens.probability(logit) as f32);
            ui.label(format!("{}  {share}, logit {}", look.token(id), format::value(logit)));
        }
    });
}

/// A token on the colour of its probability.
fn token(ui: &Ui, cell: Rect, text: &str, share: f32, followed: bool) {
    let palette = palette(ui);
    let chip = cell.expand2(vec2(4.0, -2.0));
    let part = if ui.visuals().dark_mode { 0.55 } else { 0.42 };
    let fill = mix(palette.raised, quantity(ui, share), part * share.sqrt());
    ui.painter().rect_filled(chip, CornerRadius::same(4), fill);
    if followed {
        let stroke = Stroke::new(1.5, palette.accent);
        ui.painter().rect_stroke(chip, CornerRadius::same(4), stroke, StrokeKind::Inside);
    }
    table::token(ui, cell, text, palette.text);
}
