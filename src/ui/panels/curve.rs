//! The rank–probability curve of the selected step, both axes logarithmic.

use egui::Ui;
use egui_plot::{AxisHints, GridMark, HoverPosition, Line, PlotPoints, Points};

use super::prompt_token::no_step;
use crate::trace::{Node, Run};
use crate::ui::axes::{self, Axes};
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::theme::{palette, space};
use crate::ui::token_text;

/// Shows the pane.
pub(crate) fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let (Some(run), Some((_, node))) = (scene.run(), scene.shown_node()) else {
        no_step(ui, scene, "The selected step's probabilities by rank appear here.");
        return;
    };
    egui::Frame::new().inner_margin(egui::Margin::same(space::M as i8)).show(ui, |ui| plot(ui, node, run));
}

fn plot(ui: &mut Ui, node: &Node, run: &Run) {
    let by = if run.model.server.is_some() { "rank by log-probability" } else { "rank by raw logit" };
    let palette = palette(ui);
    let raw = points(node, |candidate| candidate.raw_probability);
    let chosen_from = points(node, |candidate| candidate.probability);
    let chosen: PlotPoints<'_> = node
        .chosen()
        .filter(|candidate| candidate.raw_probability > 0.0)
        .map(|candidate| [(node.rank as f64).log10(), f64::from(candidate.raw_probability).log10()])
        .into_iter()
        .collect();
    let ranked: Vec<(usize, String)> = node
        .candidates
        .iter()
        .enumerate()
        .map(|(index, one)| (rank(node, index), token_text::of_candidate(one)))
        .collect();
    let axes = axes_of(&[&raw, &chosen_from]);
    let shown = axes
        .plot("rank and probability", palette.line)
        .legend(egui_plot::Legend::default())
        .x_grid_spacer(|grid| rank_marks(grid.bounds))
        .y_grid_spacer(|grid| power_marks(grid.bounds))
        .custom_x_axes(vec![
            AxisHints::new_x()
                .label(by)
                .label_spacing(8.0..=16.0)
                .formatter(|mark, _| format::count(10_f64.powf(mark.value).round() as u64)),
        ])
        .custom_y_axes(vec![
            AxisHints::new_y()
                .label("probability")
                .label_spacing(8.0..=16.0)
                .formatter(|mark, _| share(10_f64.powf(mark.value))),
        ])
        .label_formatter(move |position| {
            let HoverPosition::NearDataPoint { position: at, .. } = position else { return None };
            let rank = 10_f64.powf(at.x).round() as usize;
            let name = ranked.iter().find(|(other, _)| *other == rank).map(|(_, name)| name.as_str());
            Some(format!(
                "rank {} {}\n{}",
                format::count(rank as u64),
                name.unwrap_or_default(),
                share(10_f64.powf(at.y))
            ))
        })
        .show(ui, |plot| {
            axes.set(plot);
            plot.line(Line::new("raw", raw).color(palette.tertiary).width(1.5));
            plot.line(Line::new("to choose from", chosen_from).color(palette.second).width(1.5));
            plot.points(Points::new("chosen", chosen).color(palette.accent).radius(5.0));
        });
    axes::describe(&shown.response, &shown.transform, |x, y| {
        let rank = |end: f64| format::count(10_f64.powf(end).round() as u64);
        let [low, high] = y.map(|end| share(10_f64.powf(end)));
        format!("Plot of rank {} to {} and probability {low} to {high}", rank(x[0]), rank(x[1]))
    });
}

/// The axes go as far as the record does: from rank 1 to the last one that is listed, from certainty to the smallest
/// probability.
fn axes_of(curves: &[&Vec<[f64; 2]>]) -> Axes {
    let all = || curves.iter().flat_map(|curve| curve.iter());
    let last = all().map(|point| point[0]).fold(0.3, f64::max);
    let least = all().map(|point| point[1]).fold(-1.0, f64::min);
    Axes { x: [-0.02 * last, 1.03 * last], y: [1.03 * least, -0.03 * least] }
}

/// Marks at 1, 2 and 5 times each power of ten.
fn rank_marks((low, high): (f64, f64)) -> Vec<GridMark> {
    let powers = 0..=high.floor().max(0.0) as i32;
    let values = powers.flat_map(|power| [1.0_f64, 2.0, 5.0].map(|digit| digit.log10() + f64::from(power)));
    values
        .filter(|value| (low..=high).contains(value))
        .map(|value| GridMark { value, step_size: 0.3 })
        .collect()
}

