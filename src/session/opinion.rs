//! What two models say of the same step of a text, and the sums over a text.

use crate::model::divergence::{Divergence, log_sum_exp};
use crate::model::selection::highest_of;
use crate::trace::Token;

/// What a second model says of a step of a text that another one, the first, decoded. All of it is about the raw softmax of
/// both, before any stage.
#[derive(Clone, Debug, PartialEq)]
pub struct SecondOpinion {
    /// The step: an index in [`crate::trace::Run::nodes`].
    pub node: usize,
    /// Kullback–Leibler divergence KL(first || second) = Σ p₁ · (ln p₁ − ln p₂) over the vocabulary, in nats.
    pub kl_nats: f64,
    /// What the model of the text says, computed once more: in the last bits it may differ from the run.
    pub first: Opinion,
    /// What the second model says.
    pub second: Opinion,
}

/// What a model says of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opinion {
    /// The token that it holds for most likely.
    pub top: Token,
    /// The logarithm of what it gives the text's token, in nats.
    pub log_probability: f64,
}

/// Means and the like over the steps of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpinionSummary {
    /// Part of the steps at which both hold the same token for most likely, from 0 to 1.
    pub top_agreement: f64,
    /// Mean of the divergences, in nats.
    pub mean_kl_nats: f64,
    /// The largest of them.
    pub largest_kl_nats: f64,
    /// The place of that one in the line.
    pub largest_at: usize,
    /// Mean of −ln p of the text's tokens, in nats, by the first model and by the second.
    pub mean_surprisal: [f64; 2],
}

impl SecondOpinion {
    /// Of rows of logits of both models, of which `token` was chosen at this node. Neither has NaN.
    pub(super) fn of(node: usize, token: u32, first: &[f32], second: &[f32]) -> Self {
        let kl_nats = Divergence::of(first, second).kl_nats;
        Self { node, kl_nats, first: Opinion::of(first, token), second: Opinion::of(second, token) }
    }

    /// Whether both hold the same token for most likely.
    pub fn agrees(&self) -> bool {
        self.first.top.id == self.second.top.id
    }
}

impl Opinion {
    fn of(logits: &[f32], token: u32) -> Self {
        let id = highest_of(logits, 1).first().map_or(0, |(id, _)| *id);
        let log_probability = f64::from(logits[token as usize]) - log_sum_exp(logits);
        Self { top: Token { id, piece: String::new() }, log_probability }
    }
}

impl OpinionSummary {
    /// Over some steps; `None` over none.
    pub fn of<'a>(opinions: impl IntoIterator<Item = &'a SecondOpinion>) -> Option<Self> {
        let mut sums = Self {
            top_agreement: 0.0,
            mean_kl_nats: 0.0,
            largest_kl_nats: 0.0,
            largest_at: 0,
            mean_surprisal: [0.0; 2],
        };
        let mut count = 0;
        for opinion in opinions {
            sums.top_agreement += f64::from(u8::from(opinion.agrees()));
            sums.mean_kl_nats += opinion.kl_nats;
            if opinion.kl_nats > sums.largest_kl_nats {
                (sums.largest_kl_nats, sums.largest_at) = (opinion.kl_nats, count);
            }
            sums.mean_surprisal[0] -= opinion.first.log_probability;
            sums.mean_surprisal[1] -= opinion.second.log_probability;
            count += 1;
        }
        let mean = |sum: f64| sum / count as f64;
        (count > 0).then(|| Self {
            top_agreement: mean(sums.top_agreement),
            mean_kl_nats: mean(sums.mean_kl_nats),
            mean_surprisal: sums.mean_surprisal.map(mean),
            ..sums
        })
    }

    /// exp of the mean surprisals: of how many equally likely tokens a choice would be as uncertain.
    pub fn perplexity(&self) -> [f64; 2] {
        self.mean_surprisal.map(f64::exp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opinion_and_its_sums_are_as_their_formulas_say() {
        // 1/2, 1/2 by the first and 1/4, 3/4 by the second.
        let (first, second) = ([0.0, 0.0], [1.0, 1.0 + 3.0_f32.ln()]);
        let other = SecondOpinion::of(7, 0, &first, &second);
        let expected = 0.5 * 2.0_f64.ln() + 0.5 * (2.0_f64 / 3.0).ln();
        assert!((other.kl_nats - expected).abs() < 1e-6, "{other:?}");
        assert!((other.first.log_probability - 0.5_f64.ln()).abs() < 1e-6);
        assert!((other.second.log_probability - 0.25_f64.ln()).abs() < 1e-6);
        assert_eq!((other.first.top.id, other.second.top.id, other.agrees()), (0, 1, false));
        let same = SecondOpinion::of(8, 1, &first, &first);
        assert!(same.agrees() && same.kl_nats == 0.0);
        let sums = OpinionSummary::of([&same, &other]).expect("there are some");
        assert_eq!((sums.top_agreement, sums.largest_at), (0.5, 1));
        assert_eq!((sums.mean_kl_nats, sums.largest_kl_nats), (other.kl_nats / 2.0, other.kl_nats));
        let [by_first, by_second] = sums.perplexity();
        assert!((by_first - 2.0).abs() < 1e-6 && (by_second - 8.0_f64.sqrt()).abs() < 1e-6, "{sums:?}");
        assert_eq!(OpinionSummary::of([]), None);
    }
}
