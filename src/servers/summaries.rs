//! What a server sent of a row, as a summary of it.

use super::row::SentRow;
use crate::model::Summary;
use crate::model::selection::{RowHandle, SamplingParams, Unlisted};

/// The summary of a row of which at least one log-probability was sent; `chosen` is what the server chose.
///
/// All probabilities add up to 1, so the sum over all V is known: Σ exp(l − highest) = 1 / p(highest).
pub(super) fn summary(row: RowHandle, sent: &SentRow, vocabulary: usize, params: &SamplingParams) -> Summary {
    let highest = sent.log_probabilities.first().map_or(0.0, |&highest| f64::from(highest));
    let below = || sent.log_probabilities.iter().map(|&value| f64::from(value) - highest);
    let listed: f64 = below().map(f64::exp).sum();
    let is_whole = sent.tokens.len() >= vocabulary;
    let extreme = |value: f32| value == f32::NEG_INFINITY || value != 0.0 && value.abs() < 1e-30;
    Summary {
        row,
        vocabulary,
        tokens: sent.tokens.clone(),
        logits: sent.log_probabilities.clone(),
        sum: if is_whole { listed } else { listed.max((-highest).exp()) },
        weighted_sum: below().filter(|below| below.is_finite()).map(|below| below * below.exp()).sum(),
        tempered_sum: below().map(|below| (below / f64::from(params.temperature)).exp()).sum(),
        zeros: sent.log_probabilities.iter().filter(|&&value| value == 0.0).count(),
        extremes: sent.log_probabilities.iter().filter(|&&value| extreme(value)).count(),
        broken: 0,
        chosen: sent.chosen,
        pinned: Vec::new(),
        unlisted: if is_whole { Unlisted::Summed } else { Unlisted::Weighed },
    }
}
