//! “What if”: the settings held against the run on show. The switch with the result in a line, marks on the timeline and
//! on chips, and what the selected step would be.

use egui::{
    Align, Button, Color32, CornerRadius, Frame, Layout, Margin, Painter, Rect, RichText, Stroke, StrokeKind,
    Ui, pos2, vec2,
};

use crate::decoding::WouldBe;
use crate::trace::{Node, Run};
use crate::ui::scene::Scene;
use crate::ui::theme::{RADIUS, palette, size};
use crate::ui::what_if::step_words;
use crate::ui::widgets::{caption, hint};

/// The title of the stages with the switch, and below it the result.
pub(super) fn heading(ui: &mut Ui, scene: &mut Scene<'_>) {
    let run = scene.run().filter(|run| !run.line.is_empty());
    ui.horizontal(|ui| {
        ui.label(caption(ui, "Stages"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().button_padding = vec2(8.0, 2.0);
            ui.spacing_mut().interact_size.y = 20.0;
            let on = &mut scene.state.what_if;
            let text = RichText::new("What if").size(size::SMALL);
            let button = Button::new(text).selected(*on);
            let response = ui.add_enabled(run.is_some(), button);
            if response.clicked() {
                *on = !*on;
            }
            response
                .on_hover_text("Holds these settings against the run on show: each past step with its own row and random number. Move a stage to see where another token would have come.")
                .on_disabled_hover_text("Run first: what if these settings had chosen?");
        });
    });
    let (Some(run), Some(told)) = (run, &scene.state.foretold) else { return };
    let ink = palette(ui);
    let frame = Frame::new().fill(ink.raised).corner_radius(RADIUS).inner_margin(Margin::symmetric(10, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 2.0;
        let text = RichText::new(told.words(run)).size(size::SMALL).color(ink.text);
        ui.add(egui::Label::new(text).wrap());
        let counts = told.counts();
        if !counts.is_empty() {
            hint(ui, &counts);
        }
    });
}

/// A row of marks below steps that lie between `left` and `right` of each place: filled where another token would have
/// come, hollow where the record does not tell. A line stands where the text would first have been another.
pub(super) fn timeline(ui: &Ui, scene: &Scene<'_>, run: &Run, steps: Rect, span: impl Fn(usize) -> [f32; 2]) {
    let Some(told) = &scene.state.foretold else { return };
    let ink = palette(ui);
    if let Some([left, right]) = told.first_change().map(&span) {
        let x = (left + right) / 2.0;
        ui.painter().vline(x, steps.y_range(), Stroke::new(1.0, ink.warning.gamma_multiply(0.8)));
    }
    // Of marks that share a point of the screen the first is enough.
    let mut painted = f32::NEG_INFINITY;
    for place in 0..run.line.len() {
        let Some(mark) = told.at(place).and_then(Mark::of) else { continue };
        let [left, right] = span(place);
        let right = right.max(left + 2.0);
        if right < painted + 1.0 {
            continue;
        }
        painted = right;
        let rect = Rect::from_min_max(pos2(left, steps.bottom() - 4.0), pos2(right, steps.bottom()));
        mark.paint(ui.painter(), rect, 1, ink.warning);
    }
}

/// The mark on a chip.
pub(super) fn chip(scene: &Scene<'_>, painter: &Painter, place: usize, chip: Rect, color: Color32) {
    let mark = scene.state.foretold.as_ref().and_then(|told| told.at(place)).and_then(Mark::of);
    if let Some(mark) = mark {
        let rect = Rect::from_center_size(pos2(chip.right() - 2.0, chip.top() + 2.0), vec2(7.0, 7.0));
        mark.paint(painter, rect, 4, color);
    }
}

/// What a chip's name adds: what the step would be.
pub(super) fn chip_words(scene: &Scene<'_>, run: &Run, place: usize) -> Option<String> {
    let told = scene.state.foretold.as_ref()?.at(place)?;
    step_words(run, run.at(place)?, told)
}

/// What the selected step would be, in a line.
pub(super) fn step(ui: &mut Ui, scene: &Scene<'_>, run: &Run, place: usize, node: &Node) {
    let told = scene.state.foretold.as_ref().and_then(|told| told.at(place));
    if let Some(words) = told.and_then(|told| step_words(run, node, told)) {
        let text = RichText::new(format!("What if: {words}")).size(size::SMALL).color(palette(ui).warning);
        ui.add(egui::Label::new(text).wrap());
    }
}

/// How a step is marked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Filled,
    Hollow,
}

impl Mark {
    fn of(told: WouldBe) -> Option<Self> {
        match told {
            WouldBe::Same | WouldBe::ByHand => None,
            WouldBe::Other(_) | WouldBe::Unlisted => Some(Self::Filled),
            WouldBe::Open => Some(Self::Hollow),
        }
    }

    fn paint(self, painter: &Painter, rect: Rect, radius: u8, color: Color32) {
        let radius = CornerRadius::same(radius);
        match self {
            Self::Filled => painter.rect_filled(rect, radius, color),
            Self::Hollow => painter.rect_stroke(rect, radius, Stroke::new(1.0, color), StrokeKind::Inside),
        };
    }
}
