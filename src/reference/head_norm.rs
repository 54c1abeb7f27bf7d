//! Twin of `Op::HeadNorm`: the norm of each head separately, in place.

use super::norm::norm;
use crate::model::config::NormKind;

/// Each head of `buffer`, of `head_width` elements, normalised separately, in place. The weight has elements
/// for one head, shared by all, or for each head of a row; all are one where there is none.
pub(super) fn head_norm(
    kind: NormKind,
    epsilon: f32,
    weight: Option<&[f32]>,
    head_width: usize,
    buffer: &mut [f32],
) {
    let mut normed = vec![0.0; head_width];
    let ones = vec![1.0; head_width];
    let weights = weight.unwrap_or(&ones).chunks_exact(head_width).cycle();
    for (head, weight) in buffer.chunks_exact_mut(head_width).zip(weights) {
        norm(kind, epsilon, weight, None, head, &mut normed);
        head.copy_from_slice(&normed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_is_normalised_by_itself() {
        // Mean squares 12.5 and 50; with ε = 0 the roots are √12.5 and twice that.
        let mut buffer = [3.0, 4.0, 6.0, 8.0];
        head_norm(NormKind::Rms, 0.0, Some(&[1.0, 2.0]), 2, &mut buffer);
        let root = 12.5_f32.sqrt();
        for (value, expected) in buffer.iter().zip([3.0, 8.0, 3.0, 8.0]) {
            assert!((value - expected / root).abs() < 1e-6, "{buffer:?}");
        }
    }

    #[test]
    fn without_a_weight_every_element_counts_alike() {
        let mut buffer = [3.0, 4.0];
        head_norm(NormKind::Rms, 12.5, None, 2, &mut buffer);
        assert_eq!(buffer, [0.6, 0.8]);
    }

    #[test]
    fn heads_with_weights_of_their_own_take_them_in_turn() {
        // Means 2 and 5, variances 1: two heads a row, two rows.
        let mut buffer = [1.0, 3.0, 4.0, 6.0, 1.0, 3.0, 4.0, 6.0];
        head_norm(NormKind::Layer, 0.0, Some(&[1.0, 2.0, 3.0, 4.0]), 2, &mut buffer);
        assert_eq!(buffer, [-1.0, 2.0, -3.0, 4.0, -1.0, 2.0, -3.0, 4.0]);
    }
}
