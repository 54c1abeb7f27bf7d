//! How far the logits of one model are from another one's with the same vocabulary, position by position: what a smaller
//! precision costs.

use serde::Serialize;

/// How one position's logits differ; a are those that are judged and b the original ones, over the V entries of the
/// vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Divergence {
    /// ‖a − b‖₂ / ‖b‖₂.
    pub relative_error: f64,
    /// Kullback–Leibler divergence Σ p(b) · (ln p(b) − ln p(a)) of the two softmax distributions, in nats.
    pub kl_nats: f64,
    /// Whether the highest logit is the same token's.
    pub top_agrees: bool,
}

/// The divergence over all positions of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DivergenceSummary {
    /// Mean of the positions' relative errors.
    pub mean_relative_error: f64,
    /// The largest of them.
    pub largest_relative_error: f64,
    /// Mean of the positions' Kullback–Leibler divergences, in nats.
    pub mean_kl_nats: f64,
    /// Part of the positions whose highest logit is the same token's, from 0 to 1.
    pub top_agreement: f64,
}

impl Divergence {
    /// Of a row of logits, `judged`, from the `original` ones.
    pub fn of(original: &[f32], judged: &[f32]) -> Self {
        let pairs = || original.iter().zip(judged).map(|(b, a)| (f64::from(*b), f64::from(*a)));
        let difference: f64 = pairs().map(|(b, a)| (a - b).powi(2)).sum();
        let length: f64 = pairs().map(|(b, _)| b.powi(2)).sum();
        let (log_sum_b, log_sum_a) = (log_sum_exp(original), log_sum_exp(judged));
        let kl_nats = pairs().map(|(b, a)| {
            let (log_b, log_a) = (b - log_sum_b, a - log_sum_a);
            if log_b == f64::NEG_INFINITY { 0.0 } else { log_b.exp() * (log_b - log_a) }
        });
        Self {
            relative_error: if difference == 0.0 { 0.0 } else { (difference / length).sqrt() },
            kl_nats: kl_nats.sum::<f64>().max(0.0),
            top_agrees: highest(original) == highest(judged),
        }
    }
}

impl DivergenceSummary {
    /// Over some positions.
    pub fn of(positions: &[Divergence]) -> Self {
        let mean = |value: fn(&Divergence) -> f64| {
            positions.iter().map(value).sum::<f64>() / positions.len().max(1) as f64
        };
        Self {
            mean_relative_error: mean(|position| position.relative_error),
            largest_relative_error: positions.iter().map(|it| it.relative_error).fold(0.0, f64::max),
            mean_kl_nats: mean(|position| position.kl_nats),
            top_agreement: mean(|position| f64::from(u8::from(position.top_agrees))),
        }
    }
}

/// ln Σ exp(x), from the largest on.
pub fn log_sum_exp(row: &[f32]) -> f64 {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = row.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum();
    largest + sum.ln()
}

/// Index of the highest, the lower one among equals.
fn highest(row: &[f32]) -> Option<usize> {
    (0..row.len()).max_by(|left, right| row[*left].total_cmp(&row[*right]).then(right.cmp(left)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_is_as_its_formulas_say() {
        // Two entries at probability 1/2 each against 1/4 and 3/4.
        let original = [1.0, 1.0];
        let judged = [1.0, 1.0 + 3.0_f32.ln()];
        let divergence = Divergence::of(&original, &judged);
        let expected = 3.0_f64.ln() / 2.0_f64.sqrt();
        assert!((divergence.relative_error - expected).abs() < 1e-6, "{divergence:?}");
        let expected = 0.5 * 2.0_f64.ln() + 0.5 * (2.0_f64 / 3.0).ln();
        assert!((divergence.kl_nats - expected).abs() < 1e-6, "{divergence:?}");
        assert!(!divergence.top_agrees);
        let none = Divergence::of(&original, &original);
        assert_eq!(none, Divergence { relative_error: 0.0, kl_nats: 0.0, top_agrees: true });
        let summary = DivergenceSummary::of(&[divergence, none]);
        assert_eq!(summary.largest_relative_error, divergence.relative_error);
        assert_eq!(summary.mean_relative_error, divergence.relative_error / 2.0);
        assert_eq!(summary.top_agreement, 0.5);
    }
}
