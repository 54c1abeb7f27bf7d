//! Twin of `Op::SoftCap`: every number bent below a cap, in place.

/// buffer = cap · tanh(buffer / cap), element by element.
pub(super) fn soft_cap(cap: f32, buffer: &mut [f32]) {
    for value in buffer {
        *value = capped(cap, f64::from(*value)) as f32;
    }
}

/// cap · tanh(value / cap).
pub(super) fn capped(cap: f32, value: f64) -> f64 {
    let cap = f64::from(cap);
    cap * (value / cap).tanh()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_stay_and_large_ones_reach_the_cap() {
        // tanh(1) = 0.761594156.
        let mut buffer = [1e-4, 30.0, -1e6];
        soft_cap(30.0, &mut buffer);
        for (value, expected) in buffer.iter().zip([1e-4, 22.847_825, -30.0]) {
            assert!((value - expected).abs() <= 1e-6 * expected.abs(), "{buffer:?}");
        }
    }
}
