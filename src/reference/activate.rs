//! Twin of `Op::Activate`: a non-linearity, in place.

use super::activation::apply;
use crate::model::config::Activation;

/// buffer = activation(buffer), element by element.
pub(super) fn activate(activation: Activation, buffer: &mut [f32]) {
    for value in buffer {
        *value = apply(activation, f64::from(*value)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_values_stay_finite() {
        for activation in [
            Activation::Silu,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Relu,
            Activation::GeluSigmoid,
        ] {
            let mut values = [-1e4, 1e4];
            activate(activation, &mut values);
            assert_eq!(values.map(f32::abs), [0.0, 1e4], "{activation:?}");
        }
    }
}
