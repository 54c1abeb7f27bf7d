//! Conditions under which a run pauses by itself: the settings, and what the window says where one held.

use std::ops::RangeInclusive;

use egui::{Align, CornerRadius, DragValue, Layout, Rect, RichText, Role, Sense, TextEdit, Ui, WidgetInfo};
use egui::{pos2, vec2};

use super::advanced_stages::{entries, joined};
use crate::decoding::{DecodingSettings, StrategyKind};
use crate::session::{Break, BreakReason, BreakWhen};
use crate::trace::Run;
use crate::ui::controls::{group, list, row};
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{RADIUS, palette, regular, size};
use crate::ui::token_text;
use crate::ui::typed::Typed;
use crate::ui::widgets::{hint, one_line};

/// Shows the settings.
pub(super) fn show(ui: &mut Ui, when: &mut BreakWhen, decoding: &DecodingSettings) {
    group(ui, "Break when", when.is_on(), |ui| {
        hint(ui, &meaning(decoding.strategy));
        limits(ui, when);
        let tie = "Pauses where the two highest raw logits are equal: the lower id comes first.";
        switch(ui, "Top two tie", tie, &mut when.tie);
        let words = "Pauses where the stages left another token more probable than the one that was chosen.";
        switch(ui, "Likeliest passed over", words, &mut when.passed_over);
        list(
            ui,
            "Token chosen",
            "Token ids, such as: 5, 17. Pauses where one of them is chosen.",
            &mut when.tokens,
            |ids| joined(ids.iter(), ", "),
            |text| entries(text).map(|id| id.parse().ok()).collect(),
        );
        let meaning = "Pauses where the new text comes to hold this, also across tokens; special tokens count as they are spelled.";
        row(ui, "Text appears", meaning, |ui, label| {
            let edit = TextEdit::singleline(&mut when.text);
            ui.add_sized(vec2(160.0_f32.min(ui.available_width()), 22.0), edit).labelled_by(label)
        });
    });
}

/// Which tokens the conditions look at.
fn meaning(strategy: StrategyKind) -> String {
    let which = match strategy {
        StrategyKind::Greedy | StrategyKind::Sample | StrategyKind::Contrastive | StrategyKind::Server => {
            "Looks at every new token, and pauses behind it."
        }
        StrategyKind::Beam => {
            "Looks at the newest token of the best text; of the other texts nothing counts."
        }
        StrategyKind::Speculative | StrategyKind::Lookahead => {
            "Looks at every new token. What the same pass brought behind it waits until the run goes on."
        }
    };
    format!("{which} Holds for the run under way too.")
}

fn limits(ui: &mut Ui, when: &mut BreakWhen) {
    let entropy = "Pauses where the model is less decided than this: entropy of the raw softmax, in nats.";
    let drag = |range| Drag { range, decimals: 2, speed: 0.02, suffix: " nats" };
    let limit = &mut when.entropy;
    limited(ui, "Entropy above", entropy, &mut limit.on, &mut limit.at, drag(0.0..=20.0));
    let probability = "Pauses where the chosen token was less likely than this under the raw softmax.";
    let mut percent = when.probability.at * 100.0;
    let drag = Drag { range: 0.0..=100.0, decimals: 1, speed: 0.2, suffix: " %" };
    limited(ui, "Probability below", probability, &mut when.probability.on, &mut percent, drag);
    // Only what was changed is written back: a percentage may not come back as the same share.
    if percent != when.probability.at * 100.0 {
        when.probability.at = percent / 100.0;
    }
    let rank = "Pauses where so many tokens or more had a higher raw logit than the chosen one.";
    let drag = Drag { range: 1.0..=1_000_000.0, decimals: 0, speed: 0.25, suffix: "" };
    limited(ui, "Rank beyond", rank, &mut when.rank.on, &mut when.rank.at, drag);
}

fn switch(ui: &mut Ui, name: &str, meaning: &str, on: &mut bool) {
    let text = RichText::new(name).size(size::SMALL).color(palette(ui).secondary);
    ui.horizontal(|ui| {
        ui.set_min_height(26.0);
        ui.checkbox(on, text).on_hover_text(meaning);
    });
}

