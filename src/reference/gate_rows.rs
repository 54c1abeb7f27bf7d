//! Twin of `Op::GateRows`: each row times the sigmoid of a number.

/// output\[t\] = sigmoid(gate\[t\]) · output\[t\].
pub(super) fn gate_rows(gate: &[f32], output: &mut [f32]) {
    let columns = output.len() / gate.len().max(1);
    for (gate, output) in gate.iter().zip(output.chunks_exact_mut(columns)) {
        let factor = 1.0 / (1.0 + f64::from(-gate).exp());
        output.iter_mut().for_each(|value| *value = (factor * f64::from(*value)) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_multiplied_by_its_own_gate() {
        let mut output = [1.0, -3.0, 5.0, 7.0];
        gate_rows(&[0.0, 200.0], &mut output);
        assert_eq!(output, [0.5, -1.5, 5.0, 7.0]);
    }
}
