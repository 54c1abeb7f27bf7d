//! Sums over the steps that it has read.

use egui::{Align2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::super::grid::Grid;
use super::super::totals::line_height;
use super::said::{Second, nats};
use crate::session::OpinionSummary;
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::table;
use crate::ui::theme::{mono, palette, regular, size, space};

/// Shows them, in the lines of the lanes' totals.
pub(crate) fn show(ui: &mut Ui, grid: &Grid, second: &Second<'_>, rect: Rect) {
    let ink = palette(ui);
    let mut top = rect.top() + if grid.low { 3.0 } else { 6.0 };
    for (definition, value) in lines(second) {
        let line = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), line_height(grid)));
        top = line.bottom();
        let cell = line.shrink2(vec2(space::S, 0.0));
        let response = ui.interact(cell, ui.scope_id().with(("second", definition.name)), Sense::hover());
        response.widget_info(|| {
            WidgetInfo::labeled(Role::Label, true, format!("Model M, {}: {value}", definition.name))
        });
        let number = ui.painter().layout_no_wrap(value.clone(), mono(size::SMALL), ink.text);
        let name = cell.with_max_x(cell.right() - number.size().x - space::S);
        let painter = ui.painter().with_clip_rect(name.intersect(ui.clip_rect()));
        painter.text(
            name.left_center(),
            Align2::LEFT_CENTER,
            definition.name,
            regular(size::SMALL),
            ink.secondary,
        );
        table::number(ui, cell, &value, ink.text);
        definition.explain(response);
    }
}

fn lines(second: &Second<'_>) -> [(&'static Definition, String); 6] {
    let of =
        |words: fn(&OpinionSummary) -> String| second.sums.as_ref().map_or_else(|| "–".to_owned(), words);
    let read = format!(
        "{} of {}",
        format::count(second.opinions.len() as u64),
        format::count(second.steps() as u64)
    );
    [
        (&definitions::TOP_AGREEMENT, of(|sums| format::probability(sums.top_agreement as f32))),
        (&definitions::MEAN_KL, of(|sums| format!("{} nats", nats(sums.mean_kl_nats)))),
        (
            &definitions::LARGEST_KL,
            of(|sums| format!("{} nats, step {}", nats(sums.largest_kl_nats), sums.largest_at + 1)),
        ),
        (
            &definitions::SURPRISALS,
            of(|sums| {
                let [first, second] = sums.mean_surprisal;
                format!("{first:.3} · {second:.3} nats")
            }),
        ),
        (
            &definitions::PERPLEXITIES,
            of(|sums| {
                let [first, second] = sums.perplexity().map(crate::units::three_digits);
                format!("{first} · {second}")
            }),
        ),
        (&definitions::STEPS_READ, read),
    ]
}
