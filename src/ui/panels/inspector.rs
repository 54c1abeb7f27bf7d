//! Everything about the selected step: the token, its numbers, the draw, where the time went.

use egui::{CornerRadius, Frame, Margin, Rect, RichText, ScrollArea, Sense, Ui, pos2, vec2};

use super::draw;
use super::kept;
use super::peek;
use super::prompt_token;
use super::what_if;
use crate::trace::{ChosenBy, Node, NodeTiming, Phase, Run, StepInput, StrategyKind, Token};
use crate::ui::action::Action;
use crate::ui::definitions::{self, Definition};
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::sent;
use crate::ui::table;
use crate::ui::theme::{Palette, palette, semibold, size, space};
use crate::ui::token_job::large_token;
use crate::ui::token_text;
use crate::ui::widgets::{caption, empty, fact, focus_ring, follow_focus, hint, icon_toggle, section};

/// Shows the panel.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    if let (Some(run), Some(index), None) =
        (scene.run(), scene.state.cursor.prompt, scene.state.cursor.preview)
        && let Some(token) = run.prompt.get(index)
    {
        scrolled(ui, |ui| prompt_token::show(ui, scene, index, token));
        return;
    }
    let (Some(run), Some((index, node))) = (scene.run(), scene.shown_node()) else {
        margin().show(ui, |ui| {
            section(ui, "Step");
            empty(ui, "No step selected", "Click a token of the text, or a bar of the timeline.");
        });
        return;
    };
    let preview = scene.state.cursor.preview == Some(index) && scene.state.cursor.selected != Some(index);
    scrolled(ui, |ui| {
        title(ui, node, preview);
        pin(ui, scene, node);
        what_if::step(ui, scene, run, index, node);
        ui.add_space(space::S);
        ui.scope(|ui| alternatives(ui, scene, run.line[index], node));
        ui.add_space(space::M);
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            numbers(ui, run, node);
        });
        ui.add_space(space::M);
        draw::show(ui, run, node);
        ui.add_space(space::M);
        section(ui, "Time");
        time(ui, run, run.line[index]);
        ui.add_space(space::M);
        section(ui, "Work");
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            work(ui, run, node);
        });
        ui.add_space(space::M);
        bytes(ui, node);
        ui.add_space(space::M);
    });
}

/// What the panel holds, as far as it goes.
fn scrolled(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    // The margin is inside of what scrolls, so that the bar lies on it and not on the values.
    ScrollArea::vertical().auto_shrink(false).content_margin(margin().inner_margin).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::XS;
        ui.spacing_mut().interact_size.y = 18.0;
        add(ui);
        follow_focus(ui);
    });
}

fn margin() -> Frame {
    Frame::new().inner_margin(Margin::symmetric(space::L as i8, space::M as i8))
}

fn title(ui: &mut Ui, node: &Node, preview: bool) {
    let palette = palette(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        ui.label(caption(ui, &format!("Step {}", node.step)));
        let phase = match node.phase {
            Phase::Initiation => "from initiation",
            Phase::Incremental => "incremental",
        };
        ui.label(RichText::new(phase).size(size::CAPTION).color(palette.tertiary));
        if node.chosen_by == ChosenBy::Hand {
            let (mark, _) = ui.allocate_exact_size(vec2(10.0, 12.0), Sense::hover());
            Icon::Branch.paint(ui.painter(), mark.center(), 0.65, palette.second);
            ui.label(RichText::new("chosen by hand").size(size::CAPTION).color(palette.second));
        }
        if preview {
            ui.label(RichText::new("preview").size(size::CAPTION).color(palette.accent));
        }
    });
    large_token(ui, &token_text::of_node(node));
}

/// The switch that pins the token, beside it.
fn pin(ui: &mut Ui, scene: &mut Scene<'_>, node: &Node) {
    let on = scene.is_pinned(node.token);
    let right = ui.max_rect().right() - 14.0;
    let rect = Rect::from_center_size(pos2(right, ui.min_rect().bottom() - 20.0), vec2(28.0, 28.0));
    // Beside what was laid out, so that nothing below moves.
    let mut beside = ui.new_child(egui::UiBuilder::new().max_rect(rect));
    beside.add_enabled_ui(scene.can_toggle_pin(node.token), |ui| {
        let label = if on { "Unpin the selected token" } else { "Pin the selected token" };
        if icon_toggle(ui, Icon::Pin, label, Some(on)).clicked() {
            let token = Token { id: node.token, piece: node.piece.clone() };
            scene.actions.push(Action::TogglePin(token));
        }
    });
}

