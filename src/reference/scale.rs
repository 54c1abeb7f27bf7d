//! Twin of `Op::Scale` and `Op::ScaleBy`: every number times a factor, in place.

/// buffer = factor · buffer, element by element.
pub(super) fn scale(factor: f32, buffer: &mut [f32]) {
    for value in buffer {
        *value = (f64::from(factor) * f64::from(*value)) as f32;
    }
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
}
