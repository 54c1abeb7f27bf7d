//! One token of the text as a chip: what it says, its colour, and its marks.

use egui::{
    Color32, CornerRadius, Painter, Pos2, Rect, Response, RichText, Role, Sense, Shape, Stroke, StrokeKind,
    Ui, WidgetInfo, pos2,
};

use super::scale::Scale;
use super::what_if;
use crate::trace::{ChosenBy, Run};
use crate::ui::action::Action;
use crate::ui::chips::{Chip, PADDING, Source};
use crate::ui::colours::{mix, quantity as quantity_color, weight_tint};
use crate::ui::format;
use crate::ui::remembered::Colouring;
use crate::ui::scene::Scene;
use crate::ui::sent;
use crate::ui::theme::{mono, palette, regular, size};
use crate::ui::token_job::white_space_job;

const RADIUS: CornerRadius = CornerRadius::same(4);

/// Shows a chip; `origin` is the text's left top.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, chip: &Chip, origin: Pos2, scale: &Scale) {
    let palette = palette(ui);
    let rect = chip.rect.translate(origin.to_vec2());
    let response = ui.interact(rect, ui.scope_id().with(("chip", chip_number(chip.source))), Sense::click());
    let ChipStyle { mut label, mut fill, mut underline, ink } = ChipStyle::of(ui, run, chip, scale);
    if let Some(tint) = &scene.state.inside.tint {
        // A panel's weights, while the pointer is on a row of them.
        let weight = tint.get(chip.source.position(run.prompt.len())).copied().unwrap_or_default();
        fill = weight_tint(ui, palette.surface, weight);
        underline = None;
    }
    let place = match chip.source {
        Source::Step(place) => Some(place),
        Source::Prompt(_) => None,
    };
    if let Some(words) = place.and_then(|place| what_if::chip_words(scene, run, place)) {
        label = format!("{label}, {words}");
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
    let painter = ui.painter().with_clip_rect(ui.clip_rect().intersect(rect.expand(2.0)));
    painter.rect_filled(rect, RADIUS, fill);
    if let Some(color) = underline {
        let line = Rect::from_min_max(
            pos2(rect.left() + 3.0, rect.bottom() - 2.5),
            pos2(rect.right() - 3.0, rect.bottom() - 1.0),
        );
        painter.rect_filled(line, 1.0, color);
    }
    let galley = painter.layout_job(white_space_job(&chip.text, ink, palette.tertiary));
    painter.galley(pos2(rect.left() + PADDING, rect.center().y - galley.size().y / 2.0), galley, ink);
    if let Some(place) = place {
        origin_marks(ui, &painter, run, run.line[place], rect);
        what_if::chip(scene, &painter.with_clip_rect(ui.clip_rect()), place, rect, palette.warning);
    }
    selection(ui, scene, run, chip.source, &response, &painter);
    response.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_ui(|ui| tooltip(ui, run, chip));
}

/// How a chip looks before pointer and keyboard do anything to it.
struct ChipStyle {
    label: String,
    fill: Color32,
    underline: Option<Color32>,
    ink: Color32,
}

impl ChipStyle {
    fn of(ui: &Ui, run: &Run, chip: &Chip, scale: &Scale) -> Self {
        let palette = palette(ui);
        let (label, share) = match chip.source {
            Source::Prompt(index) => {
                let label = format!("Prompt token {}: {}", index + 1, chip.text);
                (label, scale.share_of_prompt(&run.prompt[index]))
            }
            Source::Step(place) => {
                let node = &run.nodes[run.line[place]];
                let hand = if node.chosen_by == ChosenBy::Hand { ", chosen by hand" } else { "" };
                let guessed = if run.was_guessed(run.line[place]) { ", guessed ahead" } else { "" };
                let label = format!("Step {}: {}{hand}{guessed}", node.step, chip.text);
                (label, (scale.colouring != Colouring::None).then(|| scale.share(node)))
            }
        };
        let quiet = share.is_none() && matches!(chip.source, Source::Prompt(_));
        let ink = if quiet { palette.secondary } else { palette.text };
        match share.map(|share| quantity_color(ui, share)) {
            Some(color) => {
                let part = if ui.visuals().dark_mode { 0.30 } else { 0.22 };
                Self { label, fill: mix(palette.surface, color, part), underline: Some(color), ink }
            }
            None => Self { label, fill: palette.raised, underline: None, ink },
        }
    }
}

/// Marks of tokens that the strategy did not choose from a row of their own pass.
fn origin_marks(ui: &Ui, painter: &Painter, run: &Run, node: usize, rect: Rect) {
    let palette = palette(ui);
    let (left, top) = (rect.left(), rect.top());
    if run.was_guessed(node) {
        // A notch in the upper edge: it came with the token before it.
        let notch = vec![pos2(left - 5.0, top), pos2(left + 3.0, top), pos2(left - 1.0, top + 5.0)];
        painter.add(Shape::convex_polygon(notch, palette.good, Stroke::NONE));
    }
    if run.nodes[node].chosen_by == ChosenBy::Hand {
        // A corner, and a bar on the side of the line that was left.
        let corner = vec![pos2(left, top), pos2(left + 8.0, top), pos2(left, top + 8.0)];
        painter.add(Shape::convex_polygon(corner, palette.second, Stroke::NONE));
        let bar = Rect::from_min_size(rect.left_top(), egui::vec2(2.0, rect.height()));
        painter.rect_filled(bar, 0.0, palette.second);
    }
}

/// What pointer, keyboard and other panels do to a chip, and what it does in turn.
fn selection(
    ui: &Ui,
    scene: &mut Scene<'_>,
    run: &Run,
    source: Source,
    response: &Response,
    painter: &Painter,
) {
    let palette = palette(ui);
    let frame = |width: f32, color: Color32| {
        painter.rect_stroke(response.rect, RADIUS, Stroke::new(width, color), StrokeKind::Outside);
    };
    let cursor = &mut scene.state.cursor;
    let (selected, preview, action) = match source {
        Source::Prompt(index) => (cursor.prompt == Some(index), false, Action::SelectPrompt(index)),
        Source::Step(place) => {
            if response.hovered() {
                cursor.next_preview = Some(place);
            }
            let preview = cursor.preview == Some(place);
            (cursor.selected == Some(place), preview, Action::Select(place))
        }
    };
    if scene.state.pointed_at == Some(source.position(run.prompt.len())) {
        frame(2.0, palette.second);
    }
    if selected {
        frame(2.0, palette.accent);
    } else if preview || response.has_focus() {
        frame(1.0, palette.accent);
    }
    if response.clicked() {
        scene.actions.push(action);
    }
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
            line(
                ui,
                format!("step {} · id {} · rank {}", node.step, node.token, sent::short_rank(run, node)),
            );
            line(
                ui,
                format!(
                    "p {} · {:.2} nats · entropy {} nats",
                    format::probability(node.log_probability.exp()),
                    -node.log_probability,
                    format::entropy(node.entropy, node.entropy_at_most, 2)
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
