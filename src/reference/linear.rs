//! Twin of `Op::Linear`: a matrix of weights times each row, plus a bias.

/// output\[t\]\[r\] = Σ_c weight\[r\]\[c\] · input\[t\]\[c\] (+ bias\[r\]); `columns` elements in a row of the input,
/// and as many outputs as the weight has rows.
pub fn linear(weight: &[f32], bias: Option<&[f32]>, columns: usize, input: &[f32], output: &mut [f32]) {
    let rows = weight.len() / columns;
    for (input, output) in input.chunks_exact(columns).zip(output.chunks_exact_mut(rows)) {
        for (row, output) in output.iter_mut().enumerate() {
            let sum = dot(&weight[row * columns..][..columns], input);
            *output = (sum + bias.map_or(0.0, |bias| f64::from(bias[row]))) as f32;
        }
    }
}

/// Σ_i left\[i\] · right\[i\] in f64. Four sums side by side let the compiler use vector registers.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f64 {
    let (left_blocks, left_rest) = left.as_chunks::<4>();
    let (right_blocks, right_rest) = right.as_chunks::<4>();
    let mut sums = [0.0_f64; 4];
    for (left, right) in left_blocks.iter().zip(right_blocks) {
        for lane in 0..4 {
            sums[lane] += f64::from(left[lane]) * f64::from(right[lane]);
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(l, r)| f64::from(*l) * f64::from(*r)).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_is_a_row_of_the_weight_times_the_input() {
        let weight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut output = [0.0; 4];
        linear(&weight, Some(&[0.5, -0.5]), 3, &[1.0, 10.0, 100.0, 1.0, 0.0, 0.0], &mut output);
        assert_eq!(output, [321.5, 653.5, 1.5, 3.5]);
    }

    #[test]
    fn sums_run_over_whole_blocks_and_what_is_left() {
        let ones = [1.0; 7];
        let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        assert_eq!(dot(&ones, &numbers), 28.0);
    }

    #[test]
    fn a_small_term_survives_beside_a_large_one() {
        // In f32 the sum 1e8 + 1 − 1e8 is 0.
        assert_eq!(dot(&[1e8, 1.0, -1e8], &[1.0, 1.0, 1.0]), 1.0);
    }
}
