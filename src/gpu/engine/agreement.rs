//! Whether the candidates of a trial compute the same: one that a driver compiles wrongly is not chosen, however fast.
//!
//! Each kind of linear map gets made-up inputs, and every candidate's results are held against the first one's, which is the
//! plainest. Weights beyond what a candidate can hold (f16, on matrix units) show here as well.

use super::core::Engine;
use super::trial::TriedKind;
use crate::gpu::pass::PassShape;
use crate::gpu::program::Step;
use crate::model::ModelError;
use crate::model::plan::Op;

/// How far results may be apart, in parts of the largest: kernels add up in different orders, and some round what they
/// multiply to f16, whose steps are 2⁻¹⁰ of a number.
pub(super) const TOLERANCE: f32 = 1e-4;
const ROUNDED_TOLERANCE: f32 = 2e-3;

impl Engine {
    /// For each kernel of the kinds, whether its first step agrees with that of the kind's first kernel. A pass of so many
    /// rows has been begun.
    pub(super) fn agreeing(
        &self,
        rows: usize,
        kinds: &[&TriedKind],
        steps: &[Vec<Step>],
    ) -> Result<Vec<bool>, ModelError> {
        let mut agreeing = Vec::with_capacity(steps.len());
        let mut rest = steps;
        for tried in kinds {
            let (own, others) = rest.split_at(tried.kernels.len());
            rest = others;
            let Op::Linear { input, output, .. } = self.plan().ops[tried.ops[0]] else {
                unreachable!("{}: kinds are of linear maps", tried.kind.name())
            };
            // To the output some maps add.
            let contents =
                [input, output].map(|buffer| (buffer, made_up(rows * self.plan().buffer(buffer).columns)));
            let mut first: Option<Vec<f32>> = None;
            for (kernel, steps) in tried.kernels.iter().zip(own) {
                contents.iter().for_each(|(buffer, values)| self.write_buffer(*buffer, values));
                self.run_alone(|pass| steps[0].encode(pass, PassShape::of_rows(rows)))?;
                let results = self.read_buffer(output, rows)?;
                let tolerance = if kernel.variant.rounds() { ROUNDED_TOLERANCE } else { TOLERANCE };
                let agrees = first.as_ref().is_none_or(|first| agree(first, &results, tolerance));
                first.get_or_insert(results);
                if !agrees {
                    log::warn!(
                        "{}: {} computes something else than {} on {}, and is not used",
                        tried.kind.name(),
                        kernel.describe(),
                        tried.kernels[0].describe(),
                        self.device.info.full_name()
                    );
                }
                agreeing.push(agrees);
            }
        }
        Ok(agreeing)
    }
}

/// Numbers between −1 and 1 that look random (a linear congruential generator; Knuth's multiplier and increment).
pub(super) fn made_up(count: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Whether all results are as close as that; the same bits are, whatever they are.
pub(super) fn agree(first: &[f32], other: &[f32], tolerance: f32) -> bool {
    let largest = first.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let is_close = |(one, other): (&f32, &f32)| {
        one.to_bits() == other.to_bits() || (one - other).abs() <= tolerance * largest
    };
    first.len() == other.len() && first.iter().zip(other).all(is_close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_agree_that_differ_by_little_of_the_largest() {
        let first = [100.0, -1e-3, 3.0];
        assert!(agree(&first, &[100.0, 2e-3, 3.0], 1e-4));
        assert!(!agree(&first, &[100.0, -1e-3, 3.02], 1e-4));
        assert!(agree(&first, &[100.0, -1e-3, 3.02], 2e-3));
        // Whatever it is, the first agrees with itself, and numbers do not with what is none.
        let broken = [f32::NAN, 1.0];
        assert!(agree(&broken, &broken, 1e-4));
        assert!(!agree(&[1.0, 1.0], &broken, 1e-4));
        assert!(!agree(&first, &first[..2], 1e-4));
    }

    #[test]
    fn made_up_numbers_are_spread_around_zero() {
        let numbers = made_up(10_000);
        assert!(numbers.iter().all(|number| (-1.0..1.0).contains(number)));
        let mean = numbers.iter().sum::<f32>() / 1e4;
        let square = numbers.iter().map(|number| number * number).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.02 && (square - 1.0 / 3.0).abs() < 0.02, "{mean} {square}");
    }
}
