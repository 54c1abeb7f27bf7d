//! Twin of `Op::Add`: a buffer is added to another.

/// output += input, element by element.
pub(super) fn add(input: &[f32], output: &mut [f32]) {
    for (output, input) in output.iter_mut().zip(input) {
        *output = (f64::from(*output) + f64::from(*input)) as f32;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_input_is_added_in_place() {
        let mut output = [1.0, 2.0];
        super::add(&[0.5, -4.0], &mut output);
        assert_eq!(output, [1.5, -2.0]);
    }
}
