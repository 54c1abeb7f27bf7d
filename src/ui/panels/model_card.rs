//! The card of a model that was dropped or chosen: what its headers say and the memory that it needs, before it is
//! loaded.

use egui::{DragValue, Label, RichText, ScrollArea, Ui};

use super::{kept, memory_limit};
use crate::session::{AdapterMatch, AdapterRoom, CacheFormat, Fit, Limit, ModelCard, WeightsChoice};
use crate::ui::action::Action;
use crate::ui::cards::Inspected;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, regular, semibold, size, space};
use crate::ui::typed::Typed;
use crate::ui::widgets::{
    self, Emphasis, action_button, fact, fact_colored, fact_named, hint, section, segmented,
};

/// Shows the card, if a model was inspected.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(inspected) = scene.state.cards.inspected.clone() else { return };
    if widgets::card(ui, "model card", 680.0, |ui| card(ui, scene, &inspected)).should_close() {
        scene.state.cards.inspected = None;
    }
}

fn card(ui: &mut Ui, scene: &mut Scene<'_>, inspected: &Inspected) {
    let Inspected { source, card } = inspected;
    let color = palette(ui).text;
    ui.add(Label::new(RichText::new(&card.facts.name).font(semibold(size::TITLE)).color(color)).truncate());
    let place = RichText::new(&card.facts.path).size(size::SMALL).color(palette(ui).tertiary);
    ui.add(Label::new(place).truncate()).on_hover_text(&card.facts.path);
    messages(ui, card);
    ui.add_space(space::XS);
    // What is left of the window after the title, the messages, the buttons and the margins.
    let most = (ui.ctx().content_rect().bottom() - ui.cursor().top() - 110.0).max(160.0);
    ScrollArea::vertical().max_height(most).min_scrolled_height(most).show(ui, |ui| {
        ui.spacing_mut().item_spacing.x = space::XL;
        ui.columns(2, |columns| {
            let [left, right] = columns else { unreachable!("two columns were asked for") };
            model(left, card);
            if card.facts.supported {
                memory(right, card);
                right.add_space(space::S);
                adapter(right, card);
                right.add_space(space::S);
                memory_limit::show(right, scene, card);
                right.add_space(space::S);
                context(right, scene, card);
                right.add_space(space::S);
                precision(right, scene);
            }
        });
    });
    ui.add_space(space::XS);
    let half = (ui.available_width() - space::S) / 2.0;
    ui.horizontal(|ui| {
        ui.add_enabled_ui(card.facts.supported, |ui| {
            let load = action_button(ui, Icon::Check, "Load model", Emphasis::Primary, half);
            // Enter loads, unless a person moved the keyboard elsewhere.
            if card.facts.supported && ui.memory(|memory| memory.focused()).is_none() {
                load.request_focus();
            }
            if load.clicked() {
                scene.actions.push(Action::Load(source.clone()));
            }
        });
        if action_button(ui, Icon::Cross, "Cancel", Emphasis::Secondary, half).clicked() {
            scene.state.cards.inspected = None;
        }
    });
}

/// Why it cannot be opened or loaded, and what deserves a look.
fn messages(ui: &mut Ui, card: &ModelCard) {
    let palette = palette(ui);
    let mut say = |title: &str, lines: &[String], color| {
        if lines.is_empty() {
            return;
        }
        ui.label(RichText::new(title).font(semibold(size::BODY)).color(color));
        for line in lines {
            ui.add(Label::new(RichText::new(line).size(size::SMALL).color(palette.text)).wrap());
        }
        ui.add_space(space::XS);
    };
    say("It cannot be opened", &card.facts.problems, palette.error);
    if let AdapterMatch::Adapter(AdapterRoom { no_room: Some(problem), .. }) = &card.adapter {
        say("The GPU has too little memory", std::slice::from_ref(problem), palette.error);
    }
    if let AdapterMatch::Adapter(AdapterRoom { fit: Some(fit), .. }) = &card.adapter {
        let too_large = |part: &crate::session::inspect::TooLarge| {
            format!("{} needs {} in one binding", part.what, format::bytes(part.bytes))
        };
        let too_large: Vec<String> = fit.too_large.iter().map(too_large).collect();
        say("The adapter cannot hold it", &too_large, palette.error);
    }
    say("Worth a look", &card.facts.warnings, palette.warning);
}

