//! The text as token chips: prompt and generated apart, coloured by a quantity of the step.

use egui::{Align, Layout, Rect, RichText, ScrollArea, Ui, vec2};

use super::first_models;
use super::scale::{COLOURINGS, Scale, legend, name};
use super::segment_heading;
use super::text_chip;
use crate::session::{ModelSource, Status};
use crate::trace::Run;
use crate::ui::action::Action;
use crate::ui::chips::{self, Source};
use crate::ui::cursor::Follow;
use crate::ui::definitions;
use crate::ui::exports::Export;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::loading;
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::theme::{mono, palette, size, space};
use crate::ui::widgets::{Emphasis, action_button, combo_icon, empty, icon_button, icon_toggle};

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(run) = scene.run() else {
        nothing(ui, scene);
        return;
    };
    tools(ui, scene, run);
    past(ui, scene, run);
    returned(ui, scene, run);
    let scale = Scale::of(scene.state.remembered.colouring, run);
    let follow = scene.state.cursor.follow == Follow::Newest && scene.view.has_live_run();
    ScrollArea::vertical().id_salt("text").auto_shrink(false).stick_to_bottom(follow).show_viewport(
        ui,
        |ui, viewport| {
            let width = ui.available_width() - 2.0 * space::L;
            let mut layout = std::mem::take(&mut scene.state.chips);
            let number = scene.state.run_number;
            scene.state.segments.update(run, number);
            layout.update(ui, run, number, width, scene.state.segments.sections());
            ui.set_height(layout.height() + space::S);
            let origin = ui.max_rect().left_top() + vec2(space::L, 0.0);
            segment_heading::show_all(ui, scene, run, &layout, origin);
            for chip in layout.visible(viewport.top(), viewport.bottom()) {
                text_chip::show(ui, scene, run, chip, origin, &scale);
            }
            scroll_to_selected(ui, scene, &layout, origin, viewport, run.prompt.len());
            scene.state.chips = layout;
        },
    );
}

/// What the pane says before the first run.
fn nothing(ui: &mut Ui, scene: &mut Scene<'_>) {
    match (&scene.view.status, &scene.view.loaded) {
        _ if scene.state.offers_models(scene.view) => first_models::show(ui, scene),
        (Status::Loading { name, part, share }, _) => {
            let figure = loading::figure(*part, *share);
            empty(ui, &format!("Loading {name}: {figure}"), loading::meaning(*part));
        }
        (_, Some(_)) => {
            let room = ui.available_size();
            let height = (room.y / 2.0 + 32.0).min(room.y - 40.0).max(0.0);
            ui.allocate_ui(vec2(room.x, height), |ui| {
                empty(ui, "Nothing decoded yet", "Press Run, or Space. Step makes one token at a time.");
            });
            if scene.state.lesson.is_none() {
                ui.vertical_centered(|ui| {
                    if action_button(ui, Icon::Book, "Take a lesson", Emphasis::Secondary, 148.0).clicked() {
                        scene.actions.push(Action::ToggleLessons);
                    }
                });
            }
        }
        (_, None) => {
            let room = ui.available_size();
            let height = (room.y / 2.0 + 32.0).min(room.y - 40.0).max(0.0);
            ui.allocate_ui(vec2(room.x, height), |ui| {
                empty(ui, "No model yet", "Choose “Open model…”, or drop a model's folder on the window.");
            });
            ui.vertical_centered(|ui| {
                let label = "Open the built-in model";
                if action_button(ui, Icon::Logo, label, Emphasis::Secondary, 248.0).clicked() {
                    scene.actions.push(Action::Load(ModelSource::BuiltIn));
                }
            });
        }
    }
}

