//! The time of each step, without the KV cache and with it.

use egui::{Sense, Ui};
use egui_plot::{AxisHints, GridMark, Line, PlotPoints, Points, VLine};

use super::way::Way;
use crate::session::Comparison;
use crate::ui::action::Action;
use crate::ui::axes::{self, Axes};
use crate::ui::format;
use crate::ui::scene::Scene;
use crate::ui::theme::palette;

/// Shows the two lines. Clicking selects a step.
pub(super) fn show(ui: &mut Ui, scene: &mut Scene<'_>, comparison: &Comparison, height: f32) {
    let palette = palette(ui);
    let milliseconds = |way: Way| -> Vec<[f64; 2]> {
        let steps = comparison.steps.iter().enumerate();
        steps.map(|(index, step)| [(index + 1) as f64, 1e3 * way.pass(step).seconds]).collect()
    };
    let lines = [Way::Uncached, Way::Cached].map(|way| (way, milliseconds(way)));
    let highest = lines.iter().flat_map(|(_, line)| line).map(|point| point[1]).fold(0.1, f64::max);
    let steps = comparison.tokens;
    let axes = Axes { x: [0.5, steps.max(2) as f64 + 0.5], y: [-0.03 * highest, 1.08 * highest] };
    let width = ui.available_width();
    let count = scene.run().map_or(0, |run| run.line.len());
    let shown_step = scene.state.cursor.shown(count);
    let shown = axes
        .plot("time of each step", palette.line)
        .height(height)
        .sense(Sense::click())
        .show_crosshair(false)
        .x_grid_spacer(move |grid| whole(axes::marks_across(grid.bounds, width)))
        .y_grid_spacer(move |grid| axes::marks_up(grid.bounds, height))
        .custom_x_axes(vec![
            AxisHints::new_x()
                .label("step")
                .label_spacing(axes::SHOWN)
                .formatter(|mark, _| format::count(mark.value.round() as u64)),
        ])
        .custom_y_axes(vec![
            AxisHints::new_y()
                .label("ms a step")
                .label_spacing(8.0..=16.0)
                .formatter(|mark, _| axes::decimal(mark)),
        ])
        .label_formatter(|_| None)
        .show(ui, |plot| {
            axes.set(plot);
            if let Some(step) = shown_step {
                plot.vline(VLine::new("step", (step + 1) as f64).color(palette.accent_soft).width(5.0));
            }
            for (way, line) in &lines {
                let color = way.ink(palette);
                if let [point] = line[..] {
                    plot.points(Points::new("", vec![point]).color(color).radius(2.5));
                }
                let line = Line::new("", PlotPoints::from(line.clone())).allow_hover(false);
                plot.line(line.color(color).width(1.75));
            }
        });
    if shown.response.clicked()
        && let Some(pointer) = shown.response.interact_pointer_pos()
    {
        let step = shown.transform.value_from_position(pointer).x.round().clamp(1.0, steps as f64);
        scene.actions.push(Action::Select(step as usize - 1));
    }
    axes::describe(&shown.response, &shown.transform, |x, y| {
        format!("Plot of step {} to {} and milliseconds {}", x[0].ceil(), x[1].floor(), axes::ends(y))
    });
}

/// Those at whole numbers.
fn whole(marks: Vec<GridMark>) -> Vec<GridMark> {
    marks.into_iter().filter(|mark| (mark.value - mark.value.round()).abs() < 1e-6).collect()
}
