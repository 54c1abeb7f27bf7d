//! The run's tree: a row for every run of tokens between a fork and a leaf. The line that grew last comes first and goes
//! straight through; what a person left, and what beam search gave up, hangs below it.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{
    Color32, CornerRadius, Galley, Rect, Role, ScrollArea, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use crate::trace::{ChosenBy, Run};
use crate::ui::action::Action;
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::scene::Scene;
use crate::ui::theme::{Palette, mono, palette, regular, semibold, size, space};
use crate::ui::token_job::white_space_job;
use crate::ui::token_text;
use crate::ui::tree_rows::{BeamFate, TreeRow, fates, rows};
use crate::ui::widgets::{empty, one_line};

/// Height of a row, in points.
const ROW: f32 = 28.0;
/// How far a row stands in for each fork before it.
const INDENT: f32 = 16.0;
/// Deepest indent that is drawn: from there on rows stand at the same place.
const DEEPEST: usize = 8;
/// Room for the number of the first step.
const STEP: f32 = 56.0;
/// Room for what became of the row.
const FATE: f32 = 236.0;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some(run) = scene.run().filter(|run| !run.nodes.is_empty()) else {
        empty(
            ui,
            "No tree yet",
            "A run is one line until you choose another candidate (click one, or press B), or beam search follows several.",
        );
        return;
    };
    let (rows, fates) = (rows(run, straight(ui, scene, run)), fates(run));
    ui.add_space(space::S);
    ScrollArea::vertical().id_salt("tree").auto_shrink(false).show_rows(
        ui,
        ROW,
        rows.len(),
        |ui, visible| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let top = ui.cursor().top() - visible.start as f32 * ROW;
            let left = ui.max_rect().left() + space::L;
            connectors(ui, &rows, left, top);
            for index in visible {
                row(ui, scene, run, index, &rows[index], &fates);
            }
        },
    );
}

/// The end of the line that goes straight through: the one on show when the run last grew. Showing another line moves no
/// row.
fn straight(ui: &Ui, scene: &Scene<'_>, run: &Run) -> Option<usize> {
    let id = ui.scope_id().with("straight line");
    let grown = (scene.state.run_number, run.nodes.len());
    let before = ui.data(|data| data.get_temp::<((u64, usize), Option<usize>)>(id));
    match before {
        Some((then, tip)) if then == grown => tip,
        _ => {
            ui.data_mut(|data| data.insert_temp(id, (grown, run.tip())));
            run.tip()
        }
    }
}

/// The first token of a row that is drawn: the row moves only as far as the selected one asks.
fn first_drawn(
    ui: &Ui,
    row: &TreeRow,
    place: Option<usize>,
    room: f32,
    wide: impl Fn(usize) -> f32,
) -> usize {
    let id = ui.scope_id().with(("first drawn", row.nodes[0]));
    let before = ui.data(|data| data.get_temp::<usize>(id)).unwrap_or(0).min(row.nodes.len() - 1);
    let Some(place) = place else { return before };
    let mut from = before.min(place);
    let mut total: f32 = row.nodes[from..=place].iter().map(|&node| wide(node)).sum();
    while from < place && total > room {
        total -= wide(row.nodes[from]);
        from += 1;
    }
    ui.data_mut(|data| data.insert_temp(id, from));
    from
}

/// The lines that lead from rows to the rows that leave them.
fn connectors(ui: &Ui, rows: &[TreeRow], left: f32, top: f32) {
    let stroke = Stroke::new(1.0, palette(ui).outline);
    let middle = |index: usize| top + (index as f32 + 0.5) * ROW;
    for (index, row) in rows.iter().enumerate() {
        let Some(above) = row.above else { continue };
        let x = left + (row.depth.min(DEEPEST) as f32 - 0.5) * INDENT;
        let end = x + INDENT * 0.4;
        let points = [pos2(x, middle(above) + 10.0), pos2(x, middle(index)), pos2(end, middle(index))];
        if points[1].y >= ui.clip_rect().top() && points[0].y <= ui.clip_rect().bottom() {
            ui.painter().add(Shape::line(points.to_vec(), stroke));
        }
    }
}