/// The likeliest other tokens: a click goes on with one of them.
fn alternatives(ui: &mut Ui, scene: &mut Scene<'_>, index: usize, node: &Node) {
    const MOST: usize = 4;
    let palette = palette(ui);
    ui.spacing_mut().item_spacing.y = 0.0;
    section(ui, "Instead");
    ui.add_space(space::XS);
    let selected = scene.state.candidate.filter(|choice| choice.node == index).map(|choice| choice.index);
    let others = node.candidates.iter().enumerate().filter(|(_, other)| other.token != node.token);
    for (place, other) in others.take(MOST) {
        let text = token_text::of_candidate(other);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::click());
        let label = format!("Go on with {text}");
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &label));
        let back = rect.expand2(vec2(6.0, 0.0));
        if response.hovered() || selected == Some(place) {
            ui.painter().rect_filled(back, CornerRadius::same(4), palette.raised);
        }
        if selected == Some(place) {
            let stroke = egui::Stroke::new(1.0, palette.accent);
            ui.painter().rect_stroke(back, CornerRadius::same(4), stroke, egui::StrokeKind::Inside);
        }
        focus_ring(ui, &response, back);
        let ink = if response.hovered() { palette.accent } else { palette.tertiary };
        Icon::Branch.paint(ui.painter(), pos2(rect.left() + 6.0, rect.center().y), 0.7, ink);
        let words = Rect::from_min_max(
            pos2(rect.left() + 20.0, rect.top()),
            pos2(rect.right() - 72.0, rect.bottom()),
        );
        table::token(ui, words, &text, palette.text);
        table::number(ui, rect, &format::probability(other.raw_probability), palette.secondary);
        if response.clicked() {
            scene.actions.push(Action::Branch { node: index, token: other.token });
        }
        let words = "Go on from this step with this token instead; U comes back. The number is its probability under the raw softmax.";
        let response = response.on_hover_cursor(egui::CursorIcon::PointingHand);
        peek::explain(response, scene, index, other.token, words);
    }
}

fn numbers(ui: &mut Ui, run: &Run, node: &Node) {
    fact(ui, &definitions::TOKEN_ID, &node.token.to_string());
    if !node.piece.is_empty() {
        fact(ui, &definitions::PIECE, &node.piece);
    }
    let (served, chooses) = (run.model.server.is_some(), run.strategy == StrategyKind::Server);
    let mut number = |definition, value: &str| drop(fact(ui, sent::definition(run, definition), value));
    number(&definitions::RANK, &sent::rank(run, node));
    number(&definitions::PROBABILITY, &format::probability(node.log_probability.exp()));
    // What a server's own stages left of a row is not told.
    if let Some(chosen) = node.chosen().filter(|_| !chooses) {
        number(&definitions::CHOSEN_FROM, &format::probability(chosen.probability));
    }
    number(&definitions::SURPRISAL, &format!("{:.3} nats", 0.0 - node.log_probability));
    let unit = if served { " nats" } else { "" };
    number(&definitions::LOGIT, &format!("{}{unit}", format::value(node.logit)));
    number(
        &definitions::ENTROPY,
        &format!("{} nats", format::entropy(node.entropy, node.entropy_at_most, 3)),
    );
    // Log-probabilities are normalised already.
    if !served {
        number(&definitions::LOG_SUM_EXP, &format!("{} nats", format::value(node.log_sum_exp)));
    }
}

/// The parts of a step's time, in order; together they are the whole.
fn parts(node: &Node, served: bool) -> Vec<(&'static Definition, f64)> {
    let timing = &node.timing;
    if served {
        return server_parts(timing);
    }
    let mut parts = Vec::new();
    // Encoding overlaps the GPU's work, so the two are not added where the GPU's own time is known.
    match timing.gpu_seconds {
        Some(gpu) => parts.push((&definitions::GPU_TIME, gpu)),
        None => parts.push((&definitions::ENCODE_TIME, timing.encode_seconds)),
    }
    parts.extend(timing.bus_seconds.map(|bus| (&definitions::BUS_TIME, bus)));
    parts.push((&definitions::CHOOSE_TIME, timing.choose_seconds));
    let known: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    parts.push((&definitions::OTHER_TIME, (timing.total_seconds - known).max(0.0)));
    parts
}

/// The same where a server computed it: its part as it tells, the choice here, and the rest.
fn server_parts(timing: &NodeTiming) -> Vec<(&'static Definition, f64)> {
    let (total, choose) = (timing.total_seconds, timing.choose_seconds);
    let rest = |known: f64| (total - known).max(0.0);
    match timing.server_seconds {
        Some(server) => vec![
            (&definitions::SERVER_TIME, server),
            (&definitions::CHOOSE_TIME, choose),
            (&definitions::WAY_TIME, rest(server + choose)),
        ],
        None => vec![(&definitions::SERVER_AND_WAY_TIME, rest(choose)), (&definitions::CHOOSE_TIME, choose)],
    }
}

/// The first step of the pass that brought a node, if that is another one.
fn with_step(run: &Run, node: usize) -> Option<usize> {
    let first = run.step_of(node)?.nodes.start;
    (first != node).then(|| run.nodes[first].step)
}

