//! The strategy, with a sentence about it, and the settings that it alone has; the draft model among them.

use egui::{RichText, TextEdit, Ui, vec2};

use super::elsewhere;
use crate::decoding::{
    BeamSettings, ContrastiveSettings, DecodingSettings, Drafter, EarlyStopping, LookaheadSettings, Picking,
    SpeculativeSettings, StrategyKind,
};
use crate::session::BUILT_IN;
use crate::ui::action::Action;
use crate::ui::controls::{number, slider};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::loading;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, size, space};
use crate::ui::widgets::{fact, hint, icon_button, segmented, segmented_where, thin_bar};

const FIRST: [(StrategyKind, &str); 3] =
    [(StrategyKind::Greedy, "Greedy"), (StrategyKind::Sample, "Sample"), (StrategyKind::Beam, "Beam")];
const SECOND: [(StrategyKind, &str); 3] = [
    (StrategyKind::Contrastive, "Contrastive"),
    (StrategyKind::Speculative, "Speculative"),
    (StrategyKind::Lookahead, "Lookahead"),
];

const THIRD: [(StrategyKind, &str); 1] = [(StrategyKind::Server, "Server")];

/// Whether the open model can be decoded by a strategy.
pub(super) fn fits(scene: &Scene<'_>, strategy: StrategyKind) -> bool {
    why_not(elsewhere::is_open(scene), strategy).is_none()
}

/// Why a strategy is not for a model on a server, or for one on this computer.
fn why_not(is_served: bool, strategy: StrategyKind) -> Option<&'static str> {
    match (strategy, is_served) {
        (StrategyKind::Contrastive, true) => {
            Some("Contrastive search needs the final hidden states, and no server sends them.")
        }
        (StrategyKind::Server, false) => Some("For models on a server."),
        _ => None,
    }
}

/// Shows the choice and what belongs to it.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let is_served = elsewhere::is_open(scene);
    let decoding = &mut scene.state.remembered.decoding;
    for choices in [&FIRST[..], &SECOND[..], &THIRD[..]] {
        // Without a server there is nobody to choose.
        if choices.len() == 1 && !is_served && decoding.strategy != StrategyKind::Server {
            continue;
        }
        let choice = segmented_where(ui, decoding.strategy, choices, |strategy| why_not(is_served, strategy));
        decoding.strategy = choice.unwrap_or(decoding.strategy);
    }
    hint(ui, sentence(decoding.strategy));
    if let Some(problem) = why_not(is_served, decoding.strategy) {
        hint(ui, problem);
    } else if is_served {
        hint(ui, "Contrastive is not offered: it needs the final hidden states, and no server sends them.");
    }
    match decoding.strategy {
        StrategyKind::Greedy | StrategyKind::Sample | StrategyKind::Server => {}
        StrategyKind::Beam => beam(ui, decoding),
        StrategyKind::Contrastive => contrastive(ui, &mut decoding.contrastive),
        StrategyKind::Speculative => {
            speculative(ui, decoding);
            drafter(ui, scene);
        }
        StrategyKind::Lookahead => lookahead(ui, &mut decoding.lookahead),
    }
}

fn sentence(strategy: StrategyKind) -> &'static str {
    match strategy {
        StrategyKind::Greedy => "Always takes the token with the highest value. The same every time.",
        StrategyKind::Sample => "Draws a token at random, by the probabilities that the stages leave.",
        StrategyKind::Beam => "Follows several texts at once and keeps the most probable ones.",
        StrategyKind::Contrastive => {
            "Weighs each likely token's probability against its likeness to what came before."
        }
        StrategyKind::Speculative => "Lets a quick draft run ahead, and verifies several tokens in one pass.",
        StrategyKind::Lookahead => {
            "Guesses several tokens ahead by itself, and verifies them in the same pass."
        }
        StrategyKind::Server => "Lets the server choose in its own way, and records what it tells.",
    }
}