fn row(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    run: &Run,
    index: usize,
    row: &TreeRow,
    fates: &HashMap<usize, BeamFate>,
) {
    let palette = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    let leaf = row.nodes[row.nodes.len() - 1];
    let fate = fates.get(&leaf).copied();
    let first = run.nodes[row.nodes[0]].step;
    let on_line = run.tip() == Some(leaf);
    let said = fate.map(|fate| format!(", {}", fate_words(fate))).unwrap_or_default();
    let mark = if on_line { ", on show" } else { "" };
    let tokens = format::plural(row.nodes.len(), "token");
    response.widget_info(|| {
        let label = format!("Line {}: from step {first}, {tokens}{said}{mark}", index + 1);
        WidgetInfo::labeled(Role::Row, true, label)
    });
    let left = rect.left() + space::L + row.depth.min(DEEPEST) as f32 * INDENT;
    let number = Rect::from_min_size(pos2(left, rect.top()), vec2(STEP - space::S, ROW));
    if on_line {
        let mark = Rect::from_min_size(rect.left_top() + vec2(0.0, 4.0), vec2(3.0, ROW - 8.0));
        ui.painter().rect_filled(mark, 0.0, palette.accent);
    }
    ui.painter().text(
        number.left_center() + vec2(4.0, 0.0),
        egui::Align2::LEFT_CENTER,
        format!("step {first}"),
        regular(size::CAPTION),
        palette.tertiary,
    );
    let end = fate_text(ui, rect, fate, on_line, palette);
    if let Some(fate) = fate {
        let area = Rect::from_min_max(pos2(end, rect.top()), rect.right_bottom());
        let response = ui.interact(area, ui.scope_id().with(("fate", leaf)), Sense::hover());
        response.on_hover_ui(|ui| fate_card(ui, run, fate));
    }
    let room =
        Rect::from_min_max(pos2(number.right() + space::S, rect.top()), pos2(end - space::M, rect.bottom()));
    tokens_of(ui, scene, run, row, room, fate);
}

/// The tokens of a row, as many as fit; with the selected one among them.
fn tokens_of(
    ui: &mut Ui,
    scene: &mut Scene<'_>,
    run: &Run,
    row: &TreeRow,
    room: Rect,
    fate: Option<BeamFate>,
) {
    let selected = scene.state.cursor.selected.and_then(|place| run.line.get(place)).copied();
    let place = selected.and_then(|node| row.nodes.binary_search(&node).ok());
    // Every character of the face is equally wide.
    let wide = |node: usize| {
        let characters = token_text::of_node(&run.nodes[node]).chars().count();
        characters as f32 * size::SMALL * 0.6 + 24.0
    };
    let from = first_drawn(ui, row, place, room.width() - 80.0, wide);
    let mut x = room.left();
    if from > 0 {
        x += draw_count(ui, x, room, from);
    }
    let fell = matches!(fate, Some(BeamFate::Pruned { .. }));
    for (index, &node) in row.nodes.iter().enumerate().skip(from) {
        let chip = NodeChip::new(ui, run, node, fell);
        if x + chip.width() > room.right() - 34.0 {
            draw_count(ui, x, room, row.nodes.len() - index);
            break;
        }
        let at = Rect::from_min_size(pos2(x, room.top() + 3.0), vec2(chip.width(), ROW - 6.0));
        x += chip.width() + 2.0;
        chip.show(ui, scene, run, at, selected == Some(node));
    }
}

/// How many tokens are left out; gives the room that it takes.
fn draw_count(ui: &Ui, x: f32, room: Rect, count: usize) -> f32 {
    let color = palette(ui).tertiary;
    let galley = one_line(ui, &format!("+{count}"), regular(size::CAPTION), color, 60.0);
    let width = galley.size().x;
    ui.painter().galley(pos2(x + 2.0, room.center().y - galley.size().y / 2.0), galley, color);
    width + 8.0
}

/// A token of the tree, laid out.
struct NodeChip {
    node: usize,
    text: String,
    galley: Arc<Galley>,
    color: Color32,
    on_line: bool,
    by_hand: bool,
}

impl NodeChip {
    /// `fell` says that its row is a hypothesis that others displaced.
    fn new(ui: &Ui, run: &Run, node: usize, fell: bool) -> Self {
        let palette = palette(ui);
        let text = token_text::of_node(&run.nodes[node]);
        let on_line = run.line.binary_search(&node).is_ok();
        let color = match (fell, on_line) {
            (true, false) => palette.tertiary,
            (_, true) => palette.text,
            (false, false) => palette.secondary,
        };
        let mut job = white_space_job(&text, color, palette.tertiary);
        job.sections.iter_mut().for_each(|section| section.format.font_id = mono(size::SMALL));
        let galley = ui.painter().layout_job(job);
        let by_hand = run.nodes[node].chosen_by == ChosenBy::Hand;
        Self { node, text, galley, color, on_line, by_hand }
    }

