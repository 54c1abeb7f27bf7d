//! The rank–probability curve of the selected step, both axes logarithmic.

use egui::Ui;
use egui_plot::{AxisHints, GridMark, HoverPosition, Line, Plot, PlotPoints, Points};

use crate::trace::Node;
use crate::ui::Scene;
use crate::ui::format;
use crate::ui::theme::{palette, space};
use crate::ui::token_text;
use crate::ui::widgets::empty;

/// Shows the pane.
pub fn show(ui: &mut Ui, scene: &mut Scene<'_>) {
    let Some((_, node)) = scene.shown_node() else {
        empty(ui, "No step selected", "The selected step's probabilities by rank appear here.");
        return;
    };
    egui::Frame::new().inner_margin(egui::Margin::same(space::M as i8)).show(ui, |ui| plot(ui, node));
}

fn plot(ui: &mut Ui, node: &Node) {
    let palette = palette(ui);
    let raw = points(node, |candidate| candidate.raw_probability);
    let chosen_from = points(node, |candidate| candidate.probability);
    let chosen: PlotPoints<'_> = node
        .chosen()
        .filter(|candidate| candidate.raw_probability > 0.0)
        .map(|candidate| [(node.rank as f64).log10(), f64::from(candidate.raw_probability).log10()])
        .into_iter()
        .collect();
    let power = |mark: GridMark, _: &std::ops::RangeInclusive<f64>| {
        if mark.value.fract().abs() < 1e-6 {
            format::count(10_f64.powf(mark.value) as u64)
        } else {
            String::new()
        }
    };
    let share = |mark: GridMark, _: &std::ops::RangeInclusive<f64>| {
        if mark.value.fract().abs() < 1e-6 { power_of_ten(mark.value.round() as i32) } else { String::new() }
    };
    let names: Vec<String> =
        node.candidates.iter().map(|candidate| token_text::visible_piece(&candidate.piece)).collect();
    Plot::new("rank and probability")
        .show_background(false)
        .grid_color(palette.line)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_zoom(false)
        .allow_boxed_zoom(false)
        .include_x(0.0)
        .include_y(0.0)
        .legend(egui_plot::Legend::default())
        .custom_x_axes(vec![AxisHints::new_x().label("rank").formatter(power)])
        .custom_y_axes(vec![AxisHints::new_y().label("probability").formatter(share)])
        .label_formatter(move |position| {
            let HoverPosition::NearDataPoint { position: at, .. } = position else { return None };
            let rank = 10_f64.powf(at.x).round() as usize;
            let name = rank.checked_sub(1).and_then(|index| names.get(index)).cloned().unwrap_or_default();
            Some(format!("rank {rank} {name}\n{}", format::probability(10_f32.powf(at.y as f32))))
        })
        .show(ui, |plot| {
            plot.line(Line::new("raw", raw).color(palette.tertiary).width(1.5));
            plot.line(Line::new("to choose from", chosen_from).color(palette.second).width(1.5));
            plot.points(Points::new("chosen", chosen).color(palette.accent).radius(5.0));
        });
}

/// A power of ten as a person writes it: `1`, `0.1`, `10⁻⁴`.
fn power_of_ten(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match exponent {
        -2..=0 => format!("{}", 10_f64.powi(exponent)),
        _ => {
            let digits = exponent.unsigned_abs().to_string();
            let raised = digits.bytes().map(|digit| DIGITS[usize::from(digit - b'0')]);
            let sign = if exponent < 0 { "⁻" } else { "" };
            format!("10{sign}{}", raised.collect::<String>())
        }
    }
}

fn points(node: &Node, of: impl Fn(&crate::trace::Candidate) -> f32) -> PlotPoints<'static> {
    let mut values: Vec<f64> = node.candidates.iter().map(|candidate| f64::from(of(candidate))).collect();
    // The chosen token may stand outside the top candidates; its rank is shown as a point of its own.
    values.retain(|value| *value > 0.0);
    values.iter().enumerate().map(|(index, value)| [((index + 1) as f64).log10(), value.log10()]).collect()
}