fn beam(ui: &mut Ui, decoding: &mut DecodingSettings) {
    let beam = &mut decoding.beam;
    number(ui, "Beams", "How many texts go on at every step.", &mut beam.beams, 1..=BeamSettings::MOST_BEAMS);
    beam.returned = beam.returned.min(beam.beams);
    let most = beam.beams;
    number(ui, "Returned sequences", "How many texts are there at the end.", &mut beam.returned, 1..=most);
    slider(
        ui,
        "Length penalty",
        "Scores are divided by length to this power: above 0 favours longer texts, 0 compares sums.",
        &mut beam.length_penalty,
        -2.0..=3.0,
    );
    let choices = [
        (EarlyStopping::Heuristic, "Falls short"),
        (EarlyStopping::AtOnce, "At once"),
        (EarlyStopping::Never, "Never early"),
    ];
    if let Some(choice) = segmented(ui, beam.early_stopping, &choices) {
        beam.early_stopping = choice;
    }
    hint(
        ui,
        match beam.early_stopping {
            EarlyStopping::Heuristic => {
                "Ends when the best live text, as long as it is now, falls short of the worst finished one."
            }
            EarlyStopping::AtOnce => "Ends as soon as there are as many finished texts as beams.",
            EarlyStopping::Never => "Ends when no live text can catch up any more, however long it gets.",
        },
    );
    picking(ui, &mut decoding.picking);
}

/// Whether the highest or a draw decides.
fn picking(ui: &mut Ui, picking: &mut Picking) {
    let choices = [(Picking::Argmax, "Highest"), (Picking::Sample, "Draws")];
    if let Some(choice) = segmented(ui, *picking, &choices) {
        *picking = choice;
    }
    hint(
        ui,
        match picking {
            Picking::Argmax => "Picks the highest. The same every time.",
            Picking::Sample => "Picks by random draws from what the stages leave.",
        },
    );
}

fn contrastive(ui: &mut Ui, contrastive: &mut ContrastiveSettings) {
    number(
        ui,
        "Candidates",
        "k: how many of the most probable tokens are tried at every step.",
        &mut contrastive.candidates,
        1..=ContrastiveSettings::MOST_CANDIDATES,
    );
    slider(
        ui,
        "Penalty weight α",
        "How much likeness to earlier positions counts against probability; 0 is greedy decoding.",
        &mut contrastive.penalty_alpha,
        0.0..=1.0,
    );
}

fn speculative(ui: &mut Ui, decoding: &mut DecodingSettings) {
    number(
        ui,
        "Most drafted tokens",
        "How far a draft runs ahead at most; how far it does follows from how many were accepted.",
        &mut decoding.speculative.draft_tokens,
        1..=SpeculativeSettings::MOST_TOKENS,
    );
    picking(ui, &mut decoding.picking);
}

fn lookahead(ui: &mut Ui, lookahead: &mut LookaheadSettings) {
    let window = LookaheadSettings::MOST_WINDOW;
    number(ui, "Window", "W: trajectories side by side.", &mut lookahead.window, 1..=window);
    let ngram = LookaheadSettings::MOST_NGRAM;
    number(ui, "N-gram length", "N: tokens of an n-gram in the pool.", &mut lookahead.ngram, 2..=ngram);
    let guesses = LookaheadSettings::MOST_GUESSES;
    number(ui, "Guesses", "G: most n-grams that a pass verifies.", &mut lookahead.guesses, 0..=guesses);
}

const DRAFTERS: [(Drafter, &str); 4] = [
    (Drafter::Best, "Best"),
    (Drafter::Model, "Model"),
    (Drafter::Head, "MTP head"),
    (Drafter::Lookup, "Lookup"),
];

