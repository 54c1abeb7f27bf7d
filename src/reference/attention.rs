//! Twin of `Op::Attention`: softmax attention of one row over the positions it sees.

use std::ops::Range;

use super::linear::dot;
use super::soft_cap::capped;
use crate::model::config::{ScoreGrowth, ScoresConfig};
use crate::model::plan::AttentionOp;

/// The shape of an attention block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heads {
    /// H: query heads.
    pub query: usize,
    /// G: key/value heads.
    pub key_value: usize,
    /// D: elements of a head.
    pub width: usize,
    /// The first of them that belongs to a value, where values are parts of keys; else 0.
    pub first_of_value: usize,
    /// Factor on query·key before the softmax.
    pub scale: f32,
    /// What else is done to the scores.
    pub scores: ScoresConfig,
}

impl Heads {
    /// The columns of keys and values that a query head reads.
    fn group(&self, head: usize) -> Range<usize> {
        let group = head / (self.query / self.key_value);
        group * self.width..(group + 1) * self.width
    }
}

impl From<&AttentionOp> for Heads {
    fn from(op: &AttentionOp) -> Self {
        let AttentionOp { heads, key_value_heads, head_width, scale, scores, .. } = *op;
        let first_of_value = op.first_of_value();
        Self { query: heads, key_value: key_value_heads, width: head_width, first_of_value, scale, scores }
    }
}

/// `query` is one row, H·D, and `output` one of H times a value's width; `keys` and `values` hold a row of G·D for each
/// position seen.
///
/// Only visible positions are passed in, the row's own last, so that there is nothing to mask but what a window
/// or a chunk leaves out. `sinks` holds a score for each query head that has no value, or nothing. The largest score is
/// subtracted before the exponential.
pub(super) fn attention(
    heads: Heads,
    sinks: &[f32],
    query: &[f32],
    keys: &[&[f32]],
    values: &[&[f32]],
    output: &mut [f32],
) {
    let width = heads.width - heads.first_of_value;
    let mut mixed = vec![0.0_f64; width];
    for (head, output) in output.chunks_exact_mut(width).enumerate() {
        let group = heads.group(head);
        let mut weights = scores(heads, head, query, keys);
        let values = &values[values.len() - weights.len()..];
        let sink = sinks.get(head).map(|sink| f64::from(*sink));
        let highest = weights.iter().copied().chain(sink).fold(f64::MIN, f64::max);
        weights.iter_mut().for_each(|weight| *weight = (*weight - highest).exp());
        let total: f64 = weights.iter().copied().chain(sink.map(|sink| (sink - highest).exp())).sum();

        mixed.fill(0.0);
        for (weight, value) in weights.iter().zip(values) {
            for (mixed, value) in mixed.iter_mut().zip(&value[group.clone()][heads.first_of_value..]) {
                *mixed += weight * f64::from(*value);
            }
        }
        for (output, mixed) in output.iter_mut().zip(&mixed) {
            *output = (mixed / total) as f32;
        }
    }
}

/// The scores of a head before the softmax, a score for each position that the window leaves: `query` and `keys` are as
/// [`attention`] has them.
pub(super) fn scores(heads: Heads, head: usize, query: &[f32], keys: &[&[f32]]) -> Vec<f64> {
    let scale = f64::from(heads.scale) * grown(heads.scores.growth, keys.len() - 1);
    let keys = &keys[heads.scores.first_seen(keys.len())..];
    let group = heads.group(head);
    let query = &query[head * heads.width..][..heads.width];
    let slope = heads.scores.linear_bias.map_or(0.0, |factor| f64::from(factor) * slope(head, heads.query));
    let score = |(index, key): (usize, &&[f32])| {
        let product = dot(query, &key[group.clone()]) * scale;
        let score = heads.scores.cap.map_or(product, |cap| capped(cap, product));
        score - slope * (keys.len() - 1 - index) as f64
    };
    keys.iter().enumerate().map(score).collect()
}

/// What the scores of a row at `position` are multiplied by besides the scale.
fn grown(growth: Option<ScoreGrowth>, position: usize) -> f64 {
    let factor = |ScoreGrowth { rate, interval, offset }| {
        1.0 + f64::from(rate) * (1.0 + ((position + offset) / interval) as f64).ln()
    };
    growth.map_or(1.0, factor)
}