    fn width(&self) -> f32 {
        self.galley.size().x + 8.0 + if self.by_hand { 14.0 } else { 0.0 }
    }

    fn show(self, ui: &Ui, scene: &mut Scene<'_>, run: &Run, chip: Rect, selected: bool) {
        let palette = palette(ui);
        let Self { node, text, galley, color, on_line, by_hand } = self;
        let decision = &run.nodes[node];
        let response = ui.interact(chip, ui.scope_id().with(("node", node)), Sense::click());
        let hand = if by_hand { ", chosen by hand" } else { "" };
        let label = format!("Node of step {}: {text}{hand}", decision.step);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
        let fill = if selected {
            palette.accent_soft
        } else if response.hovered() {
            palette.hover
        } else if on_line {
            palette.raised
        } else {
            Color32::TRANSPARENT
        };
        ui.painter().rect_filled(chip, CornerRadius::same(4), fill);
        if by_hand {
            Icon::Branch.paint(ui.painter(), pos2(chip.left() + 10.0, chip.center().y), 0.7, palette.second);
        }
        let text_left = chip.right() - 4.0 - galley.size().x;
        ui.painter().galley(pos2(text_left, chip.center().y - galley.size().y / 2.0), galley, color);
        if response.clicked() {
            scene.actions.push(Action::ShowNode(node));
        }
        if response.hovered()
            && let Ok(place) = run.line.binary_search(&node)
        {
            scene.state.cursor.next_preview = Some(place);
        }
        let words = if on_line { "click to select" } else { "click to show this line" };
        response.on_hover_cursor(egui::CursorIcon::PointingHand).on_hover_ui(|ui| {
            let probability = format::probability(decision.log_probability.exp());
            ui.label(format!("step {} · p {probability}", decision.step));
            let words = egui::RichText::new(format!("{words}{hand}"));
            ui.label(words.size(size::SMALL).color(palette.secondary));
        });
    }
}

/// What became of a row, at its right end; gives where that begins.
fn fate_text(ui: &Ui, rect: Rect, fate: Option<BeamFate>, on_line: bool, palette: &Palette) -> f32 {
    let right = rect.right() - space::L;
    let (text, color, font) = match fate {
        Some(fate) => {
            let fell = matches!(fate, BeamFate::Pruned { .. });
            (fate_words(fate), if fell { palette.tertiary } else { palette.secondary }, regular(size::SMALL))
        }
        None if on_line => ("on show".to_owned(), palette.accent, semibold(size::CAPTION)),
        None => return right,
    };
    let galley = one_line(ui, &text, font, color, FATE);
    let left = right - galley.size().x;
    ui.painter().galley(pos2(left, rect.center().y - galley.size().y / 2.0), galley, color);
    left
}

fn fate_words(fate: BeamFate) -> String {
    let (word, score, from) = match fate {
        BeamFate::Live { hypothesis, from } => ("live".to_owned(), hypothesis.score, from),
        BeamFate::Finished { hypothesis, from } => ("finished".to_owned(), hypothesis.score, from),
        BeamFate::Pruned { step, from, pruned } => (format!("pruned at step {step}"), pruned.score, from),
    };
    format!("{word} · {}{}", format::score(score), since(from))
}

/// Since when a search counts, where that is not the prompt: scores of different searches do not compare.
pub(crate) fn since(step: usize) -> String {
    if step > 1 { format!(" since step {step}") } else { String::new() }
}

/// Why a beam fell, or what its score is.
pub(crate) fn fate_card(ui: &mut Ui, run: &Run, fate: BeamFate) {
    match fate {
        BeamFate::Pruned { step, pruned, .. } => {
            let rival = run.nodes.get(pruned.rival).map(token_text::of_node).unwrap_or_default();
            ui.set_max_width(300.0);
            ui.label(format!("Fell at step {step}."));
            ui.label(format!(
                "Its best would have come to {}; the lowest that stayed, the one that ends in {rival}, has {}.",
                format::score(pruned.score),
                format::score(pruned.rival_score)
            ));
        }
        BeamFate::Live { .. } | BeamFate::Finished { .. } => definitions::BEAM_SCORE.card(ui),
    }
}
