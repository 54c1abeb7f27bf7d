//! Twin of `Op::Norm`: RMSNorm and LayerNorm over the C elements of a row; of a linear map's norm as well.

use crate::model::config::NormKind;

/// output\[t\] = normalised input\[t\] · weight (+ bias); C is the weight's length.
pub(super) fn norm(
    kind: NormKind,
    epsilon: f32,
    weight: &[f32],
    bias: Option<&[f32]>,
    input: &[f32],
    output: &mut [f32],
) {
    let columns = weight.len();
    for (input, output) in input.chunks_exact(columns).zip(output.chunks_exact_mut(columns)) {
        let mean = match kind {
            NormKind::Rms => 0.0,
            NormKind::Layer => sum(input, f64::from) / columns as f64,
        };
        // The variance about the mean; for RMSNorm, whose mean counts as zero, the mean of the squares.
        let variance = sum(input, |x| (f64::from(x) - mean).powi(2)) / columns as f64;
        let inverse = 1.0 / (variance + f64::from(epsilon)).sqrt();
        for (column, output) in output.iter_mut().enumerate() {
            let scaled = (f64::from(input[column]) - mean) * inverse * f64::from(weight[column]);
            *output = (scaled + bias.map_or(0.0, |bias| f64::from(bias[column]))) as f32;
        }
    }
}

/// The rows of `input`, each normalised by [`NormKind::Rms`] without a bias.
pub(super) fn rms(epsilon: f32, weight: &[f32], input: &[f32]) -> Vec<f32> {
    let mut output = vec![0.0; input.len()];
    norm(NormKind::Rms, epsilon, weight, None, input, &mut output);
    output
}

fn sum(values: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    values.iter().map(|&value| term(value)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rms_divides_by_the_root_of_the_mean_square() {
        // mean(x²) = (9 + 16) / 2 = 12.5; with ε = 12.5 the root is 5.
        let mut output = [0.0; 2];
        norm(NormKind::Rms, 12.5, &[1.0, 10.0], None, &[3.0, 4.0], &mut output);
        assert_eq!(output, [0.6, 8.0]);
    }

    #[test]
    fn layer_subtracts_the_mean_and_adds_the_bias() {
        // Mean 3, variance 4; with ε = 12 the root is 4, so the rows become ∓2/4.
        let mut output = [0.0; 4];
        let input = [1.0, 5.0, 5.0, 1.0];
        norm(NormKind::Layer, 12.0, &[1.0, 2.0], Some(&[0.25, 0.0]), &input, &mut output);
        assert_eq!(output, [-0.25, 1.0, 0.75, -1.0]);
    }
}
