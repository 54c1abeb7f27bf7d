//! What the record tells of each lane.

use crate::trace::Run;
use crate::ui::lane_names;
use crate::ui::scene::Scene;

/// A lane beside the others.
pub(super) struct Column<'a> {
    /// What it is called.
    pub name: String,
    /// Its run with the number that it has among the runs, where it ran.
    pub run: Option<(usize, &'a Run)>,
    /// The first place at which it is no more as the first lane, as far as that is known.
    pub leaves: Option<usize>,
    /// Whether its settings are others than those of its run.
    pub changed: bool,
}

impl Column<'_> {
    /// Whether its run is the one on show.
    pub(super) fn is_shown(&self, scene: &Scene<'_>) -> bool {
        self.run.is_some_and(|(run, _)| scene.view.lanes.shown() == Some(run))
    }
}

/// The columns, in the order of the lanes.
pub(super) fn of<'a>(scene: &Scene<'a>) -> Vec<Column<'a>> {
    let lanes = &scene.state.remembered.lanes;
    let run = |lane: usize| {
        let run = lanes[lane].ran.as_ref()?.run;
        Some((run, scene.view.lane(run)?))
    };
    let first = run(0);
    let column = |lane: usize| {
        let settings = &lanes[lane].settings;
        let name = match lane {
            0 => lane_names::of_first(settings),
            _ => lane_names::of_other(&lanes[0].settings, settings),
        };
        let (own, changed) = (run(lane), lanes[lane].is_changed());
        let leaves = match (first, own) {
            (Some((_, first)), Some((_, own))) if lane > 0 => leaves(first, own),
            _ => None,
        };
        Column { name, run: own, leaves, changed }
    };
    (0..lanes.len()).map(column).collect()
}

/// The first place at which two texts differ: they have other tokens there, or one of them has ended.
fn leaves(first: &Run, other: &Run) -> Option<usize> {
    let same = first.line_nodes().zip(other.line_nodes()).take_while(|(one, other)| one.token == other.token);
    let same = same.count();
    let (one, two) = (first.line.len(), other.line.len());
    let ended = |run: &Run, length: usize| run.stop.is_some() && same == length;
    let differ =
        same < one.min(two) || (ended(first, one) && two > same) || (ended(other, two) && one > same);
    differ.then_some(same)
}

/// Figures of a lane's run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    /// Tokens of its text.
    pub tokens: usize,
    /// Passes of the model, its own initiation included.
    pub passes: usize,
    /// Token rows that they computed.
    pub rows: u64,
    /// Seconds that they took.
    pub seconds: f64,
    /// Mean of the tokens' surprisals, in nats; `None` where there are none.
    pub surprisal: Option<f64>,
}

impl Totals {
    /// Of a run so far.
    pub(super) fn of(run: &Run) -> Self {
        let (first, then) = (run.phases.initiation, run.phases.incremental);
        let tokens = run.line.len();
        let sum: f64 = run.line_nodes().map(|node| -f64::from(node.log_probability)).sum();
        Self {
            tokens,
            passes: usize::from(first.amount > 0) + run.phases.incremental_steps,
            rows: first.amount + then.amount,
            seconds: first.seconds + then.seconds,
            surprisal: (tokens > 0).then(|| sum / tokens as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Node, PhaseFigures, StopReason};

    fn run(tokens: &[u32], stop: Option<StopReason>) -> Run {
        let mut run = Run { stop, ..Run::default() };
        for &token in tokens {
            run.push(Node { token, log_probability: -0.5 * token as f32, ..Node::default() });
        }
        run
    }

    #[test]
    fn a_lane_leaves_the_first_one_at_another_token_or_where_one_of_them_has_ended() {
        let ended = Some(StopReason::Eos);
        let first = run(&[1, 2, 3], None);
        assert_eq!(leaves(&first, &run(&[1, 2, 3], None)), None);
        assert_eq!(leaves(&first, &run(&[1, 9, 3], None)), Some(1));
        assert_eq!(leaves(&first, &run(&[1, 2], None)), None, "it may come");
        assert_eq!(leaves(&first, &run(&[1, 2], ended)), Some(2));
        assert_eq!(leaves(&first, &run(&[1, 2, 3, 4], None)), None);
        assert_eq!(leaves(&run(&[1, 2, 3], ended), &run(&[1, 2, 3, 4], None)), Some(3));
        assert_eq!(leaves(&run(&[1, 2], ended), &run(&[1, 2], ended)), None);
    }

    #[test]
    fn totals_are_sums_over_both_phases() {
        let mut run = run(&[1, 2, 3], None);
        run.phases.initiation = PhaseFigures { seconds: 0.5, amount: 9 };
        run.phases.incremental = PhaseFigures { seconds: 0.25, amount: 8 };
        run.phases.incremental_steps = 2;
        let expected = Totals {
            tokens: 3,
            passes: 3,
            rows: 17,
            seconds: 0.75,
            surprisal: Some((0.5 + 1.0 + 1.5) / 3.0),
        };
        assert_eq!(Totals::of(&run), expected);
        assert_eq!(Totals::of(&Run::default()), Totals::default());
    }
}
