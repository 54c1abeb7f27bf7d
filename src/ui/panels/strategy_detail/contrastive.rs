//! Contrastive search: the candidates by probability and penalty, the lines on which the score is the same, and a
//! table that points at the most similar earlier token.

use egui::{Align, Align2, FontId, Pos2, Rect, RichText, ScrollArea, Sense, Ui, Vec2, vec2};
use egui_plot::{AxisHints, Line, LineStyle, MarkerShape, PlotPoint, PlotPoints, Points, Text};

use crate::trace::Run;
use crate::trace::strategies::{ContrastiveCandidate, ContrastiveStep, Token};
use crate::ui::axes::{self, Axes};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::icons::Icon;
use crate::ui::panels::look::at_position;
use crate::ui::scene::Scene;
use crate::ui::table::{self, Column, RowLook, framed, number};
use crate::ui::theme::{palette, size, space};
use crate::ui::token_text;
use crate::ui::widgets::{fact, hint};

/// Points between a candidate's mark and its name.
const LABEL_GAP: f32 = 9.0;
/// Half the width of the largest mark.
const MARK: f32 = 6.0;
/// Points that an axis with its name takes from the plot, about.
const AXIS_ROOM: f32 = 40.0;

const COLUMNS: [Column; 5] = [
    Column::words("Token", 0.0),
    Column::number(&definitions::CONTRASTIVE_PROBABILITY, "p", table::PROBABILITY),
    Column::number(&definitions::PENALTY, "Penalty", 68.0),
    Column::number(&definitions::CONTRASTIVE_SCORE, "Score", 68.0),
    Column {
        title: "Most like",
        definition: Some(&definitions::MOST_SIMILAR),
        width: 116.0,
        side: table::Side::Left,
    },
];

/// Shows the candidates of a step.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, step: &ContrastiveStep) {
    let wide = ui.available_width() >= 620.0;
    framed(ui, |ui| {
        if wide {
            let room = ui.available_size();
            let half = (room.x - space::L) * 0.44;
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = space::L;
                ui.allocate_ui(vec2(half, room.y), |ui| plot(ui, step));
                ui.allocate_ui(vec2(room.x - half - space::L, room.y), |ui| {
                    ui.vertical(|ui| {
                        ScrollArea::vertical()
                            .id_salt("contrastive")
                            .auto_shrink(false)
                            .show(ui, |ui| candidates(ui, scene, run, step));
                    });
                });
            });
        } else {
            ScrollArea::vertical().id_salt("contrastive").auto_shrink(false).show(ui, |ui| {
                candidates(ui, scene, run, step);
                ui.add_space(space::M);
                let width = ui.available_width();
                ui.allocate_ui(vec2(width, 200.0), |ui| plot(ui, step));
            });
        }
    });
}

/// Where a score is the same: the penalties at probabilities 0 and 1, from (1 − α) · p − α · penalty = score.
/// `None` where α is 0 and the line stands upright.
fn same_score(alpha: f32, score: f32) -> Option<[[f64; 2]; 2]> {
    let at = |probability: f32| f64::from(((1.0 - alpha) * probability - score) / alpha);
    (alpha > 0.0).then(|| [[0.0, at(0.0)], [1.0, at(1.0)]])
}

/// Where labels of these sizes stand beside their points, none on another one; `None` where there is no room left.
fn anchors(labels: &[(Pos2, Vec2)], room: Rect) -> Vec<Option<Align2>> {
    const SIDES: [Align2; 4] =
        [Align2::LEFT_BOTTOM, Align2::LEFT_TOP, Align2::RIGHT_BOTTOM, Align2::RIGHT_TOP];
    let mut taken: Vec<Rect> = Vec::new();
    let marks: Vec<Rect> =
        labels.iter().map(|(at, _)| Rect::from_center_size(*at, Vec2::splat(2.0 * MARK))).collect();
    let mut place = |&(at, size): &(Pos2, Vec2)| {
        let is_free = |side: &&Align2| {
            // Labels may touch.
            let label = side.anchor_size(at, size).shrink(0.5);
            let words = match side.x() {
                Align::Min => label.with_min_x(label.left() + LABEL_GAP),
                _ => label.with_max_x(label.right() - LABEL_GAP),
            };
            let hides = |other: &Rect| other.intersects(words);
            room.contains_rect(label)
                && !taken.iter().any(|other| other.intersects(label))
                && !marks.iter().any(hides)
        };
        let side = *SIDES.iter().find(is_free)?;
        taken.push(side.anchor_size(at, size));
        Some(side)
    };
    labels.iter().map(&mut place).collect()
}

