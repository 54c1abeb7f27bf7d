//! The text as token chips: prompt and generated apart, coloured by a quantity of the step.

use egui::{
    Align, Color32, CornerRadius, Layout, Rect, RichText, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};

use super::scale::{COLOURINGS, Scale, legend, name};
use crate::session::Status;
use crate::trace::{ChosenBy, Run};
use crate::ui::action::Action;
use crate::ui::chips::{self, Chip, PADDING, Source};
use crate::ui::colours::{mix, quantity as quantity_color};
use crate::ui::cursor::Follow;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::loading;
use crate::ui::remembered::Colouring;
use crate::ui::scene::Scene;
use crate::ui::state::Origin;
use crate::ui::theme::{mono, palette, regular, size, space};
use crate::ui::token_job::white_space_job;
use crate::ui::widgets::{combo_icon, empty, icon_button, icon_toggle, paint_caption};

/// Shows the pane.
pub fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
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
            layout.update(ui, run, scene.state.run_number, width);
            ui.set_height(layout.height() + space::S);
            let origin = ui.max_rect().left_top() + vec2(space::L, 0.0);
            let prompt = format!("Prompt · {}", format::plural(run.prompt.len(), "token"));
            heading(ui, origin, &prompt);
            if !run.line.is_empty() {
                let text = format!("Generated · {}", format::plural(run.line.len(), "token"));
                heading(ui, origin + vec2(0.0, layout.generated_heading), &text);
            }
            for chip in layout.visible(viewport.top(), viewport.bottom()) {
                show_chip(ui, scene, run, chip, origin, &scale);
            }
            scroll_to_selected(ui, scene, &layout, origin, viewport);
            scene.state.chips = layout;
        },
    );
}

