//! Whether memory or arithmetic bounds a phase: what its passes moved and computed a second, as shares of what the device
//! can do at most.

use egui::{RichText, ScrollArea, Ui, vec2};

use crate::session::{Comparison, DeviceLimits, MeasuredPass, PassWork};
use crate::ui::definitions;
use crate::ui::format;
use crate::ui::theme::{palette, semibold, size, space};
use crate::ui::widgets::{column, empty, fact, hint, thin_bar};

/// From this width on the phases stand side by side.
const BESIDE: f32 = 480.0;

/// Below this share of both limits neither bounds a phase.
const NEAR: f64 = 0.2;

/// Passes of one phase.
struct Phase {
    title: String,
    /// Token rows of a pass.
    rows: usize,
    /// Seconds of a pass, on average.
    seconds: f64,
    /// What a pass moved and computed, on average.
    work: PassWork,
}

/// Shows both phases.
pub(super) fn show(
    ui: &mut Ui,
    comparison: Option<&Comparison>,
    limits: Option<&Result<DeviceLimits, String>>,
) {
    let phases = comparison.map(phases).unwrap_or_default();
    let limits = match limits {
        Some(Ok(limits)) if !phases.is_empty() => *limits,
        Some(Err(reason)) => {
            let text = format!("What the device can do was not measured: {reason}");
            empty(ui, "No yardstick", &text);
            return;
        }
        _ => {
            let measuring = comparison.is_some_and(|comparison| !comparison.ended);
            let text = if measuring {
                "After the last step the device's copies and arithmetic are measured."
            } else {
                "Run it both ways: then the passes are timed, and after them what the device can copy and compute a \
                 second."
            };
            empty(ui, if measuring { "Measuring…" } else { "Not measured yet" }, text);
            return;
        }
    };
    ScrollArea::vertical().id_salt("limits").auto_shrink(false).show(ui, |ui| {
        let room = ui.available_width();
        if room >= BESIDE {
            let width = (room - space::XL) / 2.0;
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = space::XL;
                for phase in &phases {
                    column(ui, vec2(width, 0.0), |ui| card(ui, phase, limits));
                }
            });
        } else {
            phases.iter().for_each(|phase| {
                card(ui, phase, limits);
                ui.add_space(space::M);
            });
        }
        ui.add_space(space::M);
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            fact(ui, &definitions::COPY_BANDWIDTH, &bytes_a_second(limits.copy_bandwidth));
            fact(ui, &definitions::F32_RATE, &operations_a_second(limits.f32_rate));
        });
    });
}

/// Initiation, and the mean of the steps after it.
fn phases(comparison: &Comparison) -> Vec<Phase> {
    let Some((first, later)) = comparison.steps.split_first() else { return Vec::new() };
    let first = std::iter::once(&first.cached);
    let later: Vec<&MeasuredPass> = later.iter().map(|step| &step.cached).collect();
    let mean = |title: String, passes: &mut dyn Iterator<Item = &MeasuredPass>| -> Option<Phase> {
        let (mut count, mut sum) =
            (0, MeasuredPass { work: Some(PassWork::default()), ..MeasuredPass::default() });
        for pass in passes {
            count += 1;
            sum.rows += pass.rows;
            sum.seconds += pass.seconds;
            sum.work = sum.work.zip(pass.work).map(|(sum, work)| sum.and(work));
        }
        let work = sum.work.filter(|_| count > 0)?;
        let each = |bytes: u64| bytes / count as u64;
        Some(Phase {
            title,
            rows: sum.rows / count,
            seconds: sum.seconds / count as f64,
            work: PassWork {
                weight_bytes: each(work.weight_bytes),
                cache_bytes: each(work.cache_bytes),
                multiply_adds: work.multiply_adds / count as f64,
            },
        })
    };
    let of_later = format!("Incremental step, mean of {}", format::count(later.len() as u64));
    [mean("Initiation".to_owned(), &mut first.into_iter()), mean(of_later, &mut later.into_iter())]
        .into_iter()
        .flatten()
        .collect()
}

