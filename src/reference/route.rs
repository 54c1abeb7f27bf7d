//! Twin of `Op::Route`: the experts of each row, and their shares.

use crate::model::config::{ExpertGroups, GroupRank, RouterConfig, RouterScores};

/// What the op says, with its tensor's numbers.
pub(super) struct Routing<'a> {
    pub active: usize,
    pub router: RouterConfig,
    pub bias: Option<&'a [f32]>,
    /// Factors on the shares.
    pub factors: Option<&'a [f32]>,
    pub experts: usize,
}

/// The experts of each row of results in the order of choice, the lower index first among equals: in the output their
/// indices and then their shares.
pub(super) fn route(routing: &Routing, results: &[f32], output: &mut [f32]) {
    let Routing { active, router, experts, .. } = *routing;
    for (results, output) in results.chunks_exact(experts).zip(output.chunks_exact_mut(2 * active)) {
        let scores = scores(router.scores, results);
        let chosen = choose(routing, results, &scores);
        let weights: Vec<f64> = match router.scores {
            RouterScores::Softmax | RouterScores::Sigmoid => {
                chosen.iter().map(|&expert| scores[expert]).collect()
            }
            RouterScores::SparseMixer { spread } => {
                (0..active).map(|slot| mixed(results, &chosen[..slot], chosen[slot], spread)).collect()
            }
        };
        let sum: f64 = match router.renormalised {
            None => 1.0,
            Some(epsilon) => weights.iter().sum::<f64>() + f64::from(epsilon),
        };
        for (slot, (&expert, weight)) in chosen.iter().zip(weights).enumerate() {
            output[slot] = expert as f32;
            let own = routing.factors.map_or(1.0, |factors| f64::from(factors[expert]));
            output[active + slot] = (f64::from(router.factor) * own * weight / sum) as f32;
        }
    }
}

