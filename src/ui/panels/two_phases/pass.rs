//! The selected step's pass as a picture: the tokens that enter, the columns that the decoder computes, the row of logits
//! that falls out.

use egui::{
    Color32, CornerRadius, Painter, Pos2, Rect, Role, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
    pos2, vec2,
};

use super::chips_in;
use crate::trace::{Node, Run, StepInput};
use crate::ui::colours::mix;
use crate::ui::format;
use crate::ui::panels::prompt_token::no_step;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, regular, semibold, size, space};
use crate::ui::token_text;
use crate::ui::widgets::{one_line, paint_caption};

/// Room for the words over and under the picture.
const HEAD: f32 = 38.0;
const FOOT: f32 = 36.0;
/// Candidates in the row of logits.
const BARS: usize = 12;

/// What a pass takes in, and what stands before it.
struct Pass<'a> {
    run: &'a Run,
    node: &'a Node,
    /// Its step's place in the line.
    place: usize,
    /// Positions whose keys and values it reads.
    cached: usize,
    /// Positions that it computes.
    entering: std::ops::Range<usize>,
}

impl<'a> Pass<'a> {
    fn of(run: &'a Run, place: usize, node: &'a Node) -> Self {
        let before = run.prompt.len() + place;
        let start = match (run.step_input, place) {
            (StepInput::WholeText, _) => 0,
            (StepInput::NewTokens, 0) => run.continued_positions.min(before - 1),
            (StepInput::NewTokens, _) => before - 1,
        };
        Self { run, node, place, cached: start, entering: start..before }
    }

    /// What happens, in a sentence.
    fn words(&self) -> String {
        let count = format::plural(self.entering.len(), "token");
        let at_once = if self.entering.len() == 1 { "enters" } else { "enter at once" };
        let columns = format::plural(self.entering.len(), "new column");
        let beside = match (self.run.step_input, self.cached) {
            (StepInput::WholeText, _) => "; nothing is kept".to_owned(),
            (_, 0) => String::new(),
            (_, cached) => format!("; {} stand in the KV cache", format::count(cached as u64)),
        };
        format!("{count} {at_once}: {columns}{beside}. One row of logits falls out")
    }
}

/// Shows it.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run) {
    let Some((place, node)) = scene.shown_node() else {
        no_step(ui, scene, "The selected step's pass is drawn here.");
        return;
    };
    let pass = Pass::of(run, place, node);
    let room = vec2(ui.available_width(), ui.available_height().max(120.0));
    let (rect, response) = ui.allocate_exact_size(room, Sense::hover());
    let title = if place == 0 { "Initiation" } else { "Incremental step" };
    let name = format!("{title}, step {}: {}", node.step, pass.words());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let palette = palette(ui);
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let heading = one_line(ui, title, semibold(size::TITLE), palette.text, rect.width());
    painter.galley(rect.left_top(), heading, palette.text);
    let words = one_line(ui, &pass.words(), regular(size::SMALL), palette.secondary, rect.width());
    painter.galley(rect.left_top() + vec2(0.0, 20.0), words, palette.secondary);

    let picture = Rect::from_min_max(
        rect.left_top() + vec2(0.0, HEAD + space::XS),
        rect.right_bottom() - vec2(0.0, FOOT),
    );
    const ARROW: f32 = 30.0;
    let unit = (picture.width() - 2.0 * ARROW) / 10.0;
    let part = |from: f32, width: f32, arrows: f32| {
        let left = picture.left() + from * unit + arrows * ARROW;
        Rect::from_min_size(pos2(left, picture.top()), vec2(width * unit, picture.height()))
    };
    let (left, middle, right) = (part(0.0, 3.4, 0.0), part(3.4, 4.2, 1.0), part(7.6, 2.4, 2.0));
    chips_in::show(ui, &painter, left, run, pass.entering.clone());
    columns(ui, &painter, middle, &pass);
    logits(ui, &painter, right, &pass);
    let lively = Stroke::new(2.0, palette.accent);
    arrow(&painter, pos2(left.right() + 5.0, picture.center().y), ARROW - 10.0, lively);
    arrow(&painter, pos2(middle.right() + 5.0, picture.center().y), ARROW - 10.0, lively);
    let chosen = token_text::of_node(node);
    for (place, caption, text) in [
        (left, "In", feet(&pass)),
        (
            middle,
            "Decoder",
            format!(
                "{} × {} positions",
                format::plural(run.model.layers, "layer"),
                format::count(pass.entering.end as u64)
            ),
        ),
        (right, "Out", format!("{} logits → {chosen}", format::count(run.model.vocabulary as u64))),
    ] {
        let at = pos2(place.left(), picture.bottom() + 10.0);
        paint_caption(ui, at, caption);
        let galley = one_line(ui, &text, regular(size::SMALL), palette.secondary, place.width());
        painter.galley(at + vec2(0.0, 8.0), galley, palette.secondary);
    }
}

