//! Twin of `Op::Scale`, `Op::Clamp` and `Op::SoftCap`: what is done to every number of a buffer alike.

/// buffer = factor · buffer, element by element.
pub fn scale(factor: f32, buffer: &mut [f32]) {
    for value in buffer {
        *value = (f64::from(factor) * f64::from(*value)) as f32;
    }
}

/// buffer = min(max(buffer, −limit), limit), element by element.
pub fn clamp(limit: f32, buffer: &mut [f32]) {
    for value in buffer {
        *value = value.clamp(-limit, limit);
    }
}

/// buffer = cap · tanh(buffer / cap), element by element.
pub fn soft_cap(cap: f32, buffer: &mut [f32]) {
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
    fn every_number_is_multiplied() {
        let mut buffer = [1.0, -3.0];
        scale(0.5, &mut buffer);
        assert_eq!(buffer, [0.5, -1.5]);
    }

    #[test]
    fn no_number_stays_outside_the_limit() {
        let mut buffer = [0.4, -0.6, 7.0, f32::NEG_INFINITY, 0.5];
        clamp(0.5, &mut buffer);
        assert_eq!(buffer, [0.4, -0.5, 0.5, -0.5, 0.5]);
    }

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
