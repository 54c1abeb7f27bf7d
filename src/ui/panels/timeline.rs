//! The run along time: initiation as one wide bar, steps as thin bars as high as they took, entropy as a line.
//! Pointing previews a step, clicking or dragging selects it.

use egui::{Align2, CornerRadius, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::break_when;
use super::kept;
use super::segment_heading;
use super::what_if;
use crate::trace::{ChosenBy, Node, Run};
use crate::ui::action::Action;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::sent;
use crate::ui::theme::{Palette, palette, regular, size, space};
use crate::ui::token_text;
use crate::ui::widgets::paint_caption;

/// Widest bar of a step, in points.
const WIDEST: f32 = 14.0;

/// Room over the steps for the ends of their scales.
const SCALE: f32 = 14.0;

/// Room below the steps for their numbers.
const NUMBERS: f32 = 16.0;

/// Room for the title.
const TITLE: f32 = 80.0;

/// Least room between two numbers, in points.
const NUMBERED: f32 = 56.0;

/// Shows the panel.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let palette = palette(ui);
    let rect = ui.available_rect_before_wrap();
    let head = Rect::from_min_max(
        pos2(rect.left() + space::L, rect.top() + 8.0),
        pos2(rect.right() - space::L, rect.top() + 24.0),
    );
    heading(ui, head, scene, palette);
    let body = Rect::from_min_max(
        pos2(rect.left() + space::L, head.bottom() + SCALE),
        pos2(rect.right() - space::L, rect.bottom() - NUMBERS - 2.0),
    );
    ui.painter().hline(body.x_range(), body.bottom() + 0.5, Stroke::new(1.0, palette.line));
    let Some(run) = scene.run() else {
        let text = "Steps appear here as bars: their height is the time they took, the line is entropy.";
        let (at, font) = (body.center(), regular(size::SMALL));
        ui.painter().text(at, Align2::CENTER_CENTER, text, font, palette.tertiary);
        ui.allocate_rect(rect, Sense::hover());
        return;
    };
    let axis = Axis::new(body, run);
    initiation(ui, scene, run, &axis, palette);
    bars(ui, scene, run, &axis, palette);
    entropy(ui, run, &axis, palette);
    segment_heading::bands(ui, scene, run, axis.steps, |place| axis.span(place));
    what_if::timeline(ui, scene, run, axis.steps, |place| axis.span(place));
    scales(ui, &axis, palette);
    numbers(ui, run, &axis, palette);
    hand_picked_marks(ui, run, &axis, palette);
    scrub(ui, scene, run, &axis);
    ui.allocate_rect(rect, Sense::hover());
}

/// Where steps lie.
struct Axis {
    initiation: Rect,
    steps: Rect,
    /// Width of one step, gap included.
    pitch: f32,
    count: usize,
    /// Seconds at the top, of the longest step, and how many steps took more than the top.
    most_seconds: f64,
    longest: f64,
    cut: usize,
    /// Nats at the top, and the most of any step.
    most_entropy: f32,
    highest: f32,
}

impl Axis {
    fn new(body: Rect, run: &Run) -> Self {
        let wide = (body.width() * 0.12).clamp(56.0, 132.0);
        let initiation = Rect::from_min_size(body.min, vec2(wide, body.height()));
        let steps = Rect::from_min_max(pos2(initiation.right() + space::S, body.top()), body.max);
        let count = run.line.len().saturating_sub(1);
        let pitch = (steps.width() / count.max(1) as f32).min(WIDEST);
        let mut seconds: Vec<f64> = run.line_nodes().skip(1).map(|node| node.timing.total_seconds).collect();
        seconds.sort_by(f64::total_cmp);
        // A single hiccup must not flatten all other bars: the top is the 98th percentile, and a little air.
        let most_seconds =
            seconds.get((seconds.len() * 98).div_ceil(100).saturating_sub(1)).map_or(1e-3, |s| s * 1.25);
        let longest = seconds.last().copied().unwrap_or_default();
        let cut = seconds.iter().filter(|seconds| **seconds > most_seconds).count();
        let highest = run.line_nodes().skip(1).map(|node| node.entropy).fold(0.0, f32::max);
        let most_entropy = highest.max(1.0) * 1.1;
        Self { initiation, steps, pitch, count, most_seconds, longest, cut, most_entropy, highest }
    }

