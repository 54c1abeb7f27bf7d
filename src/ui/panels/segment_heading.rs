//! The segments of the text: headings that say what a segment is, with its figures and its fold, and bands in its
//! colour beside the chips and under the timeline's bars.

use egui::{Color32, CursorIcon, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::session::{Segment, SegmentKind};
use crate::trace::Run;
use crate::ui::chips::{ChipLayout, HEADING};
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::sent;
use crate::ui::theme::{Palette, palette, regular, size, space};
use crate::ui::widgets::paint_caption;

/// Width of the band beside a segment's chips.
const BAND: f32 = 3.0;

/// Shows the headings that are in sight; `origin` is the text's left top.
pub(super) fn show_all(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, layout: &ChipLayout, origin: Pos2) {
    let several = scene.state.segments.are_several();
    let sections = scene.state.segments.sections();
    let (mut toggled, palette) = (None, palette(ui));
    for (index, segment) in scene.state.segments.list().iter().enumerate() {
        let (top, bottom) = (layout.headings[index], layout.bottom(index));
        let rect = Rect::from_min_max(
            pos2(ui.max_rect().left(), origin.y + top),
            pos2(ui.max_rect().right() - space::L, origin.y + bottom),
        );
        if !ui.is_rect_visible(rect) {
            continue;
        }
        if several {
            let left = rect.left() + space::S - BAND;
            let band = Rect::from_x_y_ranges(left..=left + BAND, rect.y_range());
            ui.painter().rect_filled(band.shrink2(vec2(0.0, 1.0)), BAND / 2.0, color(palette, segment.kind));
        }
        let heading = Rect::from_min_size(pos2(origin.x, rect.top()), vec2(rect.width(), HEADING));
        let words = Words::of(segment, run, several);
        if heading_at(ui, heading, index, &words, sections[index].folded) {
            toggled = Some(segment.clone());
        }
    }
    if let Some(segment) = toggled {
        scene.state.segments.toggle(&segment);
    }
}

/// Shows under the steps of a timeline which segments they are in, where there are several; `span` is where the bar of a
/// place in the line begins and ends.
pub(super) fn bands(
    ui: &Ui,
    scene: &mut Scene<'_>,
    run: &Run,
    steps: Rect,
    span: impl Fn(usize) -> [f32; 2],
) {
    let (number, palette) = (scene.state.run_number, palette(ui));
    scene.state.segments.update(run, number);
    if !scene.state.segments.are_several() {
        return;
    }
    let prompt = run.prompt.len();
    for segment in scene.state.segments.list() {
        // The first step's bar is initiation's.
        let first = segment.positions.start.saturating_sub(prompt).max(1);
        let Some(last) = segment.positions.end.checked_sub(prompt + 1).filter(|last| *last >= first) else {
            continue;
        };
        let band =
            Rect::from_x_y_ranges(span(first)[0]..=span(last)[1], steps.bottom() - BAND..=steps.bottom());
        ui.painter().rect_filled(band, 0.0, color(palette, segment.kind));
    }
}

/// What a heading says.
struct Words {
    name: String,
    /// Behind the name, smaller; empty for the prompt.
    figures: String,
    /// What they are.
    definition: &'static Definition,
}

impl Words {
    /// `several`: whether there is more to tell apart than prompt and answer.
    fn of(segment: &Segment, run: &Run, several: bool) -> Self {
        let kind = match (segment.kind, several) {
            (SegmentKind::Answer, false) => "Generated",
            (kind, _) => name(kind),
        };
        let name = format!("{kind} · {}", format::plural(segment.positions.len(), "token"));
        let figures = segment.figures(run).filter(|_| several).map(|figures| {
            let seconds = format::seconds(figures.seconds);
            // Where a server sent the highest alone, it is the least that it can be.
            let least = if run.model.server.is_some() { "at least " } else { "" };
            format!("{seconds} · entropy {least}{:.2} nats on average", figures.entropy)
        });
        let definition = sent::definition(run, &definitions::SEGMENT);
        Self { name, figures: figures.unwrap_or_default(), definition }
    }
}

/// What a segment is called.
fn name(kind: SegmentKind) -> &'static str {
    match kind {
        SegmentKind::Prompt => "Prompt",
        SegmentKind::Thinking => "Thinking",
        SegmentKind::Answer => "Answer",
        SegmentKind::ToolCall => "Tool call",
    }
}

/// The colour of a segment's band.
fn color(palette: &Palette, kind: SegmentKind) -> Color32 {
    match kind {
        SegmentKind::Prompt => palette.outline,
        SegmentKind::Thinking => palette.second,
        SegmentKind::Answer => palette.accent,
        SegmentKind::ToolCall => palette.good,
    }
}

/// Shows a heading, and tells whether it was clicked.
fn heading_at(ui: &mut Ui, rect: Rect, index: usize, words: &Words, folded: bool) -> bool {
    let palette = palette(ui);
    let response = ui.interact(rect, ui.scope_id().with(("segment", index)), Sense::click());
    let verb = if folded { "Unfold" } else { "Fold" };
    let label = match words.figures.as_str() {
        "" => format!("{verb} {}", words.name),
        figures => format!("{verb} {}, {figures}", words.name),
    };
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
    let lit = response.hovered() || response.has_focus();
    let middle = rect.left_center() - vec2(0.0, 3.0);
    triangle(ui, middle + vec2(4.0, 0.0), folded, if lit { palette.text } else { palette.tertiary });
    let caption = paint_caption(ui, middle + vec2(14.0, 0.0), &words.name);
    if !words.figures.is_empty() {
        let at = pos2(caption.right() + space::S, middle.y);
        let font = regular(size::SMALL);
        ui.painter().text(at, egui::Align2::LEFT_CENTER, &words.figures, font, palette.secondary);
    }
    let clicked = response.clicked();
    words.definition.explain(response.on_hover_cursor(CursorIcon::PointingHand));
    clicked
}

/// A small triangle, to the right where something is folded, down where it is not.
fn triangle(ui: &Ui, center: Pos2, folded: bool, color: Color32) {
    let points = if folded {
        [vec2(-2.0, -4.0), vec2(3.0, 0.0), vec2(-2.0, 4.0)]
    } else {
        [vec2(-4.0, -2.0), vec2(4.0, -2.0), vec2(0.0, 3.0)]
    };
    let points = points.map(|offset| center + offset).to_vec();
    ui.painter().add(Shape::convex_polygon(points, color, Stroke::NONE));
}
