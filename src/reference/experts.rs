//! Twin of the experts' ops: `Op::Route`, `Op::ExpertLinear`, `Op::Mix` and `Op::GateRows`.

use super::linear::dot;
use crate::model::config::Shares;
use crate::model::plan::ExpertInput;

/// The `active` highest of each row's `experts` scores, the lower index first among equals: in the output their
/// indices and then their shares.
pub fn route(active: usize, shares: Shares, experts: usize, scores: &[f32], output: &mut [f32]) {
    for (scores, output) in scores.chunks_exact(experts).zip(output.chunks_exact_mut(2 * active)) {
        let mut order: Vec<usize> = (0..experts).collect();
        // Adding 0 makes −0 equal to it.
        order.sort_by(|&one, &other| (scores[other] + 0.0).total_cmp(&(scores[one] + 0.0)));
        let chosen = &order[..active];
        let highest = f64::from(scores[chosen[0]]);
        let exponential = |expert: &usize| (f64::from(scores[*expert]) - highest).exp();
        let sum: f64 = match shares {
            Shares::OfAll => order.iter().map(exponential).sum(),
            Shares::OfChosen => chosen.iter().map(exponential).sum(),
        };
        for (slot, expert) in chosen.iter().enumerate() {
            output[slot] = *expert as f32;
            output[active + slot] = (exponential(expert) / sum) as f32;
        }
    }
}

/// The matrices of all experts, one below the other.
#[derive(Clone, Copy)]
pub struct Matrices<'a> {
    /// E·R × columns.
    pub weight: &'a [f32],
    /// E·R.
    pub bias: Option<&'a [f32]>,
    /// E.
    pub experts: usize,
    /// Elements of a row.
    pub columns: usize,
}

/// output\[t\]\[k·R + r\] = Σ_c weight\[e(t, k)·R + r\]\[c\] · x\[c\] (+ bias\[e(t, k)·R + r\]), with x as `takes` says.
pub fn expert_linear(
    matrices: Matrices<'_>,
    active: usize,
    routes: &[f32],
    input: &[f32],
    takes: ExpertInput,
    output: &mut [f32],
) {
    let Matrices { weight, bias, experts, columns } = matrices;
    let rows = weight.len() / columns / experts;
    let inputs = match takes {
        ExpertInput::Shared => columns,
        ExpertInput::Own => active * columns,
    };
    let all_rows = routes.chunks_exact(2 * active).zip(input.chunks_exact(inputs));
    for ((routes, input), output) in all_rows.zip(output.chunks_exact_mut(active * rows)) {
        for (slot, output) in output.chunks_exact_mut(rows).enumerate() {
            let x = match takes {
                ExpertInput::Shared => input,
                ExpertInput::Own => &input[slot * columns..][..columns],
            };
            let first = routes[slot] as usize * rows;
            for (row, output) in output.iter_mut().enumerate() {
                let bias = bias.map_or(0.0, |bias| f64::from(bias[first + row]));
                *output = (dot(&weight[(first + row) * columns..][..columns], x) + bias) as f32;
            }
        }
    }
}

/// output\[t\]\[c\] = Σ_k share(t, k) · input\[t\]\[k·C + c\].
pub fn mix(active: usize, routes: &[f32], input: &[f32], output: &mut [f32]) {
    let rows = routes.len() / (2 * active);
    let columns = output.len() / rows.max(1);
    for (row, output) in output.chunks_exact_mut(columns).enumerate() {
        let shares = &routes[(2 * row + 1) * active..][..active];
        for (column, output) in output.iter_mut().enumerate() {
            let results = input[row * active * columns..].iter().skip(column).step_by(columns);
            let products =
                shares.iter().zip(results).map(|(share, result)| f64::from(*share) * f64::from(*result));
            *output = products.sum::<f64>() as f32;
        }
    }
}

/// output\[t\] = sigmoid(gate\[t\]) · output\[t\].
pub fn gate_rows(gate: &[f32], output: &mut [f32]) {
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
    fn the_highest_scores_are_chosen_and_the_lower_index_among_equals() {
        let scores = [0.0, 2.0, f32::ln(3.0), 2.0, 0.0, 0.0, 0.0, f32::ln(3.0)];
        let mut output = [0.0; 8];
        route(2, Shares::OfChosen, 4, &scores, &mut output);
        assert_eq!(output, [1.0, 3.0, 0.5, 0.5, 3.0, 0.0, 0.75, 0.25]);
        route(2, Shares::OfAll, 4, &scores, &mut output);
        assert_eq!(output[4..], [3.0, 0.0, 0.5, 1.0 / 6.0]);
    }

    #[test]
    fn each_expert_reads_the_row_or_its_own_block_of_it() {
        // Two experts with matrices of two rows and two columns, three slots of results.
        let weight = [1.0, 0.0, 0.0, 1.0, 10.0, 0.0, 0.0, 10.0];
        let matrices = Matrices { weight: &weight, bias: None, experts: 2, columns: 2 };
        let routes = [1.0, 0.0, 0.3, 0.7];
        let mut output = [0.0; 4];
        expert_linear(matrices, 2, &routes, &[1.0, 2.0], ExpertInput::Shared, &mut output);
        assert_eq!(output, [10.0, 20.0, 1.0, 2.0]);
        expert_linear(matrices, 2, &routes, &[1.0, 2.0, 3.0, 4.0], ExpertInput::Own, &mut output);
        assert_eq!(output, [10.0, 20.0, 3.0, 4.0]);
        let matrices = Matrices { bias: Some(&[0.1, 0.2, 0.3, 0.4]), ..matrices };
        expert_linear(matrices, 2, &routes, &[1.0, 2.0], ExpertInput::Shared, &mut output);
        assert_eq!(output, [10.3, 20.4, 1.1, 2.2]);
    }

    #[test]
    fn results_are_mixed_by_share() {
        let mut output = [0.0; 4];
        let routes = [5.0, 3.0, 0.75, 0.25, 1.0, 0.0, 1.0, 0.0];
        mix(2, &routes, &[4.0, 8.0, 12.0, 16.0, 1.0, 2.0, 3.0, 4.0], &mut output);
        assert_eq!(output, [6.0, 10.0, 1.0, 2.0]);
    }

    #[test]
    fn each_row_is_multiplied_by_its_own_gate() {
        let mut output = [1.0, -3.0, 5.0, 7.0];
        gate_rows(&[0.0, 200.0], &mut output);
        assert_eq!(output, [0.5, -1.5, 5.0, 7.0]);
    }
}
