//! Twin of `Op::Rotary`: turns pairs of elements of each head by angles of the row's position.

use crate::model::Row;
use crate::model::rotary::RotaryTable;

/// For each head and pair i: (x\[i\], x\[i + pairs\]) is rotated by the row's angle i; elements beyond the pairs
/// stay. `buffer` is T × heads·D; `longest` tells how many positions a row's text may get.
pub(super) fn rotary(
    rows: &[Row],
    longest: impl Fn(&Row) -> usize,
    table: &RotaryTable,
    heads: usize,
    head_width: usize,
    buffer: &mut [f32],
) {
    let pairs = table.pairs();
    let mut angles = Vec::new();
    for (row, values) in rows.iter().zip(buffer.chunks_exact_mut(heads * head_width)) {
        angles.clear();
        table.push_angles(row.position, longest(row), &mut angles);
        let (cosines, sines) = angles.split_at(pairs);
        for head in values.chunks_exact_mut(head_width) {
            for pair in 0..pairs {
                let (cosine, sine) = (f64::from(cosines[pair]), f64::from(sines[pair]));
                let (first, second) = (f64::from(head[pair]), f64::from(head[pair + pairs]));
                head[pair] = (first * cosine - second * sine) as f32;
                head[pair + pairs] = (second * cosine + first * sine) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_PI_2;

    use super::*;
    use crate::model::SequenceId;
    use crate::model::batch::RowOutput;
    use crate::model::rotary::LongTexts;

    fn row(position: usize) -> Row {
        Row { token: 0, position, sequence: SequenceId(0), parent: None, output: RowOutput::Nothing }
    }

    #[test]
    fn a_quarter_turn_a_position_swaps_the_halves_of_each_head() {
        let table = RotaryTable { inverse_frequencies: vec![FRAC_PI_2], long: None, amplitude: 1.0 };
        // Two heads of three elements: the third does not rotate.
        let mut buffer = [1.0, 2.0, 9.0, 3.0, 4.0, 9.0, 1.0, 2.0, 9.0, 3.0, 4.0, 9.0];
        rotary(&[row(0), row(1)], |_| 2, &table, 2, 3, &mut buffer);
        let expected = [1.0, 2.0, 9.0, 3.0, 4.0, 9.0, -2.0, 1.0, 9.0, -4.0, 3.0, 9.0];
        for (value, expected) in buffer.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{buffer:?}");
        }
    }

    #[test]
    fn pairs_are_an_element_of_each_half_and_the_amplitude_scales() {
        let table = RotaryTable { inverse_frequencies: vec![0.0, FRAC_PI_2], long: None, amplitude: 2.0 };
        let mut buffer = [1.0, 2.0, 3.0, 4.0];
        rotary(&[row(1)], |_| 2, &table, 1, 4, &mut buffer);
        for (value, expected) in buffer.iter().zip([2.0, -8.0, 6.0, 4.0]) {
            assert!((value - expected).abs() < 1e-6, "{buffer:?}");
        }
    }

    #[test]
    fn texts_that_may_get_long_have_frequencies_of_their_own() {
        let long = LongTexts { beyond: 5, inverse_frequencies: vec![2.0 * FRAC_PI_2] };
        let table = RotaryTable { inverse_frequencies: vec![FRAC_PI_2], long: Some(long), amplitude: 1.0 };
        for (longest, expected) in [(5, [-4.0, 3.0]), (6, [-3.0, -4.0])] {
            let mut buffer = [3.0, 4.0];
            rotary(&[row(1)], |_| longest, &table, 1, 2, &mut buffer);
            for (value, expected) in buffer.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "{buffer:?}");
            }
        }
    }
}
