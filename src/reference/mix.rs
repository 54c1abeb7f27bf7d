//! Twin of `Op::Mix`: the experts' results, mixed by share.

use crate::model::config::ShareUse;

/// output\[t\]\[c\] = Σ_k share(t, k) · input\[t\]\[k·C + c\], or without the shares.
pub(super) fn mix(share_use: ShareUse, active: usize, routes: &[f32], input: &[f32], output: &mut [f32]) {
    let rows = routes.len() / (2 * active);
    let columns = output.len() / rows.max(1);
    for (row, output) in output.chunks_exact_mut(columns).enumerate() {
        let shares = &routes[(2 * row + 1) * active..][..active];
        for (column, output) in output.iter_mut().enumerate() {
            let results = input[row * active * columns..].iter().skip(column).step_by(columns);
            let products = shares.iter().zip(results).map(|(share, result)| match share_use {
                ShareUse::OfResults => f64::from(*share) * f64::from(*result),
                ShareUse::OfInputs => f64::from(*result),
            });
            *output = products.sum::<f64>() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_mixed_by_share() {
        let mut output = [0.0; 4];
        let routes = [5.0, 3.0, 0.75, 0.25, 1.0, 0.0, 1.0, 0.0];
        let input = [4.0, 8.0, 12.0, 16.0, 1.0, 2.0, 3.0, 4.0];
        mix(ShareUse::OfResults, 2, &routes, &input, &mut output);
        assert_eq!(output, [6.0, 10.0, 1.0, 2.0]);
        mix(ShareUse::OfInputs, 2, &routes, &input, &mut output);
        assert_eq!(output, [16.0, 24.0, 4.0, 6.0]);
    }
}