/// What goes in, in short.
fn feet(pass: &Pass<'_>) -> String {
    match (pass.run.step_input, pass.place) {
        (StepInput::WholeText, _) => "the whole text so far".to_owned(),
        (StepInput::NewTokens, 0) if pass.cached > 0 => "what is new in the prompt".to_owned(),
        (StepInput::NewTokens, 0) => "the whole prompt".to_owned(),
        (StepInput::NewTokens, _) => "the newest token alone".to_owned(),
    }
}

/// The decoder: a row for each layer, a column for each position. Those in the cache are dim.
fn columns(ui: &Ui, painter: &Painter, rect: Rect, pass: &Pass<'_>) {
    let palette = palette(ui);
    painter.rect_filled(rect, CornerRadius::same(6), palette.window);
    let inner = rect.shrink(5.0);
    let layers = pass.run.model.layers.max(1);
    let positions = pass.entering.end.max(1);
    let height = inner.height() / layers as f32;
    // A single new column has to be seen among many.
    let newest = (inner.width() / positions as f32).max(if pass.cached > 0 { 4.0 } else { 0.0 });
    let fresh = (newest * pass.entering.len() as f32).min(inner.width());
    let border = inner.right() - fresh;
    let dim = mix(palette.window, palette.accent, 0.26);
    for layer in 0..layers {
        // The first layer is below: the text goes up through them.
        let bottom = inner.bottom() - height * layer as f32;
        let y = (bottom - (height - if height > 4.0 { 1.0 } else { 0.0 }))..=bottom;
        if pass.cached > 0 {
            let old = Rect::from_x_y_ranges(inner.left()..=border, y.clone());
            painter.rect_filled(old, 0.0, dim);
        }
        painter.rect_filled(Rect::from_x_y_ranges(border..=inner.right(), y), 0.0, palette.accent);
    }
    let lines = |from: f32, to: f32, count: usize| {
        let width = (to - from) / count.max(1) as f32;
        if width >= 2.0 {
            for index in 0..=count {
                let x = from + width * index as f32;
                painter.vline(x, inner.y_range(), Stroke::new(1.0, palette.window));
            }
        }
    };
    lines(inner.left(), border, pass.cached);
    lines(border, inner.right(), pass.entering.len());
    painter.rect_stroke(rect, CornerRadius::same(6), Stroke::new(1.0, palette.line), StrokeKind::Inside);
}

/// The row of logits as bars of the likeliest tokens, the chosen one bright.
fn logits(ui: &Ui, painter: &Painter, rect: Rect, pass: &Pass<'_>) {
    let palette = palette(ui);
    painter.rect_filled(rect, CornerRadius::same(6), palette.window);
    let inner = rect.shrink(8.0);
    let fits = ((inner.height() / 15.0) as usize).clamp(1, BARS);
    let candidates = &pass.node.candidates[..pass.node.candidates.len().min(fits)];
    let most = candidates.iter().map(|one| one.raw_probability).fold(f32::MIN_POSITIVE, f32::max);
    let names = (inner.width() * 0.5).min(88.0);
    for (index, candidate) in candidates.iter().enumerate() {
        let top = inner.top() + inner.height() * index as f32 / fits as f32;
        let line = Rect::from_min_size(
            pos2(inner.left(), top),
            Vec2::new(inner.width(), inner.height() / fits as f32),
        );
        let chosen = candidate.token == pass.node.token;
        let ink: Color32 = if chosen { palette.accent } else { palette.outline };
        let share = (candidate.raw_probability / most).clamp(0.0, 1.0);
        let track =
            line.with_min_x(line.left() + names).shrink2(vec2(0.0, (line.height() - 8.0).max(0.0) / 2.0));
        let mut filled = track;
        filled.set_width((track.width() * share).max(1.5));
        painter.rect_filled(filled, CornerRadius::same(2), ink);
        let color = if chosen { palette.text } else { palette.tertiary };
        let text = token_text::of_candidate(candidate);
        let galley = one_line(ui, &text, crate::ui::theme::mono(size::CAPTION), color, names - 6.0);
        painter.galley(pos2(line.left(), line.center().y - galley.size().y / 2.0), galley, color);
    }
    painter.rect_stroke(rect, CornerRadius::same(6), Stroke::new(1.0, palette.line), StrokeKind::Inside);
}

/// An arrow to the right.
fn arrow(painter: &Painter, from: Pos2, length: f32, stroke: Stroke) {
    let tip = from + vec2(length, 0.0);
    painter.line_segment([from, tip - vec2(5.0, 0.0)], stroke);
    let head = vec![tip, tip + vec2(-7.0, -4.5), tip + vec2(-7.0, 4.5)];
    painter.add(Shape::convex_polygon(head, stroke.color, Stroke::NONE));
}
