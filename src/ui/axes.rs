//! The axes of a plot. They are set anew in every frame: a plot that keeps its own shows one step's numbers on the
//! axes of another.

use egui::{Response, Role, Vec2b, WidgetInfo};
use egui_plot::{GridMark, Plot, PlotBounds, PlotTransform, PlotUi};

/// From how many points between two marks their labels begin to show, and show wholly: the marks are as many as have
/// room, so that none has to fade.
pub(super) const SHOWN: std::ops::RangeInclusive<f32> = 8.0..=16.0;

/// Room that a label of the horizontal axis takes, in points.
const LABEL_WIDTH: f32 = 56.0;
/// Room that a label of the vertical axis takes.
const LABEL_HEIGHT: f32 = 30.0;

/// Where the axes of a plot begin and end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axes {
    /// The horizontal one.
    pub x: [f64; 2],
    /// The vertical one.
    pub y: [f64; 2],
}

impl Axes {
    /// A plot that nobody moves, without a ground of its own.
    pub(super) fn plot<'a>(&self, name: &str, grid: egui::Color32) -> Plot<'a> {
        Plot::new(name)
            .show_background(false)
            .grid_color(grid)
            .allow_drag(false)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_boxed_zoom(false)
            .allow_double_click_reset(false)
    }

    /// Lets the plot have these axes in this very frame; gives where its points lie.
    pub(super) fn set(&self, plot: &mut PlotUi<'_>) -> PlotTransform {
        let bounds = self.bounds();
        plot.set_plot_bounds(bounds);
        PlotTransform::new(plot.response().rect, bounds, Vec2b::FALSE)
    }

    fn bounds(&self) -> PlotBounds {
        PlotBounds::from_min_max([self.x[0], self.y[0]], [self.x[1], self.y[1]])
    }
}

/// Names a plot for who cannot see it, by the axes that it was shown with.
pub(super) fn describe(
    response: &Response,
    transform: &PlotTransform,
    words: impl Fn([f64; 2], [f64; 2]) -> String,
) {
    let bounds = transform.bounds();
    let (min, max) = (bounds.min(), bounds.max());
    let text = words([min[0], max[0]], [min[1], max[1]]);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &text));
}

/// The ends of an axis for these values and zero, with a little air; no narrower than `least`.
pub(super) fn with_zero(values: impl Iterator<Item = f64>, least: f64) -> [f64; 2] {
    let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let air = (high - low).max(least) * 0.12;
    [if low < 0.0 { low - air } else { -air / 3.0 }, (low + least).max(high) + air]
}

/// Marks at round numbers, as many as have room on a horizontal axis of this length.
pub(super) fn marks_across(range: (f64, f64), points: f32) -> Vec<GridMark> {
    marks(range, points / LABEL_WIDTH)
}

/// The same for a vertical axis.
pub(super) fn marks_up(range: (f64, f64), points: f32) -> Vec<GridMark> {
    marks(range, points / LABEL_HEIGHT)
}

/// Marks at multiples of 1, 2 or 5 times a power of ten: as few as there is room for, but never fewer than three.
fn marks((low, high): (f64, f64), room: f32) -> Vec<GridMark> {
    let mut least = (high - low) / f64::from(room.clamp(4.0, 10.0));
    loop {
        let step = round_step(least);
        // A tiny bit more, so that an end that is a multiple gets its mark.
        let (first, last) = ((low / step - 1e-6).ceil() as i64, (high / step + 1e-6).floor() as i64);
        if last - first >= 2 || least <= 0.0 || !least.is_finite() {
            let mark = |index| GridMark { value: index as f64 * step, step_size: step };
            return (first..=last).map(mark).collect();
        }
        least /= 2.0;
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let least = if least.is_finite() && least > 0.0 { least } else { 1.0 };
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|step| *step >= least * 0.999)
        .unwrap_or(10.0 * power)
}

/// A mark's number with as many decimals as its step needs.
pub(super) fn decimal(mark: GridMark) -> String {
    let decimals = (-mark.step_size.log10().floor()).clamp(0.0, 9.0) as usize;
    // Minus zero is zero.
    super::format::signed(&format!("{:.decimals$}", mark.value + 0.0))
}

/// The ends of an axis as numbers that tell them apart.
pub(super) fn ends([low, high]: [f64; 2]) -> String {
    let end = |value: f64| decimal(GridMark { value, step_size: (high - low) / 100.0 });
    format!("{} to {}", end(low), end(high))
}

/// A mark's share in per cent.
pub(super) fn percent(mark: GridMark) -> String {
    let mark = GridMark { value: mark.value * 100.0, step_size: mark.step_size * 100.0 };
    format!("{} %", decimal(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_several_round_marks_whatever_its_range() {
        for range in
            [(-0.02, 0.224), (0.0, 1.0), (-0.001, 0.0031), (-0.4, 0.93), (0.0, 4e-5), (-3.0, 12_000.0)]
        {
            for points in [120.0, 300.0, 900.0] {
                let marks = marks_across(range, points);
                assert!((3..=11).contains(&marks.len()), "{range:?} {points}: {}", marks.len());
                let air = 1e-9 * (range.1 - range.0);
                let within = |mark: &GridMark| (range.0 - air..=range.1 + air).contains(&mark.value);
                assert!(marks.iter().all(within), "{range:?} {points}: {marks:?}");
                let words: std::collections::HashSet<String> =
                    marks.iter().map(|&mark| percent(mark)).collect();
                assert_eq!(words.len(), marks.len(), "each mark has words of its own: {words:?}");
            }
        }
        let mark = GridMark { value: 0.15, step_size: 0.05 };
        assert_eq!((decimal(mark), percent(mark)), ("0.15".to_owned(), "15 %".to_owned()));
    }

    #[test]
    fn an_axis_holds_its_values_and_zero() {
        for values in [vec![0.02, 0.3], vec![-0.4, 0.1], vec![-0.9, -0.2], vec![]] {
            let [low, high] = with_zero(values.iter().copied(), 0.05);
            assert!(low <= 0.0 && high > 0.0 && high - low >= 0.05);
            assert!(values.iter().all(|value| (low..=high).contains(value)), "{values:?} in {low}..{high}");
        }
    }
}