    /// What the bars' height means: the scale, the longest step, and how many bars are cut off.
    fn time_words(&self) -> String {
        let cut = match self.cut {
            0 => String::new(),
            cut => format!(" ({} cut off)", format::plural(cut, "bar")),
        };
        let (top, longest) = (format::seconds(self.most_seconds), format::seconds(self.longest));
        format!("scale 0–{top} · longest {longest}{cut}")
    }

    /// What the line's height means.
    fn entropy_words(&self) -> String {
        format!("scale 0–{:.1} nats · highest {:.1}", self.most_entropy, self.highest)
    }

    /// The middle of a node's place; node 0 is initiation's.
    fn x(&self, node: usize) -> f32 {
        match node {
            0 => self.initiation.right() - 3.0,
            _ => self.steps.left() + self.pitch * (node as f32 - 0.5),
        }
    }

    /// Where a node's bar begins and ends.
    fn span(&self, node: usize) -> [f32; 2] {
        let gap = if self.pitch > 3.0 { 1.0 } else { 0.0 };
        match node {
            0 => [self.initiation.right() - 6.0, self.initiation.right()],
            _ => [self.x(node) - self.pitch / 2.0, self.x(node) + self.pitch / 2.0 - gap],
        }
    }

    /// The step under a place, if there is one: beyond the last bar there is none.
    fn step_at(&self, x: f32) -> Option<usize> {
        (self.count == 0 || x <= self.steps.left() + self.pitch * self.count as f32).then(|| self.node_at(x))
    }

    /// The step nearest to a place.
    fn node_at(&self, x: f32) -> usize {
        if x < self.steps.left() {
            return 0;
        }
        let step = ((x - self.steps.left()) / self.pitch) as usize;
        (step + 1).min(self.count)
    }
}

fn heading(ui: &mut Ui, rect: Rect, scene: &Scene<'_>, palette: &Palette) {
    paint_caption(ui, rect.left_center(), "Timeline");
    let Some(run) = scene.run() else { return };
    let left = rect.left() + TITLE;
    let mut x = rect.right();
    let mut key = |text: &str, color: egui::Color32, definition: &'static definitions::Definition| {
        let galley = ui.painter().layout_no_wrap(text.to_owned(), regular(size::CAPTION), palette.tertiary);
        let at = pos2(x - galley.size().x, rect.center().y - galley.size().y / 2.0);
        let width = galley.size().x;
        let area = Rect::from_min_max(pos2(at.x - 14.0, rect.top()), pos2(x, rect.bottom()));
        ui.painter().galley(at, galley, palette.tertiary);
        let square = Rect::from_center_size(pos2(at.x - 9.0, rect.center().y), vec2(8.0, 8.0));
        ui.painter().rect_filled(square, CornerRadius::same(2), color);
        let response = ui.interact(area, ui.scope_id().with(("key", definition.name)), Sense::hover());
        definition.explain(response);
        x -= width + 14.0 + space::L;
    };
    let entropy = scene.shown_node().map_or("entropy".to_owned(), |(_, node)| {
        format!("entropy {} nats", format::entropy(node.entropy, node.entropy_at_most, 2))
    });
    key(&entropy, palette.second, sent::definition(run, &definitions::ENTROPY));
    if !run.line.is_empty() {
        let time = scene.shown_node().map_or("step time".to_owned(), |(_, node)| {
            format!("step {} · {}", node.step, format::seconds(node.timing.total_seconds))
        });
        key(&time, palette.accent, &definitions::STEP_TIME);
    }
    break_when::paused(ui, scene, Rect::from_x_y_ranges(left..=x.max(left), rect.y_range()));
}

