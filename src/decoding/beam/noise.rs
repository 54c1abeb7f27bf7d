//! The noise by which beam sampling draws without replacement.

use super::search::Continuation;
use crate::decoding::random::{Purpose, uniform_of};

/// Where the noise of a hypothesis's continuations comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noise {
    /// The run's seed.
    pub seed: u64,
    /// The step, from 1.
    pub step: u64,
    /// The hypothesis's place among the live ones.
    pub beam: u32,
}

impl Noise {
    /// The continuations with the highest noisy sums, at most so many: a draw without replacement from the softmax
    /// of their sums.
    pub(super) fn highest(
        self,
        continuations: impl Iterator<Item = Continuation>,
        count: usize,
    ) -> Vec<Continuation> {
        let noisy = |continuation: Continuation| {
            let drawn = continuation.log_probability + self.of(continuation.token);
            Continuation { drawn: Some(drawn), ..continuation }
        };
        let mut all: Vec<Continuation> = continuations.map(noisy).collect();
        if count < all.len() {
            all.select_nth_unstable_by(count, |one, other| {
                other.drawn.unwrap_or_default().total_cmp(&one.drawn.unwrap_or_default())
            });
            all.truncate(count);
        }
        all
    }

    /// A number of the standard Gumbel distribution for a token: −ln(−ln u) with 0 < u < 1.
    fn of(self, token: u32) -> f64 {
        let uniform = uniform_of(self.seed, self.step, [Purpose::Beams as u32 + self.beam, token]);
        // The multiples of 2⁻⁵³ reach 0, whose logarithm is infinite.
        -(-uniform.max(f64::EPSILON / 4.0).ln()).ln()
    }
}
