//! The lines. Pointing previews a step, clicking selects it.

use egui::{Sense, Ui};
use egui_plot::{AxisHints, GridMark, Line, PlotPoints, PlotUi, Points, VLine};

use super::curves::Curve;
use crate::ui::action::Action;
use crate::ui::axes::{self, Axes};
use crate::ui::colours::{Series, series};
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::state::PinScale;
use crate::ui::theme::palette;

/// Shows the plot.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, curves: &[Curve]) {
    let palette = palette(ui);
    let scale = scene.state.pin_scale;
    let steps = scene.run().map_or(0, |run| run.line.len());
    let axes = axes_of(curves, scale, steps);
    let shown_step = scene.state.cursor.shown(steps);
    let width = ui.available_width();
    let lines: Vec<(Series, Vec<Vec<[f64; 2]>>)> = curves
        .iter()
        .enumerate()
        .map(|(index, curve)| (series(ui, index), curve.pieces(scale, width)))
        .collect();
    let shown = axes
        .plot("pinned tokens", palette.line)
        .sense(Sense::click())
        .show_crosshair(false)
        .x_grid_spacer(move |grid| whole(axes::marks_across(grid.bounds, width)))
        .y_grid_spacer(move |grid| marks(scale, grid.bounds))
        .custom_x_axes(vec![
            AxisHints::new_x()
                .label("step")
                .label_spacing(axes::SHOWN)
                .formatter(|mark, _| format::count(mark.value.round() as u64)),
        ])
        .custom_y_axes(vec![
            AxisHints::new_y()
                .label(name(scale))
                .label_spacing(8.0..=16.0)
                .formatter(move |mark, _| number(scale, mark)),
        ])
        .label_formatter(|_| None)
        .show(ui, |plot| {
            axes.set(plot);
            if let Some(step) = shown_step {
                plot.vline(VLine::new("step", (step + 1) as f64).color(palette.accent_soft).width(6.0));
            }
            lines.iter().for_each(|(series, pieces)| draw(plot, series, pieces));
            for (curve, (series, _)) in curves.iter().zip(&lines) {
                let stand = shown_step.and_then(|step| Some((step, (*curve.stands.get(step)?)?)));
                if let Some((step, stand)) = stand {
                    let point = vec![[(step + 1) as f64, stand.height(scale)]];
                    plot.points(Points::new("", point).color(series.color).radius(4.0));
                }
            }
        });
    if let Some(pointer) = shown.response.hover_pos() {
        let step = shown.transform.value_from_position(pointer).x.round().clamp(1.0, steps as f64) as usize;
        scene.state.cursor.next_preview = Some(step - 1);
        if shown.response.clicked() {
            scene.actions.push(Action::Select(step - 1));
        }
    }
    axes::describe(&shown.response, &shown.transform, |x, y| {
        let [low, high] = y.map(|end| GridMark { value: end, step_size: (y[1] - y[0]) / 100.0 });
        let (low, high) = (number(scale, low), number(scale, high));
        format!("Plot of step {} to {} and {} {low} to {high}", x[0].ceil(), x[1].floor(), name(scale))
    });
}

/// Draws the pieces of a curve; one of a single point is a dot.
fn draw(plot: &mut PlotUi<'_>, series: &Series, pieces: &[Vec<[f64; 2]>]) {
    for piece in pieces {
        if let [point] = piece[..] {
            plot.points(Points::new("", vec![point]).color(series.color).radius(2.0));
        }
        let line = Line::new("", PlotPoints::from(piece.clone())).allow_hover(false);
        plot.line(line.color(series.color).width(1.75).style(series.style));
    }
}

fn name(scale: PinScale) -> &'static str {
    match scale {
        PinScale::Logit => "raw logit",
        PinScale::LogProbability => "log-probability, nats",
        PinScale::Rank => "rank",
    }
}

/// As far as the record goes, with a little air.
fn axes_of(curves: &[Curve], scale: PinScale, steps: usize) -> Axes {
    let heights = || curves.iter().flat_map(|curve| &curve.stands).flatten().map(|stand| stand.height(scale));
    let y = match scale {
        PinScale::Logit => {
            let (low, high) =
                (heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max));
            if low > high { [0.0, 1.0] } else { with_air(low, high) }
        }
        PinScale::LogProbability => axes::with_zero(heights(), 1.0),
        PinScale::Rank => {
            let low = heights().fold(-1.0, f64::min);
            [1.05 * low, -0.05 * low]
        }
    };
    Axes { x: [0.5, steps.max(2) as f64 + 0.5], y }
}

fn with_air(low: f64, high: f64) -> [f64; 2] {
    let air = ((high - low) * 0.08).max(0.5);
    [low - air, high + air]
}

/// Marks of a vertical axis.
fn marks(scale: PinScale, (low, high): (f64, f64)) -> Vec<GridMark> {
    if scale != PinScale::Rank {
        return axes::marks_up((low, high), 200.0);
    }
    let (digits, step_size): (&[f64], _) =
        if high - low > 3.0 { (&[1.0], 1.0) } else { (&[1.0, 2.0, 5.0], 0.3) };
    let powers = 0..=(-low).ceil().max(0.0) as i32;
    let values = powers.flat_map(|power| digits.iter().map(move |digit| -(digit.log10() + f64::from(power))));
    let within = values.filter(|value| (low..=high).contains(value));
    within.map(|value| GridMark { value, step_size }).collect()
}

/// Those at whole numbers.
fn whole(marks: Vec<GridMark>) -> Vec<GridMark> {
    marks.into_iter().filter(|mark| (mark.value - mark.value.round()).abs() < 1e-6).collect()
}

/// A mark of the vertical axis in words.
fn number(scale: PinScale, mark: GridMark) -> String {
    match scale {
        PinScale::Logit | PinScale::LogProbability => axes::decimal(mark),
        PinScale::Rank => format::count(10_f64.powf(-mark.value).round() as u64),
    }
}
