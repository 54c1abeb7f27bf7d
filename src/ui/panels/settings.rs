//! Below the strategy: stages, stop and randomness: only what applies to the strategy is shown.

use std::collections::BTreeMap;

use egui::{DragValue, RichText, Ui, vec2};

use super::advanced_stages;
use super::break_when;
use super::server_stages;
use super::strategy;
use super::what_if;
use crate::decoding::settings::{CacheUse, EosRule};
use crate::decoding::{DecodingSettings, Picking, StageSettings, StrategyKind};
use crate::session::{ServerFacts, lane_letter, own_settings};
use crate::ui::action::Action;
use crate::ui::controls::{number, row, slider};
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::lanes::LaneAction;
use crate::ui::remembered::first_settings;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, size, space};
use crate::ui::typed::Typed;
use crate::ui::widgets::{Emphasis, action_button, caption, hint, icon_button, section, segmented};

/// Shows everything below the prompt.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    ui.spacing_mut().item_spacing.y = space::XS;
    heading(ui, &mut scene.state.remembered.decoding);
    of_lane(ui, scene);
    own(ui, scene);
    strategy::show(ui, scene);
    let server = scene.view.loaded.as_ref().and_then(|loaded| loaded.server.as_ref());
    let is_served = server.is_some();
    ui.add_space(space::M);
    what_if::heading(ui, scene);
    let opens_grammar = std::mem::take(&mut scene.state.show_grammar);
    let decoding = &mut scene.state.remembered.decoding;
    let staged = decoding.strategy != StrategyKind::Contrastive;
    if staged {
        stages(ui, decoding, server);
    } else {
        hint(ui, "Contrastive search weighs the model's own probabilities: no stage acts on them.");
    }
    ui.add_space(space::M);
    section(ui, "Stop");
    stop(ui, decoding);
    break_when::show(ui, &mut scene.state.remembered.break_when, decoding);
    ui.add_space(space::M);
    section(ui, "KV cache");
    if staged {
        if is_served {
            hint(ui, "The server's own: what it keeps of a text, and for how long, is its matter.");
        } else {
            cache(ui, decoding);
        }
        ui.add_space(space::M);
        section(ui, "Further stages");
        let by_server = decoding.strategy == StrategyKind::Server;
        if by_server {
            hint(ui, server_stages::ALONE);
        }
        ui.add_enabled_ui(!by_server || server_stages::any_other(&decoding.stages), |ui| {
            advanced_stages::show(ui, decoding, opens_grammar);
        });
    } else {
        hint(ui, "Always reused: contrastive search keeps the hidden states of what is cached.");
    }
}

fn heading(ui: &mut Ui, decoding: &mut DecodingSettings) {
    let defaults = first_settings(decoding.strategy);
    ui.horizontal(|ui| {
        ui.label(caption(ui, "Strategy"));
        if *decoding != defaults {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if icon_button(ui, Icon::Reset, "Reset settings").clicked() {
                    *decoding = defaults;
                }
            });
        }
    });
}

/// Says whose the settings are while they are a lane's, and ends that.
fn of_lane(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(lane) = scene.state.edited_lane else { return };
    let letter = lane_letter(lane);
    hint(ui, &format!("These are lane {letter}'s settings: what is changed here changes that lane."));
    let width = ui.available_width();
    let done =
        action_button(ui, Icon::Check, &format!("Done with lane {letter}"), Emphasis::Secondary, width);
    if done.on_hover_text("The settings stay, and change no lane any more").clicked() {
        scene.actions.push(Action::Lane(LaneAction::Edit(lane)));
    }
    ui.add_space(space::XS);
}

/// Offers how the model's own files would decode.
fn own(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(loaded) = &scene.view.loaded else { return };
    let decoding = &mut scene.state.remembered.decoding;
    let Some(own) = own_settings(&loaded.defaults, decoding) else { return };
    let words = own_words(&own);
    if *decoding == own {
        hint(ui, &format!("As the model's own files say: {words}."));
        return;
    }
    hint(ui, &format!("The model's own files say: {words}."));
    let width = ui.available_width();
    let button = action_button(ui, Icon::Check, "Use the model's own settings", Emphasis::Secondary, width);
    let words = "Takes over strategy, stages and the most new tokens; stages that the files do not name become neutral. Seed, grammar, stop rules and cache stay.";
    if button.on_hover_text(words).clicked() {
        *decoding = own;
    }
    ui.add_space(space::XS);
}

