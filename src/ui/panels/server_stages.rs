//! Which stages there are for a model on a server.

use egui::Ui;

use crate::decoding::{DecodingSettings, StageSettings, StrategyKind};

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