/// What the pane says before the first run.
fn nothing(ui: &mut Ui, scene: &Scene<'_>) {
    match (&scene.view.status, &scene.view.loaded) {
        (Status::Loading { name, part, share }, _) => {
            let figure = loading::figure(*part, *share);
            empty(ui, &format!("Loading {name}: {figure}"), loading::meaning(*part));
        }
        (_, Some(_)) => {
            empty(ui, "Nothing decoded yet", "Press Run, or Space. Step makes one token at a time.");
        }
        (_, None) => {
            empty(ui, "No model yet", "Choose “Open model…”, or drop a model's folder on the window.");
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
            legend(ui, &Scale::of(colouring, run));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = space::XS;
                if icon_button(ui, Icon::Copy, "Copy the text").clicked() {
                    scene.actions.push(Action::Copy(run.text()));
                }
                if icon_button(ui, Icon::Save, "Save the trace").clicked() {
                    scene.actions.push(Action::SaveTrace);
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

fn heading(ui: &mut Ui, at: egui::Pos2, text: &str) {
    let rect = Rect::from_min_size(at, vec2(240.0, 18.0));
    if ui.is_rect_visible(rect) {
        paint_caption(ui, rect.left_center(), text);
    }
}

fn show_chip(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, chip: &Chip, origin: egui::Pos2, scale: &Scale) {
    let palette = palette(ui);
    let rect = chip.rect.translate(origin.to_vec2());
    let radius = CornerRadius::same(4);
    let response = ui.interact(rect, ui.scope_id().with(("chip", chip_number(chip.source))), Sense::click());
    let (label, fill, underline, text_color) = match chip.source {
        Source::Prompt(index) => {
            let label = format!("Prompt token {}: {}", index + 1, chip.text);
            match scale.share_of_prompt(&run.prompt[index]).map(|share| quantity_color(ui, share)) {
                Some(color) => (label, tinted(ui, color), Some(color), palette.text),
                None => (label, palette.raised, None, palette.secondary),
            }
        }
        Source::Step(index) => {
            let node = &run.nodes[run.line[index]];
            let hand = if node.chosen_by == ChosenBy::Hand { ", chosen by hand" } else { "" };
            let drafted = if run.was_guessed(run.line[index]) { ", guessed ahead" } else { "" };
            let label = format!("Step {}: {}{hand}{drafted}", node.step, chip.text);
            if scale.colouring == Colouring::None {
                (label, palette.raised, None, palette.text)
            } else {
                let color = quantity_color(ui, scale.share(node));
                (label, tinted(ui, color), Some(color), palette.text)
            }
        }
    };
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
    let painter = ui.painter().with_clip_rect(ui.clip_rect().intersect(rect.expand(2.0)));
    painter.rect_filled(rect, radius, fill);
    if let Some(color) = underline {
        let line = Rect::from_min_max(
            pos2(rect.left() + 3.0, rect.bottom() - 2.5),
            pos2(rect.right() - 3.0, rect.bottom() - 1.0),
        );
        painter.rect_filled(line, 1.0, color);
    }
    let galley = painter.layout_job(white_space_job(&chip.text, text_color, palette.tertiary));
    painter.galley(pos2(rect.left() + PADDING, rect.center().y - galley.size().y / 2.0), galley, text_color);

    let position = match chip.source {
        Source::Prompt(index) => index,
        Source::Step(index) => run.prompt.len() + index,
    };
    if scene.state.pointed_at == Some(position) {
        let stroke = Stroke::new(2.0, palette.second);
        painter.rect_stroke(rect, radius, stroke, StrokeKind::Outside);
    }
    if let Source::Prompt(index) = chip.source {
        if scene.state.cursor.prompt == Some(index) {
            painter.rect_stroke(rect, radius, Stroke::new(2.0, palette.accent), StrokeKind::Outside);
        } else if response.has_focus() {
            painter.rect_stroke(rect, radius, Stroke::new(1.0, palette.accent), StrokeKind::Outside);
        }
        if response.clicked() {
            scene.actions.push(Action::SelectPrompt(index));
        }
    }
    if let Source::Step(index) = chip.source {
        if run.was_guessed(run.line[index]) {
            // A notch in the upper edge: it came with the token before it.
            let (left, top) = (rect.left() - 1.0, rect.top());
            let notch = vec![pos2(left - 4.0, top), pos2(left + 4.0, top), pos2(left, top + 5.0)];
            painter.add(egui::Shape::convex_polygon(notch, palette.good, Stroke::NONE));
        }
        if run.nodes[run.line[index]].chosen_by == ChosenBy::Hand {
            // A corner, and a bar on the side of the line that was left.
            let (left, top) = (rect.left(), rect.top());
            let corner = vec![pos2(left, top), pos2(left + 8.0, top), pos2(left, top + 8.0)];
            painter.add(egui::Shape::convex_polygon(corner, palette.second, Stroke::NONE));
            let bar = Rect::from_min_size(rect.left_top(), vec2(2.0, rect.height()));
            painter.rect_filled(bar, 0.0, palette.second);
        }
        let cursor = &mut scene.state.cursor;
        if cursor.selected == Some(index) {
            painter.rect_stroke(rect, radius, Stroke::new(2.0, palette.accent), StrokeKind::Outside);
        } else if cursor.preview == Some(index) || response.has_focus() {
            painter.rect_stroke(rect, radius, Stroke::new(1.0, palette.accent), StrokeKind::Outside);
        }
        if response.hovered() {
            cursor.next_preview = Some(index);
        }
        if response.clicked() {
            scene.actions.push(Action::Select(index));
        }
    }
    response.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_ui(|ui| tooltip(ui, run, chip));
}

/// The ground of a chip whose quantity has this colour.
fn tinted(ui: &Ui, color: Color32) -> Color32 {
    mix(palette(ui).surface, color, if ui.visuals().dark_mode { 0.30 } else { 0.22 })
}

fn chip_number(source: Source) -> (u8, usize) {
    match source {
        Source::Prompt(index) => (0, index),
        Source::Step(index) => (1, index),
    }
}

fn tooltip(ui: &mut Ui, run: &Run, chip: &Chip) {
    let palette = palette(ui);
    ui.spacing_mut().item_spacing.y = 2.0;
    let title = |ui: &mut Ui, text: String| {
        ui.label(RichText::new(text).font(mono(size::BODY)).color(palette.text));
    };
    let line = |ui: &mut Ui, text: String| {
        ui.label(RichText::new(text).font(regular(size::SMALL)).color(palette.secondary));
    };
    match chip.source {
        Source::Prompt(index) => {
            let token = &run.prompt[index];
            title(ui, chip.text.clone());
            line(ui, format!("prompt token {} · id {} · piece {}", index + 1, token.token, token.piece));
            if let Some(expectation) = &token.expectation {
                line(
                    ui,
                    format!(
                        "p {} · {:.2} nats · rank {} · entropy {:.2} nats",
                        format::probability(expectation.log_probability.exp()),
                        -expectation.log_probability,
                        format::count(expectation.rank as u64),
                        expectation.entropy
                    ),
                );
            }
            line(ui, "click to see what the model expected here".to_owned());
        }
        Source::Step(index) => {
            let node = &run.nodes[run.line[index]];
            title(ui, chip.text.clone());
            line(ui, format!("step {} · id {} · rank {}", node.step, node.token, node.rank));
            line(
                ui,
                format!(
                    "p {} · {:.2} nats · entropy {:.2} nats",
                    format::probability(node.log_probability.exp()),
                    -node.log_probability,
                    node.entropy
                ),
            );
            if node.chosen_by == ChosenBy::Hand {
                line(ui, "chosen by hand: a branch begins here (U comes back)".to_owned());
            }
            if run.was_guessed(run.line[index]) {
                line(ui, "guessed ahead and verified: it came with the pass of a step before".to_owned());
            }
            line(ui, format!("{} · click to select", format::seconds(node.timing.total_seconds)));
        }
    }
}

/// Brings a token that the keyboard selected into view.
fn scroll_to_selected(
    ui: &Ui,
    scene: &Scene<'_>,
    layout: &chips::ChipLayout,
    origin: egui::Pos2,
    viewport: Rect,
) {
    let id = ui.scope_id().with("scrolled to");
    let cursor = &scene.state.cursor;
    let step = cursor.selected.map(Source::Step);
    let selected = cursor.prompt.map(Source::Prompt).or(step);
    let before = ui.data_mut(|data| data.get_temp::<Option<Source>>(id).flatten());
    if selected == before {
        return;
    }
    ui.data_mut(|data| data.insert_temp(id, selected));
    if let Some(chip) = selected.and_then(|source| layout.of(source))
        && (chip.rect.top() < viewport.top() || chip.rect.bottom() > viewport.bottom())
    {
        ui.scroll_to_rect(chip.rect.translate(origin.to_vec2()).expand(space::S), None);
    }
}
