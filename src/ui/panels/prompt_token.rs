//! A selected token of the prompt: nobody chose it, but the model had expectations in its place.

use egui::{CornerRadius, Rect, RichText, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::elsewhere;
use crate::trace::{Expectation, Expected, PromptToken};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::sent;
use crate::ui::state::Origin;
use crate::ui::table;
use crate::ui::theme::{palette, size, space};
use crate::ui::token_job::large_token;
use crate::ui::token_text;
use crate::ui::widgets::{caption, empty, fact, hint, section};

/// Shows everything about it.
pub(super) fn show(ui: &mut Ui, scene: &Scene<'_>, index: usize, token: &PromptToken) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        ui.label(caption(ui, &format!("Prompt token {}", index + 1)));
        ui.label(RichText::new("given").size(size::CAPTION).color(palette(ui).tertiary));
    });
    large_token(ui, &token_text::of_prompt(token));
    ui.add_space(space::S);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        fact(ui, &definitions::TOKEN_ID, &token.token.to_string());
        if !token.piece.is_empty() {
            fact(ui, &definitions::PIECE, &token.piece);
        }
        if let Some(expectation) = &token.expectation {
            numbers(ui, scene, expectation);
        }
    });
    ui.add_space(space::M);
    section(ui, "Expected here");
    let none = match (&token.expectation, scene.state.origin) {
        (Some(expectation), _) => return likeliest(ui, token, &expectation.likeliest),
        _ if index == 0 => {
            "Nothing stands before the first token, so that the model expects nothing in its place."
        }
        (None, _) if elsewhere::server(scene).is_some_and(|server| !server.whole_rows) => {
            "The server sends the highest log-probabilities of a row alone: what it expected here takes whole ones."
        }
        (None, Origin::File) => {
            "Not in this trace: it is computed when a token of the prompt is selected, or its colours are switched on, before the trace is saved."
        }
        (None, Origin::Past) => "It was not computed while its model was open.",
        (None, Origin::Worker) => "Computing: a pass over the prompt, with the logits of every position.",
    };
    hint(ui, none);
}

fn numbers(ui: &mut Ui, scene: &Scene<'_>, expectation: &Expectation) {
    let Some(run) = scene.run() else { return };
    let mut number = |definition, value: &str| drop(fact(ui, sent::definition(run, definition), value));
    number(&definitions::PROMPT_RANK, &format::rank(expectation.rank, run.model.vocabulary));
    number(&definitions::PROMPT_PROBABILITY, &format::probability(expectation.log_probability.exp()));
    number(&definitions::SURPRISAL, &format!("{:.3} nats", 0.0 - expectation.log_probability));
    number(&definitions::LOGIT, &format::value(expectation.logit));
    number(&definitions::ENTROPY, &format!("{:.3} nats", expectation.entropy));
}

/// What the model would rather have seen, as bars.
fn likeliest(ui: &mut Ui, token: &PromptToken, likeliest: &[Expected]) {
    let palette = palette(ui);
    ui.spacing_mut().item_spacing.y = 0.0;
    for other in likeliest {
        let text = token_text::of_token(&other.token);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::hover());
        let share = format::probability(other.probability);
        let label = format!("Expected {text}: {share}");
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &label));
        let track =
            Rect::from_min_max(pos2(rect.right() - 148.0, rect.center().y - 3.0), rect.right_bottom());
        let track = Rect::from_min_size(track.min, vec2(76.0, 6.0));
        ui.painter().rect_filled(track, CornerRadius::same(3), palette.raised);
        let mut filled = track;
        filled.set_width(track.width() * other.probability.clamp(0.0, 1.0));
        let same = other.token.id == token.token;
        let ink = if same { palette.accent } else { palette.outline };
        ui.painter().rect_filled(filled, CornerRadius::same(3), ink);
        let words = Rect::from_min_max(rect.min, pos2(track.left() - space::S, rect.bottom()));
        table::token(ui, words, &text, if same { palette.accent } else { palette.text });
        table::number(ui, rect, &share, palette.secondary);
        definitions::RAW_PROBABILITY.explain(response);
    }
}

/// What a panel of steps says while none is selected.
pub(super) fn no_step(ui: &mut Ui, scene: &Scene<'_>, text: &str) {
    if scene.state.cursor.prompt.is_some() {
        let text = "It was given, so that nothing was chosen in its place. The inspector shows what the model expected there; → goes on to the steps.";
        empty(ui, "A token of the prompt is selected", text);
    } else {
        empty(ui, "No step selected", text);
    }
}