fn model(ui: &mut Ui, card: &ModelCard) {
    if says_nothing(card) {
        return;
    }
    section(ui, "Model");
    ui.spacing_mut().item_spacing.y = 0.0;
    let facts = &card.facts;
    let sizes = &facts.architecture;
    if let Some(family) = facts.named_family() {
        text(ui, "Family", &family);
    }
    if facts.parameters > 0 {
        fact(ui, &definitions::PARAMETERS, &format::parameters(facts.parameters));
    }
    let share = |format: &crate::session::FormatShare| match format.share {
        share if share > 0.9995 => format.format.clone(),
        share => format!("{} {}", format.format, format::probability(share as f32)),
    };
    let formats: Vec<String> = facts.formats.iter().map(share).collect();
    if !formats.is_empty() {
        text(ui, "Formats, by bytes", &formats.join(" · "));
    }
    let file_bytes = facts.files.iter().map(|file| file.bytes).sum();
    if file_bytes > 0 {
        fact(ui, &definitions::FILE_BYTES, &format::bytes(file_bytes));
    }
    known(ui, &definitions::LAYERS, sizes.layers);
    kept::by_headers(ui, facts);
    known(ui, &definitions::MODEL_WIDTH, sizes.width);
    if let Some(heads) = heads(card) {
        fact(ui, &definitions::HEADS, &heads);
    }
    known(ui, &definitions::FEED_FORWARD_WIDTH, sizes.feed_forward_width);
    known(ui, &definitions::VOCABULARY, sizes.vocabulary);
    known(ui, &definitions::CONTEXT, sizes.context);
    if facts.supported || facts.tokenizer.is_some() {
        text(ui, "Tokenizer", &card.tokenizer());
    }
    if facts.supported || facts.chat_template {
        text(ui, "Chat template", if facts.chat_template { "yes" } else { "no" });
    }
    if facts.drafting_head {
        text(ui, "Drafting head", "yes");
    }
}

/// Whether the headers of a broken file tell nothing of a model.
fn says_nothing(card: &ModelCard) -> bool {
    let facts = &card.facts;
    let bytes: u64 = facts.files.iter().map(|file| file.bytes).sum();
    let sizes = &facts.architecture;
    let known = [sizes.layers, sizes.width, sizes.feed_forward_width, sizes.vocabulary, sizes.context];
    facts.named_family().is_none()
        && facts.parameters == 0
        && facts.formats.is_empty()
        && bytes == 0
        && known.iter().all(Option::is_none)
        && facts.tokenizer.is_none()
        && !facts.supported
}

/// A fact that a broken file may not tell; then it is left out.
fn known(ui: &mut Ui, definition: &definitions::Definition, value: Option<u64>) {
    if let Some(value) = value {
        fact(ui, definition, &format::count(value));
    }
}

/// Query heads over key/value heads of a width, as far as the file says.
fn heads(card: &ModelCard) -> Option<String> {
    let sizes = &card.facts.architecture;
    let count = format::count(sizes.heads?);
    let heads = match sizes.key_value_heads {
        Some(groups) if Some(groups) != sizes.heads => format!("{count} over {}", format::count(groups)),
        _ => count,
    };
    Some(match sizes.head_width {
        Some(width) => format!("{heads} of {}", format::count(width)),
        None => heads,
    })
}

fn memory(ui: &mut Ui, card: &ModelCard) {
    let Some(most) = card.memory else { return };
    section(ui, "GPU memory");
    let spacing = std::mem::take(&mut ui.spacing_mut().item_spacing.y);
    fact_named(ui, "Weights", &definitions::WEIGHTS_NEED, &format::bytes(most.weight_bytes));
    kept::need(ui, &most);
    for need in card.shorter.iter().chain([&most]) {
        let name = format!("In all, with {} positions", format::count(need.context as u64));
        let (beyond, color) = match limit_of(card, need.context) {
            None => ("", palette(ui).text),
            Some(Limit::Binding) => (" · too long", palette(ui).error),
            Some(Limit::Memory) => (" · too much", palette(ui).error),
            Some(Limit::Layers) => (" · streamed", palette(ui).warning),
        };
        let value = format::bytes(need.total_bytes) + beyond;
        fact_colored(ui, &name, &definitions::MEMORY_NEED, &value, color);
    }
    ui.spacing_mut().item_spacing.y = spacing;
}

fn limit_of(card: &ModelCard, context: usize) -> Option<Limit> {
    match &card.adapter {
        AdapterMatch::Adapter(room) => room.limit_of(context),
        AdapterMatch::Nothing { .. } => None,
    }
}

