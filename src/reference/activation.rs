//! The non-linearities, of one number.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

use crate::model::config::Activation;

/// What a gate makes of one value.
pub(super) fn gated(activation: Activation, gate: f64, up: f64) -> f64 {
    let up = match activation {
        Activation::ClampedGelu => up.clamp(-7.0, 7.0) + 1.0,
        _ => up,
    };
    apply(activation, gate) * up
}

/// The non-linearity of one number.
pub(super) fn apply(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Silu => x / (1.0 + (-x).exp()),
        // Φ(x) = (1 + erf(x/√2)) / 2.
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2)),
        Activation::GeluTanh => 0.5 * x * (1.0 + (FRAC_2_PI.sqrt() * (x + 0.044715 * x.powi(3))).tanh()),
        Activation::Relu => x.max(0.0),
        Activation::ReluSquared => x.max(0.0).powi(2),
        Activation::GeluSigmoid => x / (1.0 + (-1.702 * x).exp()),
        Activation::ClampedGelu => apply(Activation::GeluSigmoid, x.min(7.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from tables of the functions: σ(1) = 0.731058579, Φ(1) = 0.841344746, and the tanh form at 1.
    #[test]
    fn the_formulas_give_the_tables_values() {
        let cases = [
            (Activation::Silu, [0.731_058_579, -0.268_941_421]),
            (Activation::Gelu, [0.841_344_746, -0.158_655_254]),
            (Activation::GeluTanh, [0.841_191_990, -0.158_808_010]),
            (Activation::Relu, [1.0, 0.0]),
            (Activation::ReluSquared, [1.0, 0.0]),
            // σ(1.702) = 0.845795.
            (Activation::GeluSigmoid, [0.845_795_765, -0.154_204_235]),
            (Activation::ClampedGelu, [0.845_795_765, -0.154_204_235]),
        ];
        for (activation, expected) in cases {
            for (x, expected) in [1.0, -1.0].into_iter().zip(expected) {
                let value = apply(activation, x);
                assert!((value - expected).abs() < 1e-8, "{activation:?}({x}) = {value}");
            }
        }
    }

    #[test]
    fn a_clamped_gate_keeps_both_values_within_bounds() {
        let cases =
            [(1.0, 2.0, 3.0 * 0.845_795_765), (9.0, -9.0, 7.0 * -6.0), (-1.0, 9.0, 8.0 * -0.154_204_235)];
        for (value, up, expected) in cases {
            let found = gated(Activation::ClampedGelu, value, up);
            // σ(1.702 · 7) is 1 − 7e-6.
            assert!((found - expected).abs() < 5e-4, "{value}, {up}: {found}");
        }
    }
}
