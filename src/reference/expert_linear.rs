//! Twin of `Op::ExpertLinear`: the linear maps of each row's experts.

use super::linear::dot;
use crate::model::plan::ExpertInput;

/// The matrices of all experts, one below the other.
#[derive(Clone, Copy)]
pub(super) struct Matrices<'a> {
    /// E·R × columns.
    pub weight: &'a [f32],
    /// E·R.
    pub bias: Option<&'a [f32]>,
    /// E.
    pub experts: usize,
    /// Elements of a row.
    pub columns: usize,
}

/// output\[t\]\[k·R + r\] = Σ_c weight\[e(t, k)·R + r\]\[c\] · x\[c\] (+ bias\[e(t, k)·R + r\]), with x as `expert_input` says.
pub(super) fn expert_linear(
    matrices: Matrices<'_>,
    active: usize,
    routes: &[f32],
    input: &[f32],
    expert_input: ExpertInput,
    output: &mut [f32],
) {
    let Matrices { weight, bias, experts, columns } = matrices;
    let rows = weight.len() / columns / experts;
    let inputs = match expert_input {
        ExpertInput::Shared | ExpertInput::TimesShare => columns,
        ExpertInput::PerExpert => active * columns,
    };
    let all_rows = routes.chunks_exact(2 * active).zip(input.chunks_exact(inputs));
    for ((routes, input), output) in all_rows.zip(output.chunks_exact_mut(active * rows)) {
        for (slot, output) in output.chunks_exact_mut(rows).enumerate() {
            let x = match expert_input {
                ExpertInput::Shared | ExpertInput::TimesShare => input,
                ExpertInput::PerExpert => &input[slot * columns..][..columns],
            };
            let share = match expert_input {
                ExpertInput::TimesShare => f64::from(routes[active + slot]),
                ExpertInput::Shared | ExpertInput::PerExpert => 1.0,
            };
            let first = routes[slot] as usize * rows;
            for (row, output) in output.iter_mut().enumerate() {
                let bias = bias.map_or(0.0, |bias| f64::from(bias[first + row]));
                *output = (share * dot(&weight[(first + row) * columns..][..columns], x) + bias) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_expert_reads_the_row_or_its_own_block_of_it() {
        // Two experts with matrices of two rows and two columns, three slots of results.
        let weight = [1.0, 0.0, 0.0, 1.0, 10.0, 0.0, 0.0, 10.0];
        let matrices = Matrices { weight: &weight, bias: None, experts: 2, columns: 2 };
        let routes = [1.0, 0.0, 0.3, 0.7];
        let mut output = [0.0; 4];
        expert_linear(matrices, 2, &routes, &[1.0, 2.0], ExpertInput::Shared, &mut output);
        assert_eq!(output, [10.0, 20.0, 1.0, 2.0]);
        expert_linear(matrices, 2, &routes, &[1.0, 2.0, 3.0, 4.0], ExpertInput::PerExpert, &mut output);
        assert_eq!(output, [10.0, 20.0, 3.0, 4.0]);
        expert_linear(matrices, 2, &routes, &[1.0, 2.0], ExpertInput::TimesShare, &mut output);
        for (found, expected) in output.into_iter().zip([3.0, 6.0, 0.7, 1.4]) {
            assert!((found - expected).abs() < 1e-6, "{output:?}");
        }
        let matrices = Matrices { bias: Some(&[0.1, 0.2, 0.3, 0.4]), ..matrices };
        expert_linear(matrices, 2, &routes, &[1.0, 2.0], ExpertInput::Shared, &mut output);
        assert_eq!(output, [10.3, 20.4, 1.1, 2.2]);
    }
}