/// A phase's numbers, its two bars, and what follows from them.
fn card(ui: &mut Ui, phase: &Phase, limits: DeviceLimits) {
    ui.set_width(ui.available_width());
    ui.spacing_mut().item_spacing.y = 0.0;
    let palette = palette(ui);
    let title = RichText::new(&phase.title).font(semibold(size::BODY)).color(palette.text);
    ui.label(title);
    ui.add_space(space::XS);
    fact(ui, &definitions::PASS_ROWS, &format::count(phase.rows as u64));
    fact(ui, &definitions::PASS_TIME, &format::seconds(phase.seconds));
    fact(ui, &definitions::PASS_WEIGHTS, &format::bytes(phase.work.weight_bytes));
    fact(ui, &definitions::PASS_CACHE, &format::bytes(phase.work.cache_bytes));
    let moved = phase.work.bytes() as f64 / phase.seconds;
    let computed = 2.0 * phase.work.multiply_adds / phase.seconds;
    let (memory, arithmetic) = (moved / limits.copy_bandwidth, computed / limits.f32_rate);
    let percent = |share: f64| format::probability(share as f32);
    fact(ui, &definitions::MOVED, &format!("{} · {}", bytes_a_second(moved), percent(memory)));
    bar(ui, memory, memory >= arithmetic);
    fact(ui, &definitions::COMPUTED, &format!("{} · {}", operations_a_second(computed), percent(arithmetic)));
    bar(ui, arithmetic, arithmetic > memory);
    ui.add_space(space::S);
    hint(ui, &verdict(memory, arithmetic));
}

fn bar(ui: &mut Ui, share: f64, larger: bool) {
    let palette = palette(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 10.0), egui::Sense::hover());
    let track = egui::Rect::from_center_size(rect.center(), vec2(rect.width(), 4.0));
    thin_bar(ui, track, Some(share as f32), if larger { palette.accent } else { palette.tertiary });
}

/// What the shares of the two limits say.
fn verdict(memory: f64, arithmetic: f64) -> String {
    if memory.max(arithmetic) < NEAR {
        return "Neither limit is near. Most of the time goes elsewhere: into starting ops, waiting, and kernels that do \
                not keep the device busy."
            .to_owned();
    }
    if memory >= arithmetic {
        let cached = if memory > 1.0 {
            " It moves more than a copy does: part of the weights stays in the processor's own caches."
        } else {
            ""
        };
        format!(
            "Nearer to the limit of memory: the weights are fetched for few rows, and arithmetic waits for them.{cached}"
        )
    } else {
        "Nearer to the limit of arithmetic: each weight that is fetched serves many rows.".to_owned()
    }
}

fn bytes_a_second(rate: f64) -> String {
    format!("{}/s", format::bytes(rate as u64))
}

fn operations_a_second(rate: f64) -> String {
    match rate {
        rate if rate >= 1e12 => format!("{:.2} TFLOP/s", rate / 1e12),
        rate if rate >= 1e9 => format!("{:.1} GFLOP/s", rate / 1e9),
        rate => format!("{:.1} MFLOP/s", rate / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ComparedStep;

    fn step(rows: usize, seconds: f64, bytes: u64) -> ComparedStep {
        let work = Some(PassWork { weight_bytes: bytes, cache_bytes: 0, multiply_adds: 2.0 * rows as f64 });
        ComparedStep { cached: MeasuredPass { rows, chunks: 1, seconds, work }, ..ComparedStep::default() }
    }

    #[test]
    fn a_phase_is_the_mean_of_its_passes() {
        let steps = vec![step(10, 4.0, 100), step(1, 1.0, 60), step(1, 3.0, 80)];
        let found = phases(&Comparison { steps, ..Comparison::default() });
        let numbers = found.iter().map(|phase| (phase.rows, phase.seconds, phase.work.bytes()));
        assert_eq!(numbers.collect::<Vec<_>>(), [(10, 4.0, 100), (1, 2.0, 70)]);
        assert_eq!(found[1].work.multiply_adds, 2.0);
        assert!(phases(&Comparison::default()).is_empty());
    }

    #[test]
    fn the_larger_share_bounds_unless_both_are_small() {
        assert!(verdict(0.6, 0.1).contains("memory"));
        assert!(verdict(1.4, 0.1).contains("caches"));
        assert!(verdict(0.3, 0.5).contains("limit of arithmetic"));
        assert!(verdict(0.1, 0.15).contains("Neither"));
    }
}