fn scores(kind: RouterScores, results: &[f32]) -> Vec<f64> {
    let results = results.iter().map(|&result| f64::from(result));
    match kind {
        RouterScores::Sigmoid => results.map(|result| 1.0 / (1.0 + (-result).exp())).collect(),
        // Only the chosen ones have a score in a sparse mixer.
        RouterScores::Softmax | RouterScores::SparseMixer { .. } => {
            let highest = results.clone().fold(f64::NEG_INFINITY, f64::max);
            let exponentials: Vec<f64> = results.map(|result| (result - highest).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            exponentials.into_iter().map(|exponential| exponential / sum).collect()
        }
    }
}

/// The score of an expert chosen after others in a sparse mixer: the softmax over those that were left and lie close to it.
fn mixed(results: &[f32], before: &[usize], chosen: usize, spread: f32) -> f64 {
    let highest = results[chosen];
    let close = results.iter().enumerate().filter(|(expert, result)| {
        !before.contains(expert) && highest - **result <= spread * result.abs().max(highest)
    });
    1.0 / close.map(|(_, result)| f64::from(result - highest).exp()).sum::<f64>()
}

/// The indices of the experts that are preferred most.
fn choose(routing: &Routing, results: &[f32], scores: &[f64]) -> Vec<usize> {
    let Routing { active, router: RouterConfig { groups, .. }, bias, experts, .. } = *routing;
    // Scores rise with the results: without a bias they choose alike. Where it decides, in f32 as everywhere, so
    // that scores which are equal there are equal here.
    let preferences: Vec<f32> = match (bias, groups) {
        (None, None) => results.to_vec(),
        (Some(bias), _) => scores.iter().zip(bias).map(|(score, bias)| *score as f32 + bias).collect(),
        (None, Some(_)) => scores.iter().map(|score| *score as f32).collect(),
    };
    let candidates = match groups {
        None => descending(&preferences, (0..experts).collect()),
        Some(groups) => descending(&preferences, in_kept_groups(groups, &preferences)),
    };
    candidates[..active].to_vec()
}

/// The experts of those groups whose most preferred one, or two of them together, are preferred most.
fn in_kept_groups(ExpertGroups { count, kept, rank }: ExpertGroups, preferences: &[f32]) -> Vec<usize> {
    let size = preferences.len() / count;
    let largest = match rank {
        GroupRank::Largest => 1,
        GroupRank::TwoLargest => 2,
    };
    let rank = |group: &[f32]| -> f32 {
        let order = descending(group, (0..size).collect());
        order.iter().take(largest).map(|&index| group[index]).sum()
    };
    let ranks: Vec<f32> = preferences.chunks_exact(size).map(rank).collect();
    let groups = descending(&ranks, (0..count).collect());
    groups[..kept].iter().flat_map(|group| group * size..(group + 1) * size).collect()
}

/// The indices by falling value, the lower first among equals.
fn descending(values: &[f32], mut indices: Vec<usize>) -> Vec<usize> {
    // Adding 0 makes −0 equal to it.
    indices
        .sort_by(|&one, &other| (values[other] + 0.0).total_cmp(&(values[one] + 0.0)).then(one.cmp(&other)));
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_scores_are_chosen_and_the_lower_index_among_equals() {
        let scores = [0.0, 2.0, f32::ln(3.0), 2.0, 0.0, 0.0, 0.0, f32::ln(3.0)];
        let mut output = [0.0; 8];
        let router = RouterConfig::SOFTMAX_OF_CHOSEN;
        let routing = Routing { active: 2, router, bias: None, factors: None, experts: 4 };
        route(&routing, &scores, &mut output);
        assert_eq!(output, [1.0, 3.0, 0.5, 0.5, 3.0, 0.0, 0.75, 0.25]);
        route(&Routing { router: RouterConfig::SOFTMAX_OF_ALL, ..routing }, &scores, &mut output);
        assert_eq!(output[4..], [3.0, 0.0, 0.5, 1.0 / 6.0]);
        let factors = Some(&[4.0, 1.0, 1.0, 2.0][..]);
        route(&Routing { factors, ..routing }, &scores, &mut output);
        assert_eq!(output, [1.0, 3.0, 0.5, 1.0, 3.0, 0.0, 1.5, 1.0]);
    }

    /// As transformers' `sparsemixer` of Phi-3.5-MoE with a jitter of 0.1 computes it.
    #[test]
    fn a_sparse_mixer_scores_experts_among_those_close_to_them() {
        // 1 is close to 1.1, 0.85 is close to 1 but not to 1.1, and nothing else is close.
        let scores = [1.0, -2.0, 1.1, 0.85, -1.0];
        let router = RouterConfig {
            scores: RouterScores::SparseMixer { spread: 0.2 },
            ..RouterConfig::SOFTMAX_OF_ALL
        };
        let mut output = [0.0; 4];
        let routing = Routing { active: 2, router, bias: None, factors: None, experts: 5 };
        route(&routing, &scores, &mut output);
        assert_eq!(output[..2], [2.0, 0.0]);
        for (share, expected) in output[2..].iter().zip([0.524_979_2, 0.537_429_9]) {
            assert!((share - expected).abs() < 1e-6, "{output:?}");
        }
    }

    #[test]
    fn experts_come_from_the_groups_that_rank_highest() {
        // The sigmoids are ¼ and ½, ¾ and ⅒: the first group has more together, the second the largest.
        let scores = [f32::ln(1.0 / 3.0) + 1e-3, 0.5, f32::ln(3.0), f32::ln(1.0 / 9.0) - 1.0];
        let chosen_by = |rank| {
            let groups = Some(ExpertGroups { count: 2, kept: 1, rank });
            let router = RouterConfig { groups, ..RouterConfig::SIGMOID };
            let mut output = [0.0; 4];
            let routing = Routing { active: 2, router, bias: None, factors: None, experts: 4 };
            route(&routing, &scores, &mut output);
            [output[0], output[1]]
        };
        assert_eq!(chosen_by(GroupRank::TwoLargest), [1.0, 0.0]);
        assert_eq!(chosen_by(GroupRank::Largest), [2.0, 3.0]);
    }
}
