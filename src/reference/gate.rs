//! Twin of `Op::Gate`: an activated value times another one.

use super::activation::gated;
use crate::model::config::Activation;

/// output = activation(output) · up, element by element.
pub(super) fn gate(activation: Activation, up: &[f32], output: &mut [f32]) {
    for (output, up) in output.iter_mut().zip(up) {
        *output = gated(activation, f64::from(*output), f64::from(*up)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_multiplies_the_activated_value_by_the_other() {
        let mut output = [2.0, -3.0];
        gate(Activation::Relu, &[5.0, 7.0], &mut output);
        assert_eq!(output, [10.0, 0.0]);
    }
}
