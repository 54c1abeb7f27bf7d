//! Twin of `Op::Attention`: softmax attention of one row over the positions it sees.

use super::linear::dot;

/// The shape of an attention block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heads {
    /// H: query heads.
    pub query: usize,
    /// G: key/value heads.
    pub key_value: usize,
    /// D: elements of a head.
    pub width: usize,
    /// Factor on query·key before the softmax.
    pub scale: f32,
}

/// `query` and `output` are one row, H·D; `keys` and `values` hold a row of G·D for each position seen.
///
/// Only visible positions are passed in, so there is nothing to mask. The largest score is subtracted before
/// the exponential.
pub fn attention(heads: Heads, query: &[f32], keys: &[&[f32]], values: &[&[f32]], output: &mut [f32]) {
    let width = heads.width;
    let sharing = heads.query / heads.key_value;
    let mut mixed = vec![0.0_f64; width];
    for (head, output) in output.chunks_exact_mut(width).enumerate() {
        let group = head / sharing * width..(head / sharing + 1) * width;
        let query = &query[head * width..][..width];
        let score = |key: &&[f32]| dot(query, &key[group.clone()]) * f64::from(heads.scale);
        let mut weights: Vec<f64> = keys.iter().map(score).collect();
        let highest = weights.iter().copied().fold(f64::MIN, f64::max);
        weights.iter_mut().for_each(|weight| *weight = (*weight - highest).exp());
        let total: f64 = weights.iter().sum();

        mixed.fill(0.0);
        for (weight, value) in weights.iter().zip(values) {
            for (mixed, value) in mixed.iter_mut().zip(&value[group.clone()]) {
                *mixed += weight * f64::from(*value);
            }
        }
        for (output, mixed) in output.iter_mut().zip(&mixed) {
            *output = (mixed / total) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_softmax_of_scaled_products() {
        // Scores 0 and ln 3 after the scale: weights 1/4 and 3/4.
        let heads = Heads { query: 1, key_value: 1, width: 1, scale: 0.5 };
        let mut output = [0.0];
        let key = 2.0 * 3.0_f32.ln();
        attention(heads, &[1.0], &[&[0.0], &[key]], &[&[8.0], &[16.0]], &mut output);
        assert!((output[0] - 14.0).abs() < 1e-5, "{output:?}");
    }

    #[test]
    fn neighbouring_query_heads_share_a_key_value_head() {
        let heads = Heads { query: 4, key_value: 2, width: 1, scale: 1.0 };
        let mut output = [0.0; 4];
        attention(heads, &[1.0; 4], &[&[0.0, 0.0]], &[&[5.0, 7.0]], &mut output);
        assert_eq!(output, [5.0, 5.0, 7.0, 7.0]);
    }

    #[test]
    fn huge_scores_stay_finite() {
        let heads = Heads { query: 1, key_value: 1, width: 1, scale: 1.0 };
        let mut output = [0.0];
        attention(heads, &[1e4], &[&[1e4], &[-1e4]], &[&[3.0], &[5.0]], &mut output);
        assert_eq!(output, [3.0]);
    }
}