/// Marks at powers of ten, some eight at most.
fn power_marks((low, high): (f64, f64)) -> Vec<GridMark> {
    let every = ((high - low) / 8.0).ceil().max(1.0) as i32;
    let powers = (low.ceil() as i32..=high.floor() as i32).filter(|power| power % every == 0);
    powers.map(|power| GridMark { value: f64::from(power), step_size: f64::from(every) }).collect()
}

/// A probability in per cent, of whatever size: `42 %`, `0.031 %`, `3.2·10⁻⁷ %`.
fn share(probability: f64) -> String {
    let percent = probability * 100.0;
    if percent >= 0.999e-3 {
        let decimals = (1.0 - percent.log10().floor()).clamp(0.0, 4.0) as usize;
        let text = format!("{percent:.decimals$}");
        let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        return format!("{short} %");
    }
    let exponent = percent.log10().floor();
    let digits = percent / 10_f64.powf(exponent);
    let factor = if (digits - 1.0).abs() < 0.05 { String::new() } else { format!("{digits:.1}·") };
    format!("{factor}{} %", power_of_ten(exponent as i32))
}

/// A power of ten as a person writes it: `10⁻⁴`.
fn power_of_ten(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digits = exponent.unsigned_abs().to_string();
    let raised = digits.bytes().map(|digit| DIGITS[usize::from(digit - b'0')]);
    let sign = if exponent < 0 { "⁻" } else { "" };
    format!("10{sign}{}", raised.collect::<String>())
}

/// The rank of a candidate: they are listed by raw logit, but for a chosen one from beyond the list, which is last.
fn rank(node: &Node, index: usize) -> usize {
    let chosen = node.candidates.get(index).is_some_and(|candidate| candidate.token == node.token);
    if chosen { node.rank.max(index + 1) } else { index + 1 }
}

/// Decadic logarithms of rank and probability, for candidates that have one.
fn points(node: &Node, of: impl Fn(&crate::trace::Candidate) -> f32) -> Vec<[f64; 2]> {
    let point = |(index, candidate)| [(rank(node, index) as f64).log10(), f64::from(of(candidate)).log10()];
    node.candidates.iter().enumerate().filter(|(_, candidate)| of(candidate) > 0.0).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Candidate;

    #[test]
    fn shares_are_written_one_way() {
        let words: Vec<String> = [1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 3.2e-9].map(share).to_vec();
        assert_eq!(words, ["100 %", "10 %", "1 %", "0.1 %", "0.01 %", "0.001 %", "10⁻⁴ %", "3.2·10⁻⁷ %"]);
    }

    #[test]
    fn every_candidate_stands_at_its_own_rank() {
        let candidate = |token, raw_probability, probability| Candidate {
            token,
            raw_probability,
            probability,
            ..Candidate::default()
        };
        // The second is cut; the chosen one comes from far below.
        let candidates = vec![
            candidate(5, 0.5, 0.8),
            candidate(6, 0.2, 0.0),
            candidate(7, 0.1, 0.1),
            candidate(9, 1e-6, 0.1),
        ];
        let node = Node { token: 9, rank: 1000, candidates, ..Node::default() };
        let ranks = |points: Vec<[f64; 2]>| -> Vec<u32> {
            points.iter().map(|point| 10_f64.powf(point[0]).round() as u32).collect()
        };
        let (raw, kept) = (points(&node, |one| one.raw_probability), points(&node, |one| one.probability));
        let axes = axes_of(&[&raw, &kept]);
        assert!(axes.x[1] >= 3.0 && axes.y[0] <= -6.0, "{axes:?}");
        assert_eq!(ranks(raw), [1, 2, 3, 1000]);
        assert_eq!(ranks(kept), [1, 3, 1000]);
    }

    #[test]
    fn marks_are_several_and_within() {
        assert_eq!(rank_marks((-0.04, 2.1)).len(), 7);
        assert_eq!(rank_marks((-0.01, 0.31)).len(), 2);
        assert!((3..=9).contains(&power_marks((-40.0, 1.0)).len()));
    }
}
