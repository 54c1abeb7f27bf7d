//! Twin of `Op::Clamp`: every number brought within a limit, in place.

/// buffer = min(max(buffer, −limit), limit), element by element.
pub(super) fn clamp(limit: f32, buffer: &mut [f32]) {
    for value in buffer {
        *value = value.clamp(-limit, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_stays_outside_the_limit() {
        let mut buffer = [0.4, -0.6, 7.0, f32::NEG_INFINITY, 0.5];
        clamp(0.5, &mut buffer);
        assert_eq!(buffer, [0.4, -0.5, 0.5, -0.5, 0.5]);
    }
}
