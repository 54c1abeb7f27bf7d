//! Which stages there are for a model on a server.

use egui::{Label, RichText, Ui};

use crate::decoding::{DecodingSettings, StageSettings, StrategyKind};
use crate::session::ServerFacts;
use crate::ui::icons::Icon;
use crate::ui::theme::{palette, size};
use crate::ui::widgets::{Emphasis, action_button};

/// What a server is asked for where it chooses.
pub(super) const ALONE: &str =
    "A server that chooses is asked for temperature, top-k, top-p, min-p and the three penalties alone.";

/// Shows a control that is of no use for a reason in words; one that is set stays to be reset.
pub(super) fn unless(ui: &mut Ui, why_not: Option<&str>, is_set: bool, add: impl FnOnce(&mut Ui)) {
    let Some(reason) = why_not else { return add(ui) };
    let response = ui.scope(|ui| ui.add_enabled_ui(is_set, add)).response;
    response.on_hover_text(reason).on_disabled_hover_text(reason);
}

/// Why the repetition penalty is of no use.
pub(super) fn why_no_repetition_penalty(
    decoding: &DecodingSettings,
    is_served: bool,
) -> Option<&'static str> {
    // Beam search puts log-probabilities into its stages anyway.
    let over_logits = !matches!(decoding.strategy, StrategyKind::Server | StrategyKind::Beam);
    (is_served && over_logits).then_some(
        "It goes by the signs of logits, and a server sends log-probabilities: take presence or frequency penalty, or let \
         the server choose.",
    )
}

/// Says that a draw may need more of a row than a server sends, and offers the top-k for which it never does.
pub(super) fn narrow(ui: &mut Ui, server: &ServerFacts, top_k: &mut usize) {
    let most = server.most_listed;
    let enough = 1..most;
    if server.whole_rows || most < 2 || enough.contains(top_k) {
        return;
    }
    let text = format!(
        "The server sends the {most} highest tokens of a row. A draw that may fall on others cannot be made here: the run then waits."
    );
    ui.add(Label::new(RichText::new(text).size(size::SMALL).color(palette(ui).warning)).wrap());
    let width = ui.available_width();
    let label = format!("Use top-k {}", most - 1);
    if action_button(ui, Icon::Check, &label, Emphasis::Secondary, width).clicked() {
        *top_k = most - 1;
    }
}

/// Whether a stage is set that no server is asked for.
pub(super) fn any_other(stages: &StageSettings) -> bool {
    let neutral = StageSettings::default();
    let asked = StageSettings {
        temperature: neutral.temperature,
        top_k: neutral.top_k,
        top_p: neutral.top_p,
        min_p: neutral.min_p,
        repetition_penalty: neutral.repetition_penalty,
        presence_penalty: neutral.presence_penalty,
        frequency_penalty: neutral.frequency_penalty,
        ..stages.clone()
    };
    asked != neutral
}