fn initiation(ui: &Ui, scene: &Scene<'_>, run: &Run, axis: &Axis, palette: &Palette) {
    let rect = axis.initiation;
    let radius = CornerRadius::same(3);
    let selected = scene.state.cursor.selected == Some(0);
    ui.painter().rect_filled(rect, radius, palette.raised);
    let share = match scene.view.initiating() {
        Some(initiation) => initiation.done as f32 / initiation.total.max(1) as f32,
        _ if run.line.is_empty() => 0.0,
        _ => 1.0,
    };
    let mut done = rect;
    done.set_width(rect.width() * share);
    let fill = if selected { palette.accent } else { palette.accent_soft };
    ui.painter().rect_filled(done, radius, fill);
    if scene.state.cursor.prompt.is_some() {
        let stroke = Stroke::new(1.0, palette.accent);
        ui.painter().rect_stroke(rect, radius, stroke, egui::StrokeKind::Inside);
    }
    let text = if selected { palette.on_accent } else { palette.secondary };
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let center = rect.center();
    let time = match run.line.first() {
        Some(_) => format::seconds(run.phases.initiation.seconds),
        None => format!("{:.0} %", share * 100.0),
    };
    let tokens = kept::entered(run);
    let lines = ["initiation".to_owned(), tokens, time];
    let count = ((rect.height() / 14.0) as usize).clamp(1, lines.len());
    for (index, line) in lines.into_iter().take(count).enumerate() {
        let at = center + vec2(0.0, 14.0 * (index as f32 - (count - 1) as f32 / 2.0));
        painter.text(at, Align2::CENTER_CENTER, line, regular(size::CAPTION), text);
    }
}

fn bars(ui: &Ui, scene: &Scene<'_>, run: &Run, axis: &Axis, palette: &Palette) {
    let cursor = &scene.state.cursor;
    let height = axis.steps.height();
    let bar = |from: f32, width: f32, seconds: f64, color: egui::Color32| {
        let share = (seconds / axis.most_seconds).clamp(0.0, 1.0) as f32;
        let top = axis.steps.bottom() - (height * share).max(1.5);
        let gap = if width > 3.0 { 1.0 } else { 0.0 };
        let rect =
            Rect::from_min_max(pos2(from, top), pos2(from + (width - gap).max(1.0), axis.steps.bottom()));
        ui.painter().rect_filled(rect, CornerRadius::same(if width > 5.0 { 2 } else { 0 }), color);
        if seconds > axis.most_seconds {
            // A break near the top: the bar would go on.
            let gap = Rect::from_x_y_ranges(rect.x_range(), top + 4.0..=top + 6.5);
            ui.painter().rect_filled(gap, 0.0, palette.surface);
        }
    };
    // Where several steps share a pixel, the longest is drawn.
    let together = (1.0 / axis.pitch).ceil().max(1.0) as usize;
    for (index, nodes) in run.line.get(1..).unwrap_or_default().chunks(together).enumerate() {
        let seconds = nodes.iter().map(|&node| run.nodes[node].timing.total_seconds).fold(0.0, f64::max);
        let from = axis.steps.left() + axis.pitch * (index * together) as f32;
        bar(from, axis.pitch * together as f32, seconds, palette.outline);
    }
    for (node, color) in
        [(cursor.preview, palette.accent.gamma_multiply(0.6)), (cursor.selected, palette.accent)]
    {
        if let Some(node) = node.filter(|node| (1..run.line.len()).contains(node)) {
            let from = axis.x(node) - axis.pitch / 2.0;
            let column = Rect::from_min_max(
                pos2(from, axis.steps.top()),
                pos2(
                    from + axis.pitch.max(2.0) - if axis.pitch > 3.0 { 1.0 } else { 0.0 },
                    axis.steps.bottom(),
                ),
            );
            ui.painter().rect_filled(column, CornerRadius::same(2), palette.accent_soft);
            bar(from, axis.pitch.max(2.0), run.nodes[run.line[node]].timing.total_seconds, color);
        }
    }
}