/// How a limit is typed and dragged.
struct Drag {
    range: RangeInclusive<f32>,
    decimals: usize,
    speed: f32,
    suffix: &'static str,
}

/// A switch with a number beside it.
fn limited<N: egui::emath::Numeric>(
    ui: &mut Ui,
    name: &str,
    meaning: &str,
    on: &mut bool,
    at: &mut N,
    drag: Drag,
) {
    let typed = Typed::of(ui, name);
    let Drag { range, decimals, speed, suffix } = drag;
    let range = f64::from(*range.start())..=f64::from(*range.end());
    ui.horizontal(|ui| {
        ui.set_min_height(26.0);
        ui.spacing_mut().button_padding.y = 2.0;
        let text = RichText::new(name).size(size::SMALL).color(palette(ui).secondary);
        ui.checkbox(on, text).on_hover_text(meaning);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().interact_size = vec2(72.0, 22.0);
            let number = DragValue::new(at)
                .range(range.clone())
                .custom_parser(typed.parser(ui))
                .fixed_decimals(decimals)
                .speed(speed)
                .suffix(suffix)
                .min_size(vec2(72.0, 22.0));
            ui.add_enabled(*on, number).on_hover_text(meaning).accessible_name(format!("{name}, limit"));
        });
    });
    typed.tell_correction(ui, &range);
}

/// Says within a row why the run paused by itself, if it did.
pub(super) fn paused(ui: &Ui, scene: &Scene<'_>, row: Rect) {
    let (Some(broke), Some(run)) = (&scene.view.broke, scene.run()) else { return };
    let palette = palette(ui);
    let words = words(run, broke);
    let room = row.width() - 30.0;
    if room < 40.0 {
        return;
    }
    let galley = one_line(ui, &words, regular(size::SMALL), palette.warning, room);
    let pill =
        Rect::from_min_size(pos2(row.left(), row.center().y - 9.0), vec2(galley.size().x + 30.0, 18.0));
    ui.painter().rect_filled(pill, CornerRadius::same(RADIUS), palette.warning.gamma_multiply(0.14));
    Icon::Pause.paint(ui.painter(), pos2(pill.left() + 12.0, pill.center().y), 0.65, palette.warning);
    let at = pos2(pill.left() + 22.0, pill.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, palette.warning);
    let response = ui.interact(pill, ui.scope_id().with("broke"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
    response.on_hover_text(format!("{words}. Resume goes on from here."));
}

/// Where and why it paused, in a line.
fn words(run: &Run, broke: &Break) -> String {
    let step = run.nodes.get(broke.node).map_or(0, |node| node.step);
    let reasons = joined(broke.reasons.iter().map(reason), " · ");
    format!("Paused at step {}: {reasons}", format::count(step as u64))
}

fn reason(reason: &BreakReason) -> String {
    match reason {
        BreakReason::Entropy { nats, limit } => format!("entropy {nats:.2} nats, above {limit:.2}"),
        BreakReason::Probability { probability, limit } => {
            format!(
                "probability {}, below {}",
                format::probability(*probability),
                format::probability(*limit)
            )
        }
        BreakReason::Rank { rank, limit } => {
            format!("rank {}, beyond {}", format::count(*rank as u64), format::count(*limit as u64))
        }
        BreakReason::Token(token) => format!("“{}” was chosen", token_text::of_token(token)),
        BreakReason::Text(text) => format!("“{}” appeared", token_text::visible(text)),
        BreakReason::Tie { tokens: [one, other], logit } => format!(
            "“{}” and “{}” tie at {}",
            token_text::of_token(one),
            token_text::of_token(other),
            format::value(*logit)
        ),
        BreakReason::PassedOver { token, raw_probability } => format!(
            "“{}”, raw {}, was passed over",
            token_text::of_token(token),
            format::probability(*raw_probability)
        ),
    }
}
