//! Twin of `Op::Convolution`: a causal convolution of each channel.

use super::activation;
use super::linear::dot;
use crate::model::config::Activation;

/// One row: `output` of `input` and the state before it, k − 1 rows of inputs; gives the state after it.
///
/// `weight` has k taps for each channel, the newest row's last.
pub(super) fn convolution(
    kernel: usize,
    weight: &[f32],
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    before: &[f32],
    input: &[f32],
    output: &mut [f32],
) -> Vec<f32> {
    let channels = input.len();
    let rows = [before, input].concat();
    for (channel, output) in output.iter_mut().enumerate() {
        let seen: Vec<f32> = (0..kernel).map(|row| rows[row * channels + channel]).collect();
        let bias = bias.map_or(0.0, |bias| f64::from(bias[channel]));
        let sum = dot(&weight[channel * kernel..][..kernel], &seen) + bias;
        *output = activation.map_or(sum, |activation| activation::apply(activation, sum)) as f32;
    }
    rows[channels..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tap_is_the_newest_rows() {
        // Two channels, three rows: 1, 2, 3 and 10, 20, 30.
        let (before, input) = ([1.0, 10.0, 2.0, 20.0], [3.0, 30.0]);
        let weight = [100.0, 10.0, 1.0, 0.0, 0.0, 2.0];
        let mut output = [0.0; 2];
        let after = convolution(3, &weight, Some(&[0.5, 0.0]), None, &before, &input, &mut output);
        assert_eq!(output, [123.5, 60.0]);
        assert_eq!(after, [2.0, 20.0, 3.0, 30.0]);
    }

    #[test]
    fn what_the_sum_goes_through_comes_last() {
        let mut output = [0.0];
        convolution(2, &[1.0, 1.0], Some(&[-4.0]), Some(Activation::Relu), &[1.0], &[2.0], &mut output);
        assert_eq!(output, [0.0]);
    }
}