/// How much lower a score is for each position further away, in head `head` of `heads`: a geometric series over as
/// many heads as the largest power of two, and every other member of the next one for the rest (Press et al. 2022).
fn slope(head: usize, heads: usize) -> f64 {
    let power = 1 << heads.ilog2();
    let exponent = match head.checked_sub(power) {
        None => -8.0 * (head + 1) as f64 / power as f64,
        Some(rest) => -4.0 * (2 * rest + 1) as f64 / power as f64,
    };
    exponent.exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_softmax_of_scaled_products() {
        // Scores 0 and ln 3 after the scale: weights 1/4 and 3/4.
        let heads = Heads {
            query: 1,
            key_value: 1,
            width: 1,
            first_of_value: 0,
            scale: 0.5,
            scores: ScoresConfig::default(),
        };
        let mut output = [0.0];
        let key = 2.0 * 3.0_f32.ln();
        attention(heads, &[], &[1.0], &[&[0.0], &[key]], &[&[8.0], &[16.0]], &mut output);
        assert!((output[0] - 14.0).abs() < 1e-5, "{output:?}");
    }

    #[test]
    fn neighbouring_query_heads_share_a_key_value_head() {
        let heads = Heads {
            query: 4,
            key_value: 2,
            width: 1,
            first_of_value: 0,
            scale: 1.0,
            scores: ScoresConfig::default(),
        };
        let mut output = [0.0; 4];
        attention(heads, &[], &[1.0; 4], &[&[0.0, 0.0]], &[&[5.0, 7.0]], &mut output);
        assert_eq!(output, [5.0, 5.0, 7.0, 7.0]);
    }

    #[test]
    fn values_may_be_parts_of_keys() {
        // Keys of three elements, of which two are the value: equal scores, so the mean.
        let heads = Heads {
            query: 2,
            key_value: 1,
            width: 3,
            first_of_value: 1,
            scale: 1.0,
            scores: ScoresConfig::default(),
        };
        let keys: [&[f32]; 2] = [&[7.0, 2.0, 4.0], &[7.0, 4.0, 8.0]];
        let mut output = [0.0; 4];
        attention(heads, &[], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], &keys, &keys, &mut output);
        assert_eq!(output, [3.0, 6.0, 3.0, 6.0]);
    }

    #[test]
    fn a_window_leaves_out_what_is_further_away() {
        let scores = ScoresConfig { window: Some(2), ..ScoresConfig::default() };
        let heads = Heads { query: 1, key_value: 1, width: 1, first_of_value: 0, scale: 1.0, scores };
        let mut output = [0.0];
        attention(heads, &[], &[1.0], &[&[9.0], &[1.0], &[1.0]], &[&[100.0], &[3.0], &[5.0]], &mut output);
        assert_eq!(output, [4.0]);
    }

    #[test]
    fn a_chunk_leaves_out_what_is_before_it() {
        let scores = ScoresConfig { chunk: Some(2), ..ScoresConfig::default() };
        let heads = Heads { query: 1, key_value: 1, width: 1, first_of_value: 0, scale: 1.0, scores };
        let (keys, values): ([&[f32]; 4], [&[f32]; 4]) = ([&[1.0]; 4], [&[9.0], &[1.0], &[3.0], &[5.0]]);
        let made = [1, 2, 3, 4].map(|positions| {
            let mut output = [0.0];
            attention(heads, &[], &[1.0], &keys[..positions], &values[..positions], &mut output);
            output[0]
        });
        assert_eq!(made, [9.0, 5.0, 3.0, 4.0]);
    }

    #[test]
    fn a_cap_bends_scores_before_the_softmax() {
        // 2 · tanh(100) = 2 and 0: weights e²/(1 + e²) and its rest.
        let scores = ScoresConfig { cap: Some(2.0), ..ScoresConfig::default() };
        let heads = Heads { query: 1, key_value: 1, width: 1, first_of_value: 0, scale: 1.0, scores };
        let mut output = [0.0];
        attention(heads, &[], &[1.0], &[&[200.0], &[0.0]], &[&[1.0], &[0.0]], &mut output);
        assert!((output[0] - 0.880_797).abs() < 1e-6, "{output:?}");
    }

    #[test]
    fn scores_grow_with_the_position() {
        // (1 + 2 · ln 2) at the third and fourth position, with an interval of 2; the factor at the sixth has ln 3.
        let from = |offset| Some(ScoreGrowth { rate: 2.0, interval: 2, offset });
        let growth = from(0);
        let factors = [0, 1, 2, 3, 5].map(|position| grown(growth, position));
        assert_eq!(factors.map(|factor| factor > 1.0), [false, false, true, true, true]);
        assert_eq!([0, 1, 2, 3].map(|position| grown(from(1), position) > 1.0), [false, true, true, true]);
        let (second, third) = (2.386_294_4, 3.197_224_6);
        for (factor, expected) in factors.into_iter().zip([1.0, 1.0, second, second, third]) {
            assert!((factor - expected).abs() < 1e-6, "{factor} {expected}");
        }
        // Scores 0 and ln 3 after a factor of 2.386 on the third of three positions: weights 1/5, 1/5 and 3/5.
        let scores = ScoresConfig { growth, window: Some(3), ..ScoresConfig::default() };
        let heads = Heads { query: 1, key_value: 1, width: 1, first_of_value: 0, scale: 1.0, scores };
        let key = (3.0_f64.ln() / second) as f32;
        let mut output = [0.0];
        attention(heads, &[], &[1.0], &[&[0.0], &[0.0], &[key]], &[&[5.0], &[10.0], &[15.0]], &mut output);
        assert!((output[0] - 12.0).abs() < 1e-5, "{output:?}");
        // A window hides positions, but does not change the row's own.
        let scores = ScoresConfig { growth, window: Some(2), ..ScoresConfig::default() };
        let heads = Heads { query: 1, key_value: 1, width: 1, first_of_value: 0, scale: 1.0, scores };
        attention(heads, &[], &[1.0], &[&[9.0], &[0.0], &[key]], &[&[5.0], &[10.0], &[14.0]], &mut output);
        assert!((output[0] - 13.0).abs() < 1e-5, "{output:?}");
    }

    #[test]
    fn slopes_are_the_published_ones() {
        let slopes = |heads| (0..heads).map(|head| slope(head, heads)).collect::<Vec<f64>>();
        assert_eq!(slopes(4), [0.25, 0.0625, 0.015625, 0.00390625]);
        assert_eq!(slopes(3), [0.0625, 0.00390625, 0.25]);
    }

    #[test]
    fn linear_biases_lower_scores_by_distance() {
        // One head: slope 2⁻⁸, times 256 ln 3: the position before counts a third.
        let scores = ScoresConfig { linear_bias: Some(256.0 * 3.0_f32.ln()), ..ScoresConfig::default() };
        let heads = Heads { query: 1, key_value: 1, width: 1, first_of_value: 0, scale: 1.0, scores };
        let mut output = [0.0];
        attention(heads, &[], &[0.0], &[&[0.0], &[0.0]], &[&[8.0], &[16.0]], &mut output);
        assert!((output[0] - 14.0).abs() < 1e-5, "{output:?}");
    }

    #[test]
    fn a_sink_takes_its_share_and_gives_nothing() {
        // Scores 0, and ln 3 for the sink: the position counts a quarter. A head without weight for its position.
        let heads = Heads {
            query: 2,
            key_value: 1,
            width: 1,
            first_of_value: 0,
            scale: 1.0,
            scores: ScoresConfig::default(),
        };
        let mut output = [0.0; 2];
        attention(heads, &[3.0_f32.ln(), 1e3], &[0.0; 2], &[&[0.0]], &[&[8.0]], &mut output);
        assert!((output[0] - 2.0).abs() < 1e-6, "{output:?}");
        assert_eq!(output[1], 0.0);
    }

    #[test]
    fn huge_scores_stay_finite() {
        let heads = Heads {
            query: 1,
            key_value: 1,
            width: 1,
            first_of_value: 0,
            scale: 1.0,
            scores: ScoresConfig::default(),
        };
        let mut output = [0.0];
        attention(heads, &[], &[1e4], &[&[1e4], &[-1e4]], &[&[3.0], &[5.0]], &mut output);
        assert_eq!(output, [3.0]);
    }
}
