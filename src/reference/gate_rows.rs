//! Twin of `Op::GateRows`: columns of each row times gates of the row.

use crate::model::config::GateFunction;

/// Each `width` numbers of the output times what the function makes of a gate.
pub(super) fn gate_rows(function: GateFunction, width: usize, gates: &[f32], output: &mut [f32]) {
    for (gate, output) in gates.iter().zip(output.chunks_exact_mut(width)) {
        let factor = apply(function, f64::from(*gate));
        output.iter_mut().for_each(|value| *value = (factor * f64::from(*value)) as f32);
    }
}

fn apply(function: GateFunction, gate: f64) -> f64 {
    match function {
        GateFunction::Sigmoid => 1.0 / (1.0 + (-gate).exp()),
        // ln(1 + e^x), with an exponential that cannot overflow.
        GateFunction::Softplus => gate.max(0.0) + (-gate.abs()).exp().ln_1p(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_multiplied_by_its_own_gate() {
        let mut output = [1.0, -3.0, 5.0, 7.0];
        gate_rows(GateFunction::Sigmoid, 2, &[0.0, 200.0], &mut output);
        assert_eq!(output, [0.5, -1.5, 5.0, 7.0]);
    }

    /// Values of torch.nn.functional.softplus in f64, with a threshold that none exceeds.
    #[test]
    fn softplus_is_what_torch_computes() {
        let mut output = [1.0; 5];
        gate_rows(GateFunction::Softplus, 1, &[-30.0, -5.0, 0.0, 1.5, 40.0], &mut output);
        let expected = [9.357_623e-14, 0.006_715_348_6, std::f32::consts::LN_2, 1.701_413_3, 40.0];
        for (found, expected) in output.into_iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6 * expected, "{found} for {expected}");
        }
    }
}