/// A model's own settings in a line: the strategy, and what is not neutral.
fn own_words(own: &DecodingSettings) -> String {
    let neutral = StageSettings::default();
    let stages = &own.stages;
    let mut words = vec![match own.strategy {
        StrategyKind::Beam => format::plural(own.beam.beams, "beam"),
        StrategyKind::Contrastive => format!(
            "contrastive, {}, α {}",
            format::plural(own.contrastive.candidates, "candidate"),
            own.contrastive.penalty_alpha
        ),
        strategy => strategy.name().to_owned(),
    }];
    let mut number = |name: &str, value: f32, neutral: f32| {
        if value != neutral {
            words.push(format!("{name} {value}"));
        }
    };
    number("temperature", stages.temperature, neutral.temperature);
    number("top-k", stages.top_k as f32, neutral.top_k as f32);
    number("top-p", stages.top_p, neutral.top_p);
    number("min-p", stages.min_p, neutral.min_p);
    number("typical-p", stages.typical_p, neutral.typical_p);
    number("epsilon cutoff", stages.epsilon_cutoff, neutral.epsilon_cutoff);
    number("eta cutoff", stages.eta_cutoff, neutral.eta_cutoff);
    number("repetition penalty", stages.repetition_penalty, neutral.repetition_penalty);
    number("no-repeat n-gram", stages.no_repeat_ngram as f32, neutral.no_repeat_ngram as f32);
    number("at least new tokens", stages.min_new_tokens as f32, neutral.min_new_tokens as f32);
    number("banned sequences", stages.bad_words.len() as f32, 0.0);
    number("suppressed tokens", stages.suppress_tokens.len() as f32, 0.0);
    words.join(" · ")
}

fn stages(ui: &mut Ui, decoding: &mut DecodingSettings, server: Option<&ServerFacts>) {
    let sample = decoding.picks() == Picking::Sample;
    let by_server = decoding.strategy == StrategyKind::Server;
    if by_server {
        hint(ui, "Asked of the server, which runs them in its own way.");
    }
    let why_not = server_stages::why_no_repetition_penalty(decoding, server.is_some());
    let stages = &mut decoding.stages;
    if sample {
        slider(
            ui,
            "Temperature",
            "Divides the logits: below 1 sharper, above 1 flatter.",
            &mut stages.temperature,
            0.05..=2.0,
        );
        number(ui, "Top-k", "Keeps the k highest tokens; 0 keeps all.", &mut stages.top_k, 0..=1000);
        if let Some(server) = server.filter(|_| !by_server) {
            server_stages::narrow(ui, server, &mut stages.top_k);
        }
        slider(
            ui,
            "Top-p",
            "Keeps the fewest tokens whose probabilities reach p together; 1 keeps all.",
            &mut stages.top_p,
            0.01..=1.0,
        );
        slider(
            ui,
            "Min-p",
            "Keeps tokens with at least this fraction of the highest probability; 0 keeps all.",
            &mut stages.min_p,
            0.0..=0.5,
        );
    }
    server_stages::unless(ui, why_not, stages.repetition_penalty != 1.0, |ui| {
        slider(
            ui,
            "Repetition penalty",
            "Divides positive and multiplies negative logits of tokens in prompt or text; 1 is neutral.",
            &mut stages.repetition_penalty,
            1.0..=2.0,
        );
    });
    slider(
        ui,
        "Presence penalty",
        "Subtracted once from tokens that were generated before; 0 is neutral.",
        &mut stages.presence_penalty,
        -2.0..=2.0,
    );
    slider(
        ui,
        "Frequency penalty",
        "Subtracted for every time that a token was generated before; 0 is neutral.",
        &mut stages.frequency_penalty,
        -2.0..=2.0,
    );
    let alone = by_server.then_some(server_stages::ALONE);
    server_stages::unless(ui, alone, stages.no_repeat_ngram != 0, |ui| {
        number(
            ui,
            "No-repeat n-gram",
            "Cuts tokens that would repeat an n-gram of prompt or text; 0 is off.",
            &mut stages.no_repeat_ngram,
            0..=10,
        );
    });
    if sample {
        row(ui, "Seed", "The same seed, prompt and settings give the same text.", |ui, label| {
            let number = DragValue::new(&mut decoding.seed).speed(1.0).min_size(vec2(48.0, 22.0));
            let number = ui.add(number).labelled_by(label);
            if icon_button(ui, Icon::Dice, "Another seed").clicked() {
                decoding.seed = next_seed(decoding.seed);
            }
            number
        });
    }
    let biases = &mut decoding.stages.logit_bias;
    server_stages::unless(ui, alone, !biases.is_empty(), |ui| self::biases(ui, biases));
}

