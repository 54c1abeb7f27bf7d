//! What is known of another model's column.

use egui::{Color32, Ui};

use super::super::columns::Column;
use crate::session::{OpinionSummary, SecondOpinion, SecondView};
use crate::trace::Run;
use crate::ui::colours::series;
use crate::ui::scene::Scene;

/// A divergence below this is the noise of two computations: no bar shows it.
const NOISE: f64 = 1e-4;

/// What is known of it.
pub(in crate::ui::panels::lanes) struct Second<'a> {
    pub(super) view: &'a SecondView,
    /// Lane A's run, where that is the one that it reads.
    run: Option<&'a Run>,
    /// What it says of the line as it is now.
    pub(super) opinions: &'a [SecondOpinion],
    pub(super) sums: Option<OpinionSummary>,
}

impl<'a> Second<'a> {
    /// `None` where there is no other model.
    pub(in crate::ui::panels::lanes) fn of(scene: &Scene<'a>, columns: &[Column<'a>]) -> Option<Self> {
        let view = &scene.view.second;
        if view.model.is_none() && view.loading.is_none() {
            return None;
        }
        // It reads the run of the lane that was the first one when they began.
        let run = columns.first().and_then(|column| column.run).filter(|(number, _)| *number == 0);
        let run = run.map(|(_, run)| run);
        let line = run.map_or(&[][..], |run| &run.line);
        let fits = view.opinions.iter().zip(line).take_while(|(opinion, node)| opinion.node == **node);
        let opinions = &view.opinions[..fits.count()];
        Some(Self { view, run, opinions, sums: OpinionSummary::of(opinions) })
    }

    /// What it says of a step.
    pub(super) fn at(&self, place: usize) -> Option<(&'a SecondOpinion, &'a Run)> {
        Some((self.opinions.get(place)?, self.run?))
    }

    /// How many steps there are to read.
    pub(super) fn steps(&self) -> usize {
        self.run.map_or(0, |run| run.line.len())
    }

    /// A divergence as a share of the largest of the text.
    pub(super) fn share(&self, kl_nats: f64) -> f64 {
        let largest = self.sums.map_or(0.0, |sums| sums.largest_kl_nats).max(NOISE);
        if kl_nats < NOISE { 0.0 } else { kl_nats / largest }
    }
}

/// Its colour: another one than those of the lanes.
pub(super) fn color(ui: &Ui) -> Color32 {
    series(ui, crate::ui::lanes::MOST_LANES).color
}

/// A divergence: `0.0123`, `1.2e−6`.
pub(super) fn nats(value: f64) -> String {
    let text = match value {
        0.0 => "0".to_owned(),
        v if !v.is_finite() => "∞".to_owned(),
        v if v >= 0.0995 => format!("{v:.3}"),
        v if v >= 0.000_995 => format!("{v:.4}"),
        v => format!("{v:.1e}"),
    };
    crate::ui::format::signed(&text)
}

#[cfg(test)]
mod tests {
    use super::nats;

    #[test]
    fn divergences_keep_their_first_digits() {
        assert_eq!(nats(0.0), "0");
        assert_eq!(nats(1.23456), "1.235");
        assert_eq!(nats(0.0123), "0.0123");
        assert_eq!(nats(0.000_001_24), "1.2e−6");
    }
}