fn plot(ui: &mut Ui, step: &ContrastiveStep) {
    let palette = palette(ui);
    let places = |chosen: bool| -> PlotPoints<'static> {
        let wanted =
            step.candidates.iter().enumerate().filter(|(index, _)| (*index == step.chosen) == chosen);
        wanted.map(|(_, one)| [f64::from(one.probability), f64::from(one.penalty)]).collect()
    };
    let (width, height) = (ui.available_width(), ui.available_height().clamp(120.0, 420.0));
    // The chosen one's name first, then by rank, as long as there is room: the table has them all.
    let mut named: Vec<&ContrastiveCandidate> = step.candidates.iter().collect();
    named[..=step.chosen].rotate_right(1);
    let font = FontId::monospace(11.0);
    let size_of = |candidate: &&ContrastiveCandidate| {
        let text = name(&candidate.token);
        ui.painter().layout_no_wrap(text, font.clone(), palette.secondary).size() + vec2(LABEL_GAP, 0.0)
    };
    let sizes: Vec<Vec2> = named.iter().map(size_of).collect();
    let axes = axes_of(step);
    let shown = axes
        .plot("probability and penalty", palette.line)
        .width(width)
        .height(height)
        .x_grid_spacer(move |grid| axes::marks_across(grid.bounds, width - AXIS_ROOM))
        .y_grid_spacer(move |grid| axes::marks_up(grid.bounds, height - AXIS_ROOM))
        .custom_x_axes(vec![
            AxisHints::new_x()
                .label("probability")
                .label_spacing(axes::SHOWN)
                .formatter(|mark, _| axes::percent(mark)),
        ])
        .custom_y_axes(vec![
            AxisHints::new_y()
                .label("penalty")
                .label_spacing(axes::SHOWN)
                .formatter(|mark, _| axes::decimal(mark)),
        ])
        .show(ui, |plot| {
            let transform = axes.set(plot);
            for (index, candidate) in step.candidates.iter().enumerate() {
                let Some(ends) = same_score(step.alpha, candidate.score) else { continue };
                let chosen = index == step.chosen;
                let (color, width) = if chosen { (palette.accent, 1.5) } else { (palette.outline, 1.0) };
                let style = if chosen { LineStyle::Solid } else { LineStyle::dashed_loose() };
                let line = Line::new("same score", PlotPoints::from(ends.to_vec())).color(color).width(width);
                plot.line(line.style(style).allow_hover(false));
            }
            plot.points(Points::new("candidates", places(false)).color(palette.second).radius(4.0));
            plot.points(
                Points::new("chosen", places(true))
                    .shape(MarkerShape::Diamond)
                    .color(palette.accent)
                    .radius(6.0),
            );
            let point = |one: &ContrastiveCandidate| PlotPoint::new(one.probability, one.penalty);
            let labels: Vec<(Pos2, Vec2)> =
                named.iter().map(|one| transform.position_from_point(&point(one))).zip(sizes).collect();
            let sides = anchors(&labels, plot.response().rect);
            for ((candidate, (at, _)), side) in named.iter().zip(labels).zip(sides) {
                let Some(side) = side else { continue };
                let gap = if side.x() == Align::Min { LABEL_GAP } else { -LABEL_GAP };
                let at = transform.value_from_position(at + vec2(gap, 0.0));
                let text = RichText::new(name(&candidate.token)).font(font.clone()).color(palette.secondary);
                plot.text(Text::new("token", at, text).anchor(side));
            }
        });
    axes::describe(&shown.response, &shown.transform, |x, y| {
        format!("Plot of probability {} and penalty {}", axes::ends(x), axes::ends(y))
    });
}

