//! Twin of `Op::Pick`: the rows whose logits were asked for.

/// output\[i\] = input\[outputs\[i\]\], rows of C elements.
pub(super) fn pick(outputs: &[usize], columns: usize, input: &[f32], output: &mut [f32]) {
    for (&row, output) in outputs.iter().zip(output.chunks_exact_mut(columns)) {
        output.copy_from_slice(&input[row * columns..][..columns]);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rows_asked_for_come_out_in_order() {
        let mut output = [0.0; 4];
        super::pick(&[1, 2], 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut output);
        assert_eq!(output, [3.0, 4.0, 5.0, 6.0]);
    }
}
