//! What the trace tells of each pinned token, step by step.

use crate::trace::{Node, Run, Token};
use crate::ui::scene::Scene;
use crate::ui::state::{Origin, PinScale};

/// A pinned token along the run's line.
pub(super) struct Curve {
    /// The token.
    pub token: Token,
    /// Whether it pinned itself.
    pub automatic: bool,
    /// Where it stood at each place of the line; `None` where no row told.
    pub stands: Vec<Option<Stand>>,
}

/// Where a token stood at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stand {
    /// Its raw logit.
    pub logit: f32,
    /// Its log-probability under the raw softmax.
    pub log_probability: f32,
    /// Its rank by raw logit, from 1.
    pub rank: usize,
    /// Its probability after the stages.
    pub probability: f32,
}

/// A curve for each pinned token of the run on show.
pub(super) fn of(scene: &Scene<'_>) -> Vec<Curve> {
    let empty = Run::default();
    let run = scene.run().unwrap_or(&empty);
    let curve = |token: &Token, automatic| Curve {
        token: token.clone(),
        automatic,
        stands: run.line_nodes().map(|node| stand(node, token.id)).collect(),
    };
    match scene.state.origin {
        Origin::Worker => {
            scene.view.pinned.iter().map(|pinned| curve(&pinned.token, pinned.automatic)).collect()
        }
        Origin::Past | Origin::File => run.pinned.iter().map(|token| curve(token, false)).collect(),
    }
}

/// Where a token stood at a step: as it was recorded, or as one of the candidates.
fn stand(node: &Node, token: u32) -> Option<Stand> {
    let (logit, rank, probability) = match node.pinned.iter().find(|pinned| pinned.token == token) {
        Some(pinned) => (pinned.logit, pinned.rank, pinned.probability),
        None => {
            let place = node.candidates.iter().position(|candidate| candidate.token == token)?;
            let candidate = &node.candidates[place];
            let rank = if token == node.token { node.rank } else { place + 1 };
            (candidate.logit, rank, candidate.probability)
        }
    };
    Some(Stand { logit, log_probability: logit - node.log_sum_exp, rank, probability })
}

impl Stand {
    /// Its height in the plot: ranks on a logarithmic scale, the first on top.
    pub(super) fn height(&self, scale: PinScale) -> f64 {
        match scale {
            PinScale::Logit => f64::from(self.logit),
            PinScale::LogProbability => f64::from(self.log_probability),
            PinScale::Rank => -(self.rank as f64).log10(),
        }
    }
}

impl Curve {
    /// Unbroken pieces of the curve, as points of step and height; no more of them than twice the width in points.
    pub(super) fn pieces(&self, scale: PinScale, width: f32) -> Vec<Vec<[f64; 2]>> {
        let heights = self.stands.iter().map(|stand| stand.map(|stand| stand.height(scale)));
        let points: Vec<Option<[f64; 2]>> =
            (1..).zip(heights).map(|(step, height): (usize, _)| Some([step as f64, height?])).collect();
        let pieces = points.split(Option::is_none).filter(|piece| !piece.is_empty());
        let together = (points.len() as f32 / width.max(1.0)).ceil().max(1.0) as usize;
        pieces.map(|piece| thinned(&piece.iter().flatten().copied().collect::<Vec<_>>(), together)).collect()
    }

    /// Whether some steps tell nothing of it.
    pub(super) fn has_gaps(&self) -> bool {
        self.stands.iter().any(Option::is_none)
    }
}

/// Of each so many points the lowest and the highest, in their order.
fn thinned(points: &[[f64; 2]], together: usize) -> Vec<[f64; 2]> {
    if together < 3 {
        return points.to_vec();
    }
    let extremes = |chunk: &[[f64; 2]]| {
        let by_height = |one: &&[f64; 2], other: &&[f64; 2]| one[1].total_cmp(&other[1]);
        let ends = [chunk.iter().min_by(by_height), chunk.iter().max_by(by_height)];
        let mut ends: Vec<[f64; 2]> = ends.into_iter().flatten().copied().collect();
        ends.sort_by(|one, other| one[0].total_cmp(&other[0]));
        ends
    };
    points.chunks(together).flat_map(extremes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Candidate, Pinned};

    #[test]
    fn a_token_stands_where_it_was_recorded_or_listed_and_nowhere_else() {
        let candidate = |token, logit| Candidate { token, logit, probability: 0.25, ..Candidate::default() };
        let node = Node {
            token: 9,
            rank: 70,
            log_sum_exp: 5.0,
            candidates: vec![candidate(4, 3.0), candidate(5, 2.0), candidate(9, -1.0)],
            pinned: vec![Pinned { token: 8, logit: 1.0, rank: 12, probability: 0.5 }],
            ..Node::default()
        };
        let stands = |token| stand(&node, token).map(|stand| (stand.logit, stand.rank, stand.probability));
        assert_eq!(stands(8), Some((1.0, 12, 0.5)));
        assert_eq!(stands(5), Some((2.0, 2, 0.25)));
        assert_eq!(stands(9), Some((-1.0, 70, 0.25)), "the chosen one stands below the list");
        assert_eq!(stands(6), None);
        assert_eq!(stand(&node, 8).map(|stand| stand.log_probability), Some(-4.0));
    }

    #[test]
    fn gaps_break_the_curve_and_long_ones_keep_their_extremes() {
        let at = |logit| Some(Stand { logit, log_probability: 0.0, rank: 1, probability: 0.0 });
        let mut stands = vec![None, at(1.0), at(2.0), None, at(3.0)];
        let curve = |stands: &[Option<Stand>]| Curve {
            token: Token::default(),
            automatic: false,
            stands: stands.to_vec(),
        };
        let pieces = curve(&stands).pieces(PinScale::Logit, 500.0);
        assert_eq!(pieces, [vec![[2.0, 1.0], [3.0, 2.0]], vec![[5.0, 3.0]]]);
        assert!(curve(&stands).has_gaps());
        stands = (0..10_000).map(|step| at(if step == 4321 { 50.0 } else { (step % 7) as f32 })).collect();
        let long = curve(&stands);
        let pieces = long.pieces(PinScale::Logit, 500.0);
        assert!(pieces.len() == 1 && pieces[0].len() <= 1000, "{}", pieces[0].len());
        assert!(pieces[0].contains(&[4322.0, 50.0]) && !long.has_gaps());
    }
}
