//! Final norm and LM head on the residual stream after any layer (nostalgebraist 2020), and what a row of logits says.

use super::dissected::Dissected;
use super::landmarks::{Head, Landmarks};
use super::walk::Walk;
use crate::model::error::ModelError;
use crate::model::probe::{Lens, ProbeRequest};
use crate::model::selection::highest_of;

/// Rows whose logits are held at once.
const ROWS_AT_ONCE: usize = 8;

/// The lenses of a probe.
pub(super) struct Lenses {
    /// The token that they follow.
    pub token: u32,
    /// Its logit in the end, before the cap.
    pub uncapped: f32,
    /// One for each layer.
    pub of_layers: Vec<Lens>,
}

impl Lenses {
    /// Those of every layer. The last one comes first: it tells the most likely token.
    pub(super) fn of(
        dissected: &mut dyn Dissected,
        landmarks: &Landmarks,
        walk: &Walk,
        request: &ProbeRequest,
    ) -> Result<(Self, Lens), ModelError> {
        let head = &landmarks.head;
        let mut logits = |rows: &[&[f32]]| dissected.logits(head.picked, rows, head.start..head.end);
        let last = logits(&[walk.last()])?.concat();
        let token = request.token.unwrap_or_else(|| highest(&last));
        let uncapped = last[token as usize];
        let streams: Vec<&[f32]> = walk.after_layers().collect();
        let mut of_layers = Vec::with_capacity(streams.len());
        for rows in streams.chunks(ROWS_AT_ONCE) {
            of_layers.extend(logits(rows)?.into_iter().map(|row| lens(head, row, token, request.top)));
        }
        Ok((Self { token, uncapped, of_layers }, lens(head, last, token, request.top)))
    }
}

/// What a row of logits before the cap says of a token.
fn lens(head: &Head, mut logits: Vec<f32>, token: u32, top: usize) -> Lens {
    if let Some(cap) = head.cap {
        let cap = f64::from(cap);
        logits.iter_mut().for_each(|logit| *logit = (cap * (f64::from(*logit) / cap).tanh()) as f32);
    }
    // What is no number counts as the lowest value.
    logits.iter_mut().filter(|logit| logit.is_nan()).for_each(|logit| *logit = f32::MIN);
    let logit = logits[token as usize];
    let before = |(id, other): (u32, &f32)| *other > logit || (*other == logit && id < token);
    let log_sum_exp = log_sum_exp(&logits);
    Lens {
        logit,
        log_probability: f64::from(logit) - log_sum_exp,
        rank: 1 + (0..).zip(&logits).filter(|&pair| before(pair)).count(),
        log_sum_exp,
        top: highest_of(&logits, top),
    }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let highest = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - f64::from(highest)).exp()).sum();
    f64::from(highest) + sum.ln()
}

/// The token with the highest logit, the lowest one among equals.
fn highest(logits: &[f32]) -> u32 {
    highest_of(logits, 1).first().map_or(0, |&(token, _)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_come_first_and_the_lower_id_among_equals() {
        assert_eq!(highest_of(&[1.0, 3.0, 2.0, 3.0], 3), [(1, 3.0), (3, 3.0), (2, 2.0)]);
        assert_eq!((highest(&[0.0, -0.0, 0.0]), highest(&[])), (0, 0));
    }

    #[test]
    fn the_softmax_is_the_rows_own() {
        assert!((log_sum_exp(&[2.0_f32.ln(), 6.0_f32.ln()]) - 8.0_f64.ln()).abs() < 1e-6);
        assert_eq!(log_sum_exp(&[1e4, 0.0]), 1e4);
    }
}