/// Who drafts.
fn drafter(ui: &mut Ui, scene: &mut Scene<'_>) {
    ui.label(RichText::new("Who drafts").size(size::SMALL).color(palette(ui).secondary));
    let chosen = &mut scene.state.remembered.decoding.speculative.drafter;
    if let Some(choice) = segmented(ui, *chosen, &DRAFTERS) {
        *chosen = choice;
    }
    let has_head = scene.view.loaded.as_ref().is_some_and(|loaded| loaded.has_drafting_head);
    let mut say = |text: &str| drop(hint(ui, text));
    match *chosen {
        _ if scene.view.head_loading => say("Loading the model's drafting head…"),
        Drafter::Lookup => say(LOOKUP),
        Drafter::Head if has_head => say(HEAD),
        Drafter::Head => say("This model's files have no drafting head: choose another drafter."),
        Drafter::Model => {
            draft_model(ui, scene, "none yet", "Open a smaller model with the same vocabulary:")
        }
        Drafter::Best if scene.view.draft.is_some() => draft_model(ui, scene, "", ""),
        Drafter::Best if has_head => {
            let also = "A smaller model drafts in its place where one is open:";
            draft_model(ui, scene, "the model's own head", &format!("{HEAD} {also}"));
        }
        Drafter::Best => {
            let also = "A smaller model with the same vocabulary drafts better:";
            draft_model(ui, scene, "prompt lookup", &format!("{LOOKUP} {also}"));
        }
    }
}

const LOOKUP: &str = "Drafts what followed the same tokens earlier.";
const HEAD: &str = "Drafts with the model's own head, which was trained to guess the token after the next.";

/// Which model drafts, and another one in its place; without one `otherwise` drafts, of which `about` tells more.
fn draft_model(ui: &mut Ui, scene: &mut Scene<'_>, otherwise: &str, about: &str) {
    let palette = palette(ui);
    if let Some(loading) = &scene.view.draft_loading {
        let share = loading.share.fraction().map(|fraction| fraction as f32);
        ui.label(
            RichText::new(format!("Loading the draft model {}…", loading.name))
                .size(size::SMALL)
                .color(palette.secondary),
        );
        hint(ui, &loading::figure(loading.part, loading.share));
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 4.0), egui::Sense::hover());
        thin_bar(ui, rect, share, palette.accent);
        return;
    }
    ui.horizontal(|ui| {
        let name = scene.view.draft.as_ref().map_or(otherwise, |draft| draft.name.as_str());
        let removable = scene.view.draft.is_some();
        let width = ui.available_width() - if removable { 28.0 + space::S } else { 0.0 };
        ui.allocate_ui(vec2(width, 28.0), |ui| {
            ui.set_width(width);
            fact(ui, &definitions::DRAFT_MODEL, name);
        });
        if removable && icon_button(ui, Icon::Cross, "Remove the draft model").clicked() {
            scene.actions.push(Action::DropDraft);
        }
    });
    match &scene.view.draft {
        Some(draft) => {
            let parameters = format::parameters(draft.parameters);
            hint(ui, &format!("{} · {parameters} parameters", draft.family));
        }
        None if about.is_empty() => {}
        None => drop(hint(ui, about)),
    }
    let built_in = scene.view.loaded.as_ref().is_some_and(|loaded| loaded.model.path == BUILT_IN);
    if built_in && scene.view.draft.is_none() {
        let button = egui::Button::new(RichText::new("Use the built-in draft model").size(size::SMALL));
        let response = ui.add_sized(vec2(ui.available_width(), 28.0), button);
        if response.on_hover_text("A tenth of the built-in model's size, with its tokens.").clicked() {
            scene.actions.push(Action::LoadBuiltInDraft);
        }
    }
    let ready = scene.view.loaded.is_some();
    ui.add_enabled_ui(ready, |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            let width = ui.available_width() - 3.0 * (28.0 + space::XS);
            let edit = TextEdit::singleline(&mut scene.state.draft_path).hint_text("draft model's path");
            let response = ui.add_sized(vec2(width, 28.0), edit).accessible_name("Draft model path");
            let entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let open = icon_button(ui, Icon::Check, "Open the draft model").clicked();
            let path = scene.state.draft_path.trim().trim_matches('"');
            if (open || entered) && !path.is_empty() {
                scene.actions.push(Action::LoadDraft(path.into()));
            }
            if icon_button(ui, Icon::Folder, "Choose a draft model's folder…").clicked() {
                scene.actions.push(Action::PickDraftFolder);
            }
            if icon_button(ui, Icon::File, "Choose a draft model's file…").clicked() {
                scene.actions.push(Action::PickDraftFile);
            }
        });
    });
}