fn entropy(ui: &Ui, run: &Run, axis: &Axis, palette: &Palette) {
    if run.line.len() < 2 {
        return;
    }
    let y = |node: &Node| {
        axis.steps.bottom() - axis.steps.height() * (node.entropy / axis.most_entropy).clamp(0.0, 1.0)
    };
    let stride = (run.line.len() as f32 / axis.steps.width().max(1.0)).ceil().max(1.0) as usize;
    let points = (1..run.line.len())
        .step_by(stride)
        .map(|node| pos2(axis.x(node), y(&run.nodes[run.line[node]])))
        .collect();
    ui.painter().line(points, Stroke::new(1.5, palette.second));
}

/// What the top of the steps stands for: the bars' time at the left end, the line's entropy at the right one. Both
/// begin with 0 at the bottom.
fn scales(ui: &mut Ui, axis: &Axis, palette: &Palette) {
    if axis.count == 0 {
        return;
    }
    let (left, right) = (axis.steps.left_top(), axis.steps.right_top());
    let line = Stroke::new(1.0, palette.line);
    ui.painter().hline(axis.steps.x_range(), axis.steps.top(), line);
    let (time, entropy) = (axis.time_words(), axis.entropy_words());
    for (at, align, text, color) in [
        (left, Align2::LEFT_BOTTOM, time, palette.accent),
        (right, Align2::RIGHT_BOTTOM, entropy, palette.second),
    ] {
        let place = ui.painter().text(at, align, &text, regular(size::CAPTION), color);
        let response = ui.interact(place, ui.scope_id().with(("scale", &text)), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, format!("Scale: {text}")));
    }
}

/// The numbers of some steps, under their bars.
fn numbers(ui: &Ui, run: &Run, axis: &Axis, palette: &Palette) {
    let top = axis.steps.bottom() + 1.0;
    let every = round_interval(NUMBERED / axis.pitch);
    let numbered = run.line_nodes().enumerate().skip(1).filter(|(_, node)| node.step.is_multiple_of(every));
    for (place, node) in numbered {
        let x = axis.x(place);
        ui.painter().vline(x, top..=top + 3.0, Stroke::new(1.0, palette.outline));
        let text = format::count(node.step as u64);
        let at = pos2(x, top + 3.0);
        ui.painter().text(at, Align2::CENTER_TOP, text, regular(size::CAPTION), palette.tertiary);
    }
}

/// The least of 1, 2, 5, 10, 20, 50, … that is not below a number.
fn round_interval(least: f32) -> usize {
    let mut unit = 1;
    loop {
        for interval in [unit, 2 * unit, 5 * unit] {
            if interval as f32 >= least {
                return interval;
            }
        }
        unit *= 10;
    }
}

/// A mark over every step that was chosen by hand.
fn hand_picked_marks(ui: &Ui, run: &Run, axis: &Axis, palette: &Palette) {
    for (place, _) in run.line_nodes().enumerate().filter(|(_, node)| node.chosen_by == ChosenBy::Hand) {
        let (x, top) = (axis.x(place), axis.steps.top());
        let mark = vec![pos2(x - 4.0, top), pos2(x + 4.0, top), pos2(x, top + 7.0)];
        ui.painter().add(Shape::convex_polygon(mark, palette.second, Stroke::NONE));
        ui.painter().vline(
            x,
            top..=axis.steps.bottom(),
            Stroke::new(1.0, palette.second.gamma_multiply(0.4)),
        );
    }
}