/// The logit biases, one a row, and a button for one more.
fn biases(ui: &mut Ui, biases: &mut BTreeMap<u32, f32>) {
    const MOST: usize = 16;
    let mut rows: Vec<(u32, f32)> = biases.iter().map(|(id, bias)| (*id, *bias)).collect();
    let mut removed = None;
    for (index, (id, bias)) in rows.iter_mut().enumerate() {
        let name = format!("Bias {}", index + 1);
        let typed = Typed::of(ui, &name);
        row(ui, &name, "Added to the logit of one token id, before everything else.", |ui, label| {
            if icon_button(ui, Icon::Cross, &format!("Remove bias {}", index + 1)).clicked() {
                removed = Some(index);
            }
            let value = DragValue::new(bias)
                .range(-100.0..=100.0)
                .custom_formatter(|value, _| format::signed(&value.to_string()))
                .speed(0.1)
                .min_size(vec2(48.0, 22.0));
            let value = ui.add(value.custom_parser(typed.parser(ui))).labelled_by(label);
            let id = DragValue::new(id).speed(0.5).prefix("id ").min_size(vec2(64.0, 22.0));
            value | ui.add(id).accessible_name(format!("{name}, token id"))
        });
        typed.tell_correction(ui, &(-100.0..=100.0));
    }
    if let Some(index) = removed {
        rows.remove(index);
    }
    let width = ui.available_width();
    if rows.len() < MOST
        && action_button(ui, Icon::Plus, "Add a logit bias", Emphasis::Secondary, width).clicked()
    {
        let free = (0..).find(|id| rows.iter().all(|(used, _)| used != id)).unwrap_or(0);
        rows.push((free, 0.0));
    }
    // Two rows with one id would be one entry; the map is replaced only while they differ.
    let changed: BTreeMap<u32, f32> = rows.iter().copied().collect();
    if changed.len() == rows.len() {
        *biases = changed;
    }
}

fn stop(ui: &mut Ui, decoding: &mut DecodingSettings) {
    let palette = palette(ui);
    let stop = &mut decoding.stop;
    number(
        ui,
        "Most new tokens",
        "The run ends after this many new tokens.",
        &mut stop.max_tokens,
        1..=100_000,
    );
    let mut ignore = stop.eos == EosRule::Ignore;
    let text = RichText::new("Go on after the end-of-text token").size(size::SMALL).color(palette.secondary);
    if ui.checkbox(&mut ignore, text).changed() {
        stop.eos = if ignore { EosRule::Ignore } else { EosRule::Model };
    }
    let mut removed = None;
    for (index, text) in stop.texts.iter_mut().enumerate() {
        ui.horizontal(|ui| {
            let width = ui.available_width() - 28.0 - space::S;
            ui.add_sized(vec2(width, 28.0), egui::TextEdit::singleline(text).hint_text("stop text"))
                .accessible_name(format!("Stop text {}", index + 1));
            if icon_button(ui, Icon::Cross, &format!("Remove stop text {}", index + 1)).clicked() {
                removed = Some(index);
            }
        });
    }
    if let Some(index) = removed {
        stop.texts.remove(index);
    }
    let width = ui.available_width();
    if stop.texts.len() < 8
        && action_button(ui, Icon::Plus, "Add a stop text", Emphasis::Secondary, width).clicked()
    {
        stop.texts.push(String::new());
    }
}

fn cache(ui: &mut Ui, decoding: &mut DecodingSettings) {
    let choices = [(CacheUse::Reuse, "Reuse"), (CacheUse::Recompute, "Recompute")];
    if let Some(choice) = segmented(ui, decoding.cache, &choices) {
        decoding.cache = choice;
    }
    hint(
        ui,
        match decoding.cache {
            CacheUse::Reuse => "A step computes one row: keys and values of earlier tokens are kept.",
            CacheUse::Recompute => "Every step computes the whole text again. Slow, and the same tokens.",
        },
    );
}

/// A seed that looks random: one step of SplitMix64 (Steele et al. 2014), kept to six digits for reading.
fn next_seed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % 1_000_000
}
