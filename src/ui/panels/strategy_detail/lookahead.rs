//! Lookahead decoding: the window as a grid, the guesses with what the model said to them, and the n-grams that came
//! into the pool.

use egui::{CornerRadius, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use super::rate::tokens_per_pass;
use crate::trace::strategies::{Guess, LookaheadStep, NgramSource, Token};
use crate::trace::{Run, StrategyStep};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::table::framed;
use crate::ui::theme::{mono, palette, regular, size, space};
use crate::ui::token_text;
use crate::ui::widgets::{fact, hint, one_line, section};

/// Width of a place in the window, in points.
const CELL: f32 = 76.0;
/// Height of a row.
const ROW: f32 = 26.0;
/// Most n-grams that are listed.
const MOST: usize = 32;

/// Shows window, guesses and pool of a step.
pub(super) fn show(ui: &mut Ui, run: &Run, step: &StrategyStep, lookahead: &LookaheadStep) {
    ScrollArea::vertical().id_salt("lookahead").auto_shrink(false).show(ui, |ui| {
        framed(ui, |ui| {
            definitions::WINDOW.explain(section(ui, "Window"));
            ui.add_space(space::XS);
            window(ui, &lookahead.window);
            ui.add_space(space::M);
            definitions::GUESS_HITS.explain(section(ui, "Guesses"));
            ui.add_space(space::XS);
            if lookahead.guesses.is_empty() {
                hint(ui, "The pool holds nothing that begins with the newest token.");
            }
            for (index, guess) in lookahead.guesses.iter().enumerate() {
                guess_row(ui, index, guess);
            }
            ui.add_space(space::M);
            definitions::COLLECTED.explain(section(ui, "New in the pool"));
            ui.add_space(space::XS);
            collected(ui, &lookahead.collected);
            ui.add_space(space::M);
            section(ui, "Work");
            ui.scope(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.set_max_width(360.0);
                fact(ui, &definitions::POOL, &format::plural(lookahead.pool, "n-gram"));
                fact(ui, &definitions::TOKENS_PER_PASS, &tokens_per_pass(run, step));
            });
        });
    });
}

fn window(ui: &mut Ui, levels: &[Vec<Token>]) {
    let palette = palette(ui);
    let columns = levels.iter().map(Vec::len).max().unwrap_or(0);
    if columns == 0 {
        hint(ui, "No window went into this pass: it fills pass by pass.");
        return;
    }
    ScrollArea::horizontal().id_salt("window").auto_shrink([false, true]).show(ui, |ui| {
        let size_of = vec2(64.0 + CELL * columns as f32, ROW * levels.len() as f32);
        let (rect, response) = ui.allocate_exact_size(size_of, Sense::hover());
        let label = format!("Window: {} levels of {columns}", levels.len());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &label));
        for (level, tokens) in levels.iter().enumerate() {
            let y = rect.top() + ROW * level as f32;
            let text = format!("level {}", level + 1);
            let at = pos2(rect.left(), y + ROW / 2.0);
            let align = egui::Align2::LEFT_CENTER;
            ui.painter().text(at, align, text, regular(size::CAPTION), palette.tertiary);
            for (column, token) in tokens.iter().enumerate() {
                let left = rect.left() + 64.0 + CELL * column as f32;
                let cell = Rect::from_min_size(pos2(left, y), vec2(CELL, ROW)).shrink(1.5);
                let stroke = Stroke::new(1.0, palette.line);
                ui.painter().rect(cell, CornerRadius::same(4), palette.raised, stroke, StrokeKind::Inside);
                let text = token_text::of_token(token);
                let galley = one_line(ui, &text, mono(size::SMALL), palette.text, CELL - 14.0);
                let at = pos2(cell.left() + 6.0, cell.center().y - galley.size().y / 2.0);
                ui.painter().galley(at, galley, palette.text);
            }
        }
    });
}

/// A guess: its tokens, those that the model chose as well with a check before them.
fn guess_row(ui: &mut Ui, index: usize, guess: &Guess) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    let source = match guess.source {
        NgramSource::Window => "from the window",
        NgramSource::Prompt => "from the text",
    };
    let hits = format!("{} of {}", guess.accepted, guess.tokens.len());
    let words: Vec<String> = guess.tokens.iter().map(token_text::of_token).collect();
    let label = format!("Guess {}: {}, {hits}, {source}", index + 1, words.join(" "));
    response.widget_info(|| WidgetInfo::labeled(Role::Row, true, &label));
    let mut x = rect.left();
    for (place, word) in words.iter().enumerate() {
        let hit = place < guess.accepted;
        let ink = if hit { palette.text } else { palette.tertiary };
        let galley = one_line(ui, word, mono(size::SMALL), ink, 140.0);
        let width = galley.size().x + 12.0 + if hit { 14.0 } else { 0.0 };
        let chip = Rect::from_min_size(pos2(x, rect.top() + 2.0), vec2(width, ROW - 4.0));
        let fill = if hit { palette.good.gamma_multiply(0.16) } else { palette.raised };
        ui.painter().rect_filled(chip, CornerRadius::same(4), fill);
        if hit {
            Icon::Check.paint(ui.painter(), pos2(chip.left() + 10.0, chip.center().y), 0.6, palette.good);
        }
        let at = pos2(chip.right() - 6.0 - galley.size().x, chip.center().y - galley.size().y / 2.0);
        ui.painter().galley(at, galley, ink);
        x = chip.right() + 3.0;
    }
    let text = format!("{hits} · {source}");
    let galley = one_line(ui, &text, regular(size::SMALL), palette.tertiary, rect.right() - x - space::M);
    ui.painter().galley(
        pos2(x + space::M, rect.center().y - galley.size().y / 2.0),
        galley,
        palette.tertiary,
    );
}

fn collected(ui: &mut Ui, ngrams: &[Vec<Token>]) {
    let palette = palette(ui);
    if ngrams.is_empty() {
        hint(ui, "This pass brought none that the pool had not.");
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::XS, space::XS);
        for ngram in ngrams.iter().take(MOST) {
            let text: String = ngram.iter().map(token_text::of_token).collect();
            let text = egui::RichText::new(text).font(mono(size::SMALL)).color(palette.secondary);
            egui::Frame::new()
                .fill(palette.raised)
                .corner_radius(4)
                .inner_margin(egui::Margin::symmetric(6, 3))
                .show(ui, |ui| ui.add(egui::Label::new(text).extend()));
        }
        if ngrams.len() > MOST {
            hint(ui, &format!("and {} more", ngrams.len() - MOST));
        }
    });
}
