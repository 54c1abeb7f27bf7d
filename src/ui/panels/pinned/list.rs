//! The pinned tokens with their values at the step on show, and the search for others.

use egui::{Rect, ScrollArea, Sense, Stroke, TextEdit, Ui, pos2, vec2};
use egui_plot::LineStyle;

use super::curves::Curve;
use crate::session::MOST_PINNED;
use crate::trace::{Run, Token};
use crate::ui::action::Action;
use crate::ui::colours::{Series, series};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::sent;
use crate::ui::state::{Origin, PinScale};
use crate::ui::table::{self, Column, RowLook};
use crate::ui::theme::{palette, space};
use crate::ui::token_text;
use crate::ui::widgets::{hint, keep_focus, small_button};

/// Room for the line's sample before a token.
const SAMPLE: f32 = 22.0;
/// Room for the button behind it.
const BUTTON: f32 = 22.0;

/// Shows the list.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, curves: &[Curve]) {
    ui.spacing_mut().item_spacing.y = space::XS;
    let can_search = scene.state.origin == Origin::Worker && scene.view.loaded.is_some();
    ui.add_enabled_ui(can_search, |ui| {
        let edit = TextEdit::singleline(&mut scene.state.pin_query).hint_text("pin a token: text or id");
        let response = ui.add_sized(vec2(ui.available_width(), 28.0), edit);
        keep_focus(ui, &response);
        response.accessible_name("Find a token to pin").on_disabled_hover_text("Open the run's model first.");
    });
    let searching = can_search && !scene.state.pin_query.is_empty();
    ScrollArea::vertical().id_salt("pinned list").auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        if searching {
            found(ui, scene);
        } else {
            pinned(ui, scene, curves);
        }
    });
}

/// What the search found.
fn found(ui: &mut Ui, scene: &mut Scene<'_>) {
    let view = scene.view;
    let Some((_, tokens)) = view.found.as_ref().filter(|(query, _)| *query == scene.state.pin_query) else {
        return;
    };
    if tokens.is_empty() {
        hint(ui, "No token of the vocabulary holds this.");
    }
    let full = view.pinned.len() >= MOST_PINNED;
    if full {
        hint(ui, &format!("{MOST_PINNED} tokens are pinned, which is the most: take one off first."));
    }
    for token in tokens {
        let on = view.pinned.iter().any(|pinned| pinned.token.id == token.id);
        let automatic = view.pinned.iter().any(|pinned| pinned.token.id == token.id && pinned.automatic);
        let name = token_text::of_token(token);
        let label = format!("Found {name}");
        let (rect, _) =
            table::row(ui, &label, if on { RowLook::Chosen } else { RowLook::Plain }, Sense::hover());
        let words = Rect::from_min_max(
            pos2(rect.left() + 6.0, rect.top()),
            pos2(rect.right() - 58.0 - BUTTON, rect.bottom()),
        );
        let id = Rect::from_min_max(
            pos2(rect.right() - 58.0 - BUTTON, rect.top()),
            pos2(rect.right() - BUTTON, rect.bottom()),
        );
        table::token(ui, words, &name, palette(ui).text);
        table::number(ui, id, &token.id.to_string(), palette(ui).tertiary);
        if automatic {
            continue;
        }
        let (icon, verb) = if on { (Icon::Cross, "Unpin") } else { (Icon::Pin, "Pin") };
        let at = pos2(rect.right() - BUTTON / 2.0, rect.center().y);
        ui.add_enabled_ui(on || !full, |ui| {
            if small_button(ui, (icon, token.id), at, &format!("{verb} {name}"), true).clicked() {
                scene.actions.push(Action::TogglePin(token.clone()));
            }
        });
    }
}

