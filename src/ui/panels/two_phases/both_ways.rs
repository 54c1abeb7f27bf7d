//! The run's text without the KV cache and with it, side by side: which rows were computed, how many, and how long that
//! took.

use egui::{RichText, ScrollArea, Ui, vec2};

use super::way::Way;
use super::{curve, rows};
use crate::session::Comparison;
use crate::trace::Run;
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::theme::{mono, palette, semibold, size, space};
use crate::ui::widgets::{column, section};

/// From this width on all three stand side by side.
const BESIDE: f32 = 600.0;
/// The height that they need at least.
const LEAST: f32 = 168.0;

/// The texts' two lengths.
#[derive(Clone, Copy)]
struct Lengths {
    prompt: usize,
    tokens: usize,
}

/// Shows both, and the time of each step.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, measured: Option<&Comparison>) {
    let none = Comparison { prompt: run.prompt.len(), tokens: run.line.len(), ..Comparison::default() };
    let comparison = measured.unwrap_or(&none);
    let room = ui.available_size();
    if room.x >= BESIDE {
        let gap = space::L;
        let each = (room.x - 2.0 * gap) * 0.3;
        let size = |width| vec2(width, room.y.max(LEAST));
        ScrollArea::vertical().id_salt("both ways").show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = gap;
                for way in [Way::Uncached, Way::Cached] {
                    column(ui, size(each), |ui| half(ui, way, comparison, room.y.max(LEAST)));
                }
                let rest = ui.available_width();
                column(ui, size(rest), |ui| time(ui, scene, comparison, room.y.max(LEAST)));
            });
        });
    } else {
        ScrollArea::vertical().id_salt("both ways").auto_shrink(false).show(ui, |ui| {
            for way in [Way::Uncached, Way::Cached] {
                column(ui, vec2(room.x - space::M, LEAST), |ui| half(ui, way, comparison, LEAST));
                ui.add_space(space::M);
            }
            column(ui, vec2(room.x - space::M, LEAST), |ui| time(ui, scene, comparison, LEAST));
        });
    }
}

/// One way: its figures, its rows, its formula.
fn half(ui: &mut Ui, way: Way, comparison: &Comparison, height: f32) {
    ui.set_width(ui.available_width());
    let bottom = ui.cursor().top() + height;
    ui.spacing_mut().item_spacing.y = 2.0;
    let lengths = Lengths { prompt: comparison.prompt, tokens: comparison.tokens };
    section(ui, way.name());
    figures(ui, way, comparison, lengths);
    let formula = formula(way, lengths);
    const FORMULA: f32 = 34.0;
    let picture = (bottom - ui.cursor().top() - FORMULA - space::XS).max(40.0);
    rows::show(ui, way, comparison, picture);
    ui.add_space(space::XS);
    let text = RichText::new(&formula).font(mono(size::CAPTION)).color(palette(ui).secondary);
    let label = ui.add(egui::Label::new(text).wrap());
    label.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &formula));
    definition(way).explain(label);
}

/// Rows and time so far.
fn figures(ui: &mut Ui, way: Way, comparison: &Comparison, lengths: Lengths) {
    let palette = palette(ui);
    let passes = comparison.steps.iter().map(|step| way.pass(step));
    let (counted, seconds) = passes.fold((0, 0.0), |sum, pass| (sum.0 + pass.rows, sum.1 + pass.seconds));
    let expected = expected(way, lengths);
    let (rows, detail) = if comparison.steps.is_empty() {
        ("not measured yet".to_owned(), String::new())
    } else if comparison.steps.len() < lengths.tokens {
        (format::count(counted as u64), format!("of {}", format::plural(expected as usize, "row")))
    } else {
        (format::count(counted as u64), "rows".to_owned())
    };
    let time = if counted > 0 { format!(" · {}", format::seconds(seconds)) } else { String::new() };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let (font, color) = if counted == 0 {
            (semibold(size::BODY), palette.tertiary)
        } else {
            (semibold(size::TITLE), way.ink(palette))
        };
        let label = ui.label(RichText::new(&rows).font(font).color(color));
        let words = format!("{}: {rows} {detail}{time}", way.name());
        label.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &words));
        definitions::COMPARED_ROWS.explain(label);
        let text = RichText::new(format!("{detail}{time}")).size(size::SMALL).color(palette.secondary);
        definitions::COMPARED_TIME.explain(ui.add(egui::Label::new(text).truncate()));
    });
}

/// The time of each step.
fn time(ui: &mut Ui, scene: &mut Scene<'_>, comparison: &Comparison, height: f32) {
    ui.set_width(ui.available_width());
    let bottom = ui.cursor().top() + height;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        section(ui, "Time a step");
        ui.add_space(space::S);
        let palette = palette(ui);
        for (way, word) in [(Way::Uncached, "without"), (Way::Cached, "with")] {
            let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), egui::Sense::hover());
            ui.painter().circle_filled(rect.center(), 3.5, way.ink(palette));
            ui.label(RichText::new(word).size(size::CAPTION).color(palette.secondary));
        }
    });
    let room = vec2(ui.available_width(), bottom - ui.cursor().top());
    column(ui, room, |ui| curve::show(ui, scene, comparison, room.y));
}

/// Rows of all steps by the formula.
fn expected(way: Way, Lengths { prompt, tokens }: Lengths) -> u64 {
    let (prompt, tokens) = (prompt as u64, tokens as u64);
    match way {
        Way::Uncached => tokens * prompt + tokens * tokens.saturating_sub(1) / 2,
        Way::Cached => (prompt + tokens).saturating_sub(1),
    }
}

/// The formula with the run's own numbers in it.
fn formula(way: Way, lengths: Lengths) -> String {
    let (p, n) = (format::count(lengths.prompt as u64), format::count(lengths.tokens as u64));
    let before = format::count(lengths.tokens.saturating_sub(1) as u64);
    let sum = format::count(expected(way, lengths));
    match way {
        Way::Uncached => format!("N·P + N(N − 1)/2 = {n}·{p} + {n}·{before}/2 = {sum}"),
        Way::Cached => format!("P + N − 1 = {p} + {n} − 1 = {sum}"),
    }
}

fn definition(way: Way) -> &'static Definition {
    match way {
        Way::Uncached => &definitions::ROWS_WITHOUT,
        Way::Cached => &definitions::ROWS_WITH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formulas_count_every_row() {
        for (prompt, tokens) in [(1, 1), (4, 1), (7, 5), (100, 100)] {
            let lengths = Lengths { prompt, tokens };
            let without: usize = (1..=tokens).map(|step| prompt + step - 1).sum();
            assert_eq!(expected(Way::Uncached, lengths), without as u64);
            assert_eq!(expected(Way::Cached, lengths), (prompt + tokens - 1) as u64);
        }
        let lengths = Lengths { prompt: 100, tokens: 100 };
        let words = formula(Way::Uncached, lengths).replace('\u{2009}', " ");
        assert_eq!(words, "N·P + N(N − 1)/2 = 100·100 + 100·99/2 = 14 950");
        assert_eq!(formula(Way::Cached, lengths), "P + N − 1 = 100 + 100 − 1 = 199");
    }
}