/// What the adapter can hold.
fn adapter(ui: &mut Ui, card: &ModelCard) {
    section(ui, "Adapter");
    let room = match &card.adapter {
        AdapterMatch::Adapter(room) => room,
        AdapterMatch::Nothing { problem } => {
            hint(ui, &format!("Compared with none: {problem}"));
            return;
        }
    };
    let spacing = std::mem::take(&mut ui.spacing_mut().item_spacing.y);
    text(ui, "Name", &room.name);
    let memory = room.memory_bytes.map_or_else(|| "unknown".to_owned(), format::bytes);
    fact(ui, &definitions::DEVICE_MEMORY, &memory);
    fact(ui, &definitions::LARGEST_BINDING, &format::bytes(room.binding_bytes));
    let longest = room.streamed.map(|streamed| streamed.context).or(room.fit.as_ref().map(Fit::context));
    if let Some(positions) = longest {
        fact(ui, &definitions::LONGEST_CONTEXT, &format::count(positions as u64));
    }
    ui.spacing_mut().item_spacing.y = spacing;
}

/// How many positions to allow; fewer take less memory.
fn context(ui: &mut Ui, scene: &mut Scene<'_>, card: &ModelCard) {
    let own = card.facts.architecture.context.and_then(|context| usize::try_from(context).ok());
    let Some(own) = own.filter(|own| *own > 1) else { return };
    section(ui, "Context to allow");
    let asked = scene.state.cards.context.unwrap_or(own);
    let mut positions = asked;
    let ends = 1.0..=own as f64;
    let typed = Typed::of(ui, "context");
    let number = DragValue::new(&mut positions).range(1..=own).suffix(" positions");
    let number = number.custom_parser(typed.parser(ui)).speed(own as f64 / 500.0);
    let number = ui.add(number).accessible_name("Context to allow");
    typed.tell_correction(ui, &ends);
    hint(ui, "The longest text, prompt included. A shorter one takes less memory.");
    if positions != asked {
        scene.state.cards.context = Some(positions).filter(|positions| *positions != own);
    }
    // The headers are read again once the number stands.
    let stands = number.drag_stopped() || number.lost_focus();
    if stands || (positions != asked && !number.dragged() && !number.has_focus()) {
        scene.actions.push(Action::UseContext(scene.state.cards.context));
    }
}

/// The precision in which weights are loaded, and in which keys and values are kept.
pub(crate) fn precision(ui: &mut Ui, scene: &mut Scene<'_>) {
    section(ui, "Weights");
    let choices = WeightsChoice::ALL.map(|choice| match choice {
        WeightsChoice::Original => (choice, "As in the file"),
        other => (other, other.name()),
    });
    let weights = scene.state.remembered.weights;
    if let Some(choice) = segmented(ui, weights, &choices) {
        scene.actions.push(Action::UseWeights(choice));
    }
    hint(
        ui,
        match weights {
            WeightsChoice::Original => "Every weight as the file has it.",
            WeightsChoice::F16 => "2 bytes a weight.",
            WeightsChoice::Q8_0 => "8.5 bits a weight: half the memory of f16, and nearly the same numbers.",
            WeightsChoice::Q4_0 => "4.5 bits a weight: a quarter of f16. The logits move by some percent.",
        },
    );
    ui.add_space(space::XS);
    section(ui, "KV cache");
    let choices =
        [(None, "As the weights"), (Some(CacheFormat::F16), "KV f16"), (Some(CacheFormat::F32), "KV f32")];
    let cache = scene.state.remembered.cache;
    if let Some(choice) = segmented(ui, cache, &choices) {
        scene.actions.push(Action::UseCache(choice));
    }
    hint(
        ui,
        match cache {
            None => "No finer than most of the weights: f32 for a model in f32, f16 for all others.",
            Some(CacheFormat::F16) => "Half the memory of f32; keys and values keep 11 bits.",
            Some(CacheFormat::F32) => "Keys and values as they are computed.",
        },
    );
}

/// A row with a name on the left and words on the right.
fn text(ui: &mut Ui, name: &str, words: &str) {
    let palette = palette(ui);
    let row = egui::vec2(ui.available_width(), 22.0);
    ui.allocate_ui_with_layout(row, egui::Layout::left_to_right(egui::Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        ui.label(RichText::new(name).font(regular(size::SMALL)).color(palette.secondary));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add(
                Label::new(RichText::new(words).font(regular(size::SMALL)).color(palette.text)).truncate(),
            );
        });
    });
}