/// The pinned ones.
fn pinned(ui: &mut Ui, scene: &mut Scene<'_>, curves: &[Curve]) {
    let steps = scene.run().map_or(0, |run| run.line.len());
    let shown = scene.state.cursor.shown(steps);
    let scale = scene.state.pin_scale;
    let columns = columns(scene.run(), scale, ui.available_width() > 252.0);
    if !curves.is_empty() {
        table::header(ui, &columns);
    }
    for (index, curve) in curves.iter().enumerate() {
        let stand = shown.and_then(|step| curve.stands.get(step).copied().flatten());
        let name = token_text::of_token(&curve.token);
        let (value, probability) = match stand {
            Some(stand) => {
                let value = match scale {
                    PinScale::Logit => format::value(stand.logit),
                    PinScale::LogProbability => format::value(stand.log_probability),
                    PinScale::Rank => format::count(stand.rank as u64),
                };
                (value, format::probability(stand.probability))
            }
            None => ("–".to_owned(), "–".to_owned()),
        };
        let label = format!("Pinned {name}: {} {value}, probability {probability}", columns[1].title);
        let (rect, response) = table::row(ui, &label, RowLook::Plain, Sense::hover());
        let cells = table::cells(rect, &columns);
        let ink = palette(ui);
        sample(ui, &series(ui, index), rect);
        let token_cell = cells[0].with_min_x(cells[0].left() + SAMPLE - 6.0);
        table::token(ui, token_cell, &name, ink.text);
        table::number(ui, cells[1], &value, ink.text);
        if columns[2].width > 1.0 {
            table::number(ui, cells[2], &probability, ink.secondary);
        }
        let about = if curve.automatic {
            "Pinned by itself: it ends the text, or the model's thinking."
        } else {
            "Pinned by you."
        };
        let gap = if stand.is_none() && shown.is_some() { " At this step no row told of it." } else { "" };
        response.on_hover_text(format!("{name} · id {}. {about}{gap}", curve.token.id));
        if !curve.automatic {
            unpin(ui, scene, rect, &curve.token, &name);
        }
    }
    foot(ui, curves, scene.run().is_some_and(|run| run.model.server.is_some()));
}

/// The columns; where there is little room, without the probability.
fn columns(run: Option<&Run>, scale: PinScale, wide: bool) -> [Column; 4] {
    let of = |definition| run.map_or(definition, |run| sent::definition(run, definition));
    let value = match scale {
        PinScale::Logit => Column::number(of(&definitions::RAW_LOGIT), "raw logit", 76.0),
        PinScale::LogProbability => Column::number(of(&definitions::LOG_PROBABILITY), "raw log p", 76.0),
        PinScale::Rank => Column::number(of(&definitions::PINNED_RANK), "raw rank", 76.0),
    };
    let probability = match wide {
        true => Column::number(of(&definitions::FINAL_PROBABILITY), "final p", table::PROBABILITY),
        false => Column::words("", 1.0),
    };
    [Column::words("Token", 0.0), value, probability, Column::words("", BUTTON)]
}

/// How the token's line looks.
fn sample(ui: &Ui, series: &Series, row: Rect) {
    let (from, to) =
        (pos2(row.left() + 2.0, row.center().y), pos2(row.left() + SAMPLE - 4.0, row.center().y));
    let stroke = Stroke::new(2.0, series.color);
    match series.style {
        LineStyle::Dashed { length } => {
            ui.painter().extend(egui::Shape::dashed_line(&[from, to], stroke, length, length * 0.75));
        }
        LineStyle::Dotted { spacing } => {
            ui.painter().extend(egui::Shape::dotted_line(&[from, to], series.color, spacing, 1.2));
        }
        LineStyle::Solid => {
            ui.painter().line_segment([from, to], stroke);
        }
    }
}

fn unpin(ui: &mut Ui, scene: &mut Scene<'_>, row: Rect, token: &Token, name: &str) {
    let at = pos2(row.right() - BUTTON / 2.0, row.center().y);
    if small_button(ui, (Icon::Cross, token.id), at, &format!("Unpin {name}"), ui.rect_contains_pointer(row))
        .clicked()
    {
        scene.actions.push(Action::TogglePin(token.clone()));
    }
}

/// Why curves have gaps.
fn foot(ui: &mut Ui, curves: &[Curve], served: bool) {
    if curves.iter().any(Curve::has_gaps) {
        ui.add_space(space::S);
        let why = match served {
            true => "Gaps: a server sends the highest of a row; of other tokens a step tells nothing.",
            false => {
                "Gaps: before a token was pinned, a step tells of it only where it was a candidate on record."
            }
        };
        hint(ui, why);
    }
}
