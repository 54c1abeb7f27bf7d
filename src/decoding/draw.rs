//! The random choice of one id from a row, by its probabilities.

use super::random::uniform;
use super::row::{Descending, Row, Softmax};
use crate::trace::Draw;

/// Draws from a row by its softmax, the kept ids laid end to end on 0–1. A draw from the row's tail gives
/// the last one listed.
pub fn draw(row: &Row, softmax: &Softmax, seed: u64, step: u64) -> (u32, Draw) {
    let value = uniform(seed, step);
    let (token, from, to) = inverse_cdf(row, softmax, value);
    (token, Draw { value, seed, step, from, to })
}

/// The id in whose segment a value lies, and where that begins and ends.
pub(super) fn inverse_cdf(row: &Row, softmax: &Softmax, value: f64) -> (u32, f64, f64) {
    let (mut token, mut from, mut to) = (0, 0.0, 0.0);
    for id in Descending::new(row) {
        let probability = softmax.probability(row.value(id));
        // Rounding can end the last segment just below 1; a draw from the gap belongs to it.
        if probability == 0.0 {
            break;
        }
        (token, from, to) = (id, to, to + probability);
        if value < to {
            break;
        }
    }
    (token, from, to)
}
