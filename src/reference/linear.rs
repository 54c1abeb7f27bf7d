//! Twin of `Op::Linear`: a matrix of weights times each row, plus a bias, and the epilogue.

use super::activation::{apply, gated};
use crate::model::plan::Epilogue;

/// result\[t\]\[r\] = Σ_c weight\[r\]\[c\] · input\[t\]\[c\] (+ bias\[r\]); `columns` elements in a row of the input, and as
/// many results as the weight has rows. `epilogue` makes them the output.
pub(super) fn linear(
    weight: &[f32],
    bias: Option<&[f32]>,
    columns: usize,
    input: &[f32],
    epilogue: Epilogue,
    output: &mut [f32],
) {
    let rows = weight.len() / columns;
    let outputs = match epilogue {
        Epilogue::Gate(_) => rows / 2,
        _ => rows,
    };
    for (input, output) in input.chunks_exact(columns).zip(output.chunks_exact_mut(outputs)) {
        let result = |row: usize| {
            let sum = dot(&weight[row * columns..][..columns], input);
            sum + bias.map_or(0.0, |bias| f64::from(bias[row]))
        };
        for (index, output) in output.iter_mut().enumerate() {
            *output = match epilogue {
                Epilogue::Store => result(index),
                Epilogue::Add => f64::from(*output) + result(index),
                Epilogue::Activate(activation) => apply(activation, result(index)),
                Epilogue::Gate(activation) => {
                    let gate = index / 4 * 8 + index % 4;
                    gated(activation, result(gate), result(gate + 4))
                }
            } as f32;
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
    use crate::model::config::Activation;

    #[test]
    fn every_output_is_a_row_of_the_weight_times_the_input() {
        let weight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut output = [0.0; 4];
        let input = [1.0, 10.0, 100.0, 1.0, 0.0, 0.0];
        linear(&weight, Some(&[0.5, -0.5]), 3, &input, Epilogue::Store, &mut output);
        assert_eq!(output, [321.5, 653.5, 1.5, 3.5]);
        linear(&weight, None, 3, &input, Epilogue::Add, &mut output);
        assert_eq!(output, [642.5, 1307.5, 2.5, 7.5]);
    }

    #[test]
    fn gate_rows_and_their_up_rows_come_in_blocks_of_four() {
        // One column: the results are the weights themselves.
        let weight: Vec<f32> = [[1.0, -1.0, 2.0, 3.0], [5.0, 6.0, 7.0, -8.0]].concat();
        let mut output = [0.0; 4];
        linear(&weight, None, 1, &[1.0], Epilogue::Gate(Activation::Relu), &mut output);
        assert_eq!(output, [5.0, 0.0, 14.0, -24.0]);
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