fn time(ui: &mut Ui, run: &Run, index: usize) {
    let node = &run.nodes[index];
    // Of the tokens that one pass brought, the first has its time; the others cost nothing of their own.
    if node.timing.total_seconds == 0.0 {
        let reason = match node.chosen_by {
            ChosenBy::Hand => "None: you chose this token.".to_owned(),
            ChosenBy::Strategy => with_step(run, index).map_or_else(
                || "None was measured.".to_owned(),
                |step| format!("None of its own: it came with the pass of step {step}."),
            ),
        };
        hint(ui, &reason);
        return;
    }
    let palette = palette(ui);
    let parts = parts(node, run.model.server.is_some());
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 10.0), Sense::hover());
    let total: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    let mut left = rect.left();
    for (index, (_, seconds)) in parts.iter().enumerate() {
        let width = rect.width() * (seconds / total.max(1e-12)) as f32;
        let part = Rect::from_min_size(pos2(left, rect.top()), vec2(width, rect.height()));
        ui.painter().rect_filled(
            part.shrink2(vec2(0.5, 0.0)),
            CornerRadius::same(2),
            part_color(palette, index),
        );
        left += width;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    fact(ui, &definitions::STEP_TIME, &format::seconds(node.timing.total_seconds));
    for (index, (definition, seconds)) in parts.iter().enumerate() {
        ui.horizontal(|ui| {
            let (dot, _) = ui.allocate_exact_size(vec2(8.0, 22.0), Sense::hover());
            let square = Rect::from_center_size(dot.center(), vec2(8.0, 8.0));
            ui.painter().rect_filled(square, CornerRadius::same(2), part_color(palette, index));
            fact(ui, definition, &format::seconds(*seconds));
        });
    }
    if node.timing.gpu_seconds.is_some() {
        fact(ui, &definitions::ENCODE_TIME, &format::seconds(node.timing.encode_seconds));
    }
}

fn part_color(palette: &Palette, index: usize) -> egui::Color32 {
    [palette.accent, palette.second, palette.outline, palette.tertiary][index.min(3)]
}

fn work(ui: &mut Ui, run: &Run, node: &Node) {
    let parent = node.parent.and_then(|parent| run.nodes.get(parent));
    let parent = parent.map_or("the prompt".to_owned(), |parent| format!("step {}", parent.step));
    fact(ui, &definitions::PARENT, &parent);
    let counters = &node.counters;
    if run.model.server.is_some() {
        fact(ui, &definitions::SERVER_ROWS, &format::count(counters.rows as u64));
        return;
    }
    fact(ui, &definitions::ROWS, &format::count(counters.rows as u64));
    let keep = run.model.layers_keep;
    if keep.caches() > 0 || keep.states() == 0 {
        fact(ui, &definitions::CACHED, &format::plural(counters.cached_positions, "position"));
        fact(ui, &definitions::CACHE_BYTES, &format::bytes(counters.cache_bytes));
    }
    kept::after_step(ui, &run.model, counters);
    if run.step_input == StepInput::WholeText {
        hint(ui, "The KV cache is off: every step computes the whole text again and keeps nothing.");
    }
}

fn bytes(ui: &mut Ui, node: &Node) {
    let palette = palette(ui);
    section(ui, "Bytes");
    if !node.text.is_empty() {
        let bytes = node.text.as_bytes();
        let shown = token_text::visible_bytes(&bytes[..bytes.len().min(24)]);
        let hex = RichText::new(shown.trim_matches(['‹', '›'])).font(crate::ui::theme::mono(size::SMALL));
        ui.add(egui::Label::new(hex.color(palette.text)).wrap());
        hint(ui, "The text that this step added, in UTF-8.");
    }
    if node.held.is_empty() {
        if node.text.is_empty() {
            hint(ui, "This step added no text.");
        }
    } else {
        let hex = token_text::visible_bytes(&node.held);
        ui.label(RichText::new(hex).font(semibold(size::BODY)).color(palette.warning));
        hint(ui, "Held back: these bytes do not make a whole character yet.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_step_on_a_server_add_up() {
        for (server_seconds, first) in [(None, 0.028), (Some(0.020), 0.020)] {
            let timing = NodeTiming {
                total_seconds: 0.030,
                choose_seconds: 0.002,
                server_seconds,
                ..NodeTiming::default()
            };
            let node = Node { timing, ..Node::default() };
            let parts = parts(&node, true);
            let sum: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
            assert!((sum - 0.030).abs() < 1e-12 && (parts[0].1 - first).abs() < 1e-12);
        }
    }

    #[test]
    fn the_parts_of_a_step_add_up() {
        for gpu in [None, Some(0.006)] {
            let timing = NodeTiming {
                total_seconds: 0.010,
                encode_seconds: 0.001,
                wait_seconds: 0.0,
                gpu_seconds: gpu,
                bus_seconds: None,
                server_seconds: None,
                choose_seconds: 0.002,
            };
            let node = Node { timing, ..Node::default() };
            let sum: f64 = parts(&node, false).iter().map(|(_, seconds)| seconds).sum();
            assert!((sum - 0.010).abs() < 1e-12);
        }
    }
}