/// What the colour means, and tools for the whole text.
fn tools(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run) {
    let frame = egui::Frame::new().inner_margin(egui::Margin::symmetric(16, 6));
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            let colouring = &mut scene.state.remembered.colouring;
            let combo = egui::ComboBox::from_id_salt("colouring")
                .selected_text(RichText::new(format!("Colour: {}", name(*colouring))).size(size::SMALL))
                .icon(combo_icon)
                .show_ui(ui, |ui| {
                    for choice in COLOURINGS {
                        ui.selectable_value(colouring, choice, name(choice));
                    }
                });
            combo.response.accessible_name("Colour by");
            if scene.state.remembered.colouring.is_of_logits() {
                let words = RichText::new("prompt too").size(size::SMALL).color(palette(ui).secondary);
                ui.checkbox(&mut scene.state.remembered.prompt_scores, words)
                    .accessible_name("Colour the prompt too")
                    .on_hover_text(
                        "Colours the prompt's tokens by how the model saw them coming. That takes a second pass over the prompt, with the logits of every position.",
                    );
            }
            let colouring = scene.state.remembered.colouring;
            legend(ui, run, &Scale::of(colouring, run));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = space::XS;
                if icon_button(ui, Icon::Copy, "Copy the text").clicked() {
                    scene.actions.push(Action::Copy(run.text()));
                }
                if icon_button(ui, Icon::Save, "Save the trace").clicked() {
                    scene.actions.push(Action::Export(Export::Trace));
                }
                let on = scene.state.cursor.follow == Follow::Newest;
                if icon_toggle(ui, Icon::Follow, "Follow the newest step", Some(on)).clicked() {
                    scene.actions.push(Action::ToggleFollow);
                }
            });
        });
    });
}

/// Whose run it is, where that is not the model on show.
fn past(ui: &mut Ui, scene: &Scene<'_>, run: &Run) {
    let kind = match scene.state.origin {
        Origin::Worker => return,
        Origin::Past => "Past run",
        Origin::File => "Saved run",
    };
    let palette = palette(ui);
    let name = if run.model.name.is_empty() { "an unnamed model" } else { &run.model.name };
    let adapter =
        if run.adapter.name.is_empty() { String::new() } else { format!(" on {}", run.adapter.name) };
    egui::Frame::new().inner_margin(egui::Margin { left: 16, right: 16, top: 0, bottom: 6 }).show(ui, |ui| {
        let text =
            format!("{kind} of {name}{adapter}: it cannot go on, as the model on show holds nothing of it.");
        let text = RichText::new(text).size(size::SMALL).color(palette.warning);
        ui.add(egui::Label::new(text).wrap());
    });
}

/// What beam search returned, to choose which one is on show.
fn returned(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run) {
    if run.sequences.len() < 2 {
        return;
    }
    let palette = palette(ui);
    egui::Frame::new().inner_margin(egui::Margin { left: 16, right: 16, top: 0, bottom: 6 }).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(space::XS, space::XS);
            let caption = if run.stop.is_some() { "Returned" } else { "Best so far" };
            ui.label(RichText::new(caption).size(size::SMALL).color(palette.tertiary));
            for (index, sequence) in run.sequences.iter().enumerate() {
                let on = run.tip() == Some(sequence.node);
                let text = format!("{} · {}", index + 1, format::score(sequence.score));
                let color = if on { palette.accent } else { palette.secondary };
                let mut button = egui::Button::new(RichText::new(text).font(mono(size::SMALL)).color(color));
                button = button.selected(on);
                let response = ui.add(button).accessible_name(format!("Sequence {}", index + 1));
                if response.clicked() && !on {
                    scene.actions.push(Action::FollowLine(sequence.node));
                }
                definitions::BEAM_SCORE.explain(response);
            }
        });
    });
}

/// Brings a token that the keyboard selected into view.
fn scroll_to_selected(
    ui: &Ui,
    scene: &mut Scene<'_>,
    layout: &chips::ChipLayout,
    origin: egui::Pos2,
    viewport: Rect,
    prompt: usize,
) {
    let id = ui.scope_id().with("scrolled to");
    let cursor = &scene.state.cursor;
    let step = cursor.selected.map(Source::Step);
    let selected = cursor.prompt.map(Source::Prompt).or(step);
    let before = ui.data_mut(|data| data.get_temp::<Option<Source>>(id).flatten());
    if selected == before {
        return;
    }
    if let Some(source) = selected.filter(|source| layout.of(*source).is_none()) {
        // What a person selects comes to light; what arrives in a folded segment stays folded.
        if cursor.follow == Follow::Stay {
            scene.state.segments.unfold(source.position(prompt));
            ui.request_repaint();
        }
        return;
    }
    ui.data_mut(|data| data.insert_temp(id, selected));
    if let Some(chip) = selected.and_then(|source| layout.of(source))
        && (chip.rect.top() < viewport.top() || chip.rect.bottom() > viewport.bottom())
    {
        ui.scroll_to_rect(chip.rect.translate(origin.to_vec2()).expand(space::S), None);
    }
}
