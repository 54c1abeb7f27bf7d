//! Twin of `Op::Route`: the experts of each row, and their shares.

use crate::model::config::RouterSoftmax;

/// The `active` highest of each row's `experts` scores, the lower index first among equals: in the output their
/// indices and then their shares.
pub(super) fn route(
    active: usize,
    softmax: RouterSoftmax,
    experts: usize,
    scores: &[f32],
    output: &mut [f32],
) {
    for (scores, output) in scores.chunks_exact(experts).zip(output.chunks_exact_mut(2 * active)) {
        let mut order: Vec<usize> = (0..experts).collect();
        // Adding 0 makes −0 equal to it.
        order.sort_by(|&one, &other| (scores[other] + 0.0).total_cmp(&(scores[one] + 0.0)));
        let chosen = &order[..active];
        let highest = f64::from(scores[chosen[0]]);
        let exponential = |expert: &usize| (f64::from(scores[*expert]) - highest).exp();
        let sum: f64 = match softmax {
            RouterSoftmax::BeforeTopK => order.iter().map(exponential).sum(),
            RouterSoftmax::AfterTopK => chosen.iter().map(exponential).sum(),
        };
        for (slot, expert) in chosen.iter().enumerate() {
            output[slot] = *expert as f32;
            output[active + slot] = (exponential(expert) / sum) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_scores_are_chosen_and_the_lower_index_among_equals() {
        let scores = [0.0, 2.0, f32::ln(3.0), 2.0, 0.0, 0.0, 0.0, f32::ln(3.0)];
        let mut output = [0.0; 8];
        route(2, RouterSoftmax::AfterTopK, 4, &scores, &mut output);
        assert_eq!(output, [1.0, 3.0, 0.5, 0.5, 3.0, 0.0, 0.75, 0.25]);
        route(2, RouterSoftmax::BeforeTopK, 4, &scores, &mut output);
        assert_eq!(output[4..], [3.0, 0.0, 0.5, 1.0 / 6.0]);
    }
}
