//! Twin of `Op::HeadLinear`: a linear map of each head by a matrix of its own.

use super::linear::dot;

/// The matrices of all heads, one below the other.
#[derive(Clone, Copy)]
pub(super) struct Matrices<'a> {
    /// heads·R × columns.
    pub weight: &'a [f32],
    /// How many there are.
    pub heads: usize,
    /// Elements of a row.
    pub columns: usize,
}

/// The first `kept` elements of each head as they are, and then Σ_c weight\[h·R + r\]\[c\] · x\[c\] of the others.
pub(super) fn head_linear(matrices: Matrices<'_>, kept: usize, input: &[f32], output: &mut [f32]) {
    let Matrices { weight, heads, columns } = matrices;
    let rows = weight.len() / columns / heads;
    let all_heads = input.chunks_exact(kept + columns).zip(output.chunks_exact_mut(kept + rows));
    for ((input, output), head) in all_heads.zip((0..heads).cycle()) {
        output[..kept].copy_from_slice(&input[..kept]);
        let matrix = weight[head * rows * columns..].chunks_exact(columns);
        for (output, row) in output[kept..].iter_mut().zip(matrix) {
            *output = dot(row, &input[kept..]) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_head_goes_through_its_own_matrix_but_for_what_it_keeps() {
        // Two heads with matrices of one row and two columns, two rows; one element is kept.
        let matrices = Matrices { weight: &[1.0, 10.0, 100.0, 1000.0], heads: 2, columns: 2 };
        let mut output = [0.0; 8];
        let input = [9.0, 1.0, 2.0, 8.0, 3.0, 4.0, 7.0, 5.0, 6.0, 6.0, 1.0, 1.0];
        head_linear(matrices, 1, &input, &mut output);
        assert_eq!(output, [9.0, 21.0, 8.0, 4300.0, 7.0, 65.0, 6.0, 1100.0]);
        let mut mapped = [0.0; 2];
        head_linear(matrices, 0, &[1.0, 2.0, 3.0, 4.0], &mut mapped);
        assert_eq!(mapped, [21.0, 4300.0]);
    }
}