/// Axes that hold all candidates of a step.
fn axes_of(step: &ContrastiveStep) -> Axes {
    let of = |value: fn(&ContrastiveCandidate) -> f32| {
        step.candidates.iter().map(move |one| f64::from(value(one)))
    };
    Axes {
        x: axes::with_zero(of(|one| one.probability), 1e-4),
        y: axes::with_zero(of(|one| one.penalty), 0.05),
    }
}

fn candidates(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, step: &ContrastiveStep) {
    ui.spacing_mut().item_spacing.y = 0.0;
    table::header(ui, &COLUMNS);
    for (index, candidate) in step.candidates.iter().enumerate() {
        row(ui, scene, run, candidate, index == step.chosen);
    }
    ui.add_space(space::S);
    fact(ui, &definitions::ALPHA, &format!("{:.2}", step.alpha));
    ui.add_space(space::XS);
    hint(
        ui,
        "Right is probable, low is unlike what came before; along a line the score is the same. Point at a row to see in the text what it is most like.",
    );
}

fn row(ui: &mut Ui, scene: &mut Scene<'_>, run: &Run, candidate: &ContrastiveCandidate, chosen: bool) {
    let palette = palette(ui);
    let token = name(&candidate.token);
    let look = if chosen { RowLook::Chosen } else { RowLook::Plain };
    let mark = if chosen { "chosen, " } else { "" };
    let similar = at_position(run, candidate.similar_position);
    let place = candidate.similar_position;
    let label = format!(
        "Tried {token}: {mark}score {}, most like {similar} at {place}",
        format::value(candidate.score)
    );
    let (rect, response) = table::row(ui, &label, look, Sense::hover());
    let cells = table::cells(rect, &COLUMNS);
    table::token(ui, cells[0].with_min_x(cells[0].left() + 16.0), &token, palette.text);
    if chosen {
        let mark = egui::pos2(cells[0].left() + 6.0, cells[0].center().y);
        Icon::Check.paint(ui.painter(), mark, size::SMALL / 20.0, palette.accent);
    }
    number(ui, cells[1], &format::probability(candidate.probability), palette.text);
    number(ui, cells[2], &format::value(candidate.penalty), palette.text);
    number(ui, cells[3], &format::value(candidate.score), if chosen { palette.accent } else { palette.text });
    table::token(ui, cells[4], &format!("{place} {similar}"), palette.secondary);
    if response.hovered() {
        scene.state.next_pointed_at = Some(place);
    }
    response.on_hover_text(format!("Most like position {place}: {similar}"));
}

fn name(token: &Token) -> String {
    token_text::of_token(token)
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::*;

    #[test]
    fn labels_stand_beside_their_points_and_not_on_one_another() {
        let size = vec2(40.0, 12.0);
        let room = Rect::from_min_max(pos2(0.0, 0.0), pos2(320.0, 100.0));
        // One whose label would lie under the next point's mark stands on another side.
        let near = [(pos2(100.0, 50.0), size), (pos2(118.0, 44.0), size)];
        assert_eq!(anchors(&near, room)[0], Some(Align2::LEFT_TOP));
        // At the right edge; then five points at one place, where there is room for four.
        let mut labels = vec![(pos2(300.0, 50.0), size)];
        labels.extend([(pos2(60.0, 50.0), size); 5]);
        let found = anchors(&labels, room);
        assert_eq!(found[..2], [Some(Align2::RIGHT_BOTTOM), Some(Align2::LEFT_BOTTOM)]);
        assert_eq!(found[5], None, "the last has no room");
        let rect = |index: usize| found[index].unwrap().anchor_size(labels[index].0, size);
        for (one, other) in (0..5).flat_map(|one| (0..one).map(move |other| (one, other))) {
            assert!(!rect(one).shrink(0.1).intersects(rect(other)), "{one} {other}");
        }
    }

    #[test]
    fn along_a_line_the_score_is_the_same() {
        for (alpha, score) in [(0.6_f32, -0.2_f32), (0.25, 0.4), (1.0, -0.5)] {
            for [probability, penalty] in same_score(alpha, score).expect("the line slants") {
                let there = (1.0 - f64::from(alpha)) * probability - f64::from(alpha) * penalty;
                assert!((there - f64::from(score)).abs() < 1e-6);
            }
        }
        assert_eq!(same_score(0.0, 0.3), None);
    }
}