fn scrub(ui: &Ui, scene: &mut Scene<'_>, run: &Run, axis: &Axis) {
    let area = axis.initiation.union(axis.steps);
    let response = ui.interact(area, ui.scope_id().with("scrub"), Sense::click_and_drag());
    response.widget_info(|| {
        WidgetInfo::labeled(
            Role::Slider,
            true,
            format!("Timeline: {}", format::plural(run.line.len(), "step")),
        )
    });
    if run.line.is_empty() {
        return;
    }
    if let Some(pointer) = response.interact_pointer_pos() {
        if response.dragged() || response.clicked() {
            scene.actions.push(Action::Select(axis.node_at(pointer.x)));
        }
    } else if let Some(index) = response.hover_pos().and_then(|pointer| axis.step_at(pointer.x)) {
        scene.state.cursor.next_preview = Some(index);
        let node = &run.nodes[run.line[index]];
        response.on_hover_ui_at_pointer(|ui| {
            let hand = if node.chosen_by == ChosenBy::Hand { " · chosen by hand" } else { "" };
            ui.label(format!("step {} · {}{hand}", node.step, token_text::of_node(node)));
            ui.label(format!(
                "{} · entropy {} nats",
                format::seconds(node.timing.total_seconds),
                format::entropy(node.entropy, node.entropy_at_most, 2)
            ));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_round_steps() {
        for (least, interval) in
            [(0.3, 1), (1.2, 2), (4.0, 5), (5.0, 5), (5.5, 10), (101.0, 200), (400.0, 500)]
        {
            assert_eq!(round_interval(least), interval);
        }
    }

    #[test]
    fn the_scale_is_told_with_what_goes_beyond_it() {
        let node = |seconds: f64, entropy: f32| {
            let mut node = Node { entropy, ..Node::default() };
            node.timing.total_seconds = seconds;
            node
        };
        let axis = |times: &[f64]| {
            let mut nodes = vec![node(9.0, 8.0)];
            nodes.extend(times.iter().map(|&seconds| node(seconds, 2.0)));
            let line = (0..nodes.len()).collect();
            let run = Run { nodes, line, ..Run::default() };
            Axis::new(Rect::from_min_size(pos2(0.0, 0.0), vec2(900.0, 80.0)), &run)
        };
        // Of 200 steps the 98th percentile takes 20 ms, so that the top is 25 ms; three take 80 ms.
        let mut times = vec![0.02; 197];
        times.extend([0.08; 3]);
        assert_eq!(axis(&times).time_words(), "scale 0–25.0 ms · longest 80.0 ms (3 bars cut off)");
        assert_eq!(axis(&[0.02; 9]).time_words(), "scale 0–25.0 ms · longest 20.0 ms");
        assert_eq!(axis(&[0.01, 0.04]).cut, 0, "of few steps none is a hiccup");
        assert_eq!(axis(&[0.02; 9]).entropy_words(), "scale 0–2.2 nats · highest 2.0");
    }

    #[test]
    fn beyond_the_last_bar_there_is_no_step() {
        let nodes = vec![Node::default(); 4];
        let run = Run { nodes, line: (0..4).collect(), ..Run::default() };
        let axis = Axis::new(Rect::from_min_size(pos2(16.0, 0.0), vec2(900.0, 80.0)), &run);
        assert_eq!(axis.step_at(axis.x(3)), Some(3));
        assert_eq!((axis.step_at(800.0), axis.node_at(800.0)), (None, 3), "a drag ends at the last");
    }

    #[test]
    fn every_step_is_found_under_its_own_bar() {
        for count in [1, 2, 60, 1900] {
            let nodes = vec![Node::default(); count];
            let run = Run { nodes, line: (0..count).collect(), ..Run::default() };
            let axis = Axis::new(Rect::from_min_size(pos2(16.0, 0.0), vec2(900.0, 80.0)), &run);
            for node in 0..count {
                assert_eq!(axis.node_at(axis.x(node)), node, "of {count}");
            }
        }
    }
}
