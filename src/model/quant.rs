//! Quantised blocks: their scalar definition, and how numbers become one.
//!
//! The formats and their rounding are ggml's (`block_q8_0`, `block_q4_0` and the reference quantisers of
//! ggml-quants.c), so that a model quantised here has the numbers of the same model quantised there. A block is
//! 32 consecutive elements of a row and begins with its scale d as f16.

/// Elements of a block.
pub const BLOCK: usize = 32;
/// Bytes of a q8_0 block: the scale, then 32 signed bytes.
pub const Q8_0_BYTES: usize = 2 + BLOCK;
/// Bytes of a q4_0 block: the scale, then 16 bytes of two numbers each.
pub const Q4_0_BYTES: usize = 2 + BLOCK / 2;

/// element\[i\] = d · q\[i\], with q\[i\] the i-th signed byte.
pub fn decode_q8_0(block: &[u8; Q8_0_BYTES]) -> [f32; BLOCK] {
    let scale = scale(block[0], block[1]);
    std::array::from_fn(|index| scale * f32::from(block[2 + index] as i8))
}

/// d = max |x| / 127; q\[i\] = x\[i\] / d, rounded to the nearest, halves away from zero. A block with a
/// non-finite number gets a NaN scale, so that it is noticed.
pub fn encode_q8_0(values: &[f32; BLOCK]) -> [u8; Q8_0_BYTES] {
    /// The largest number below one half: added before truncation, it rounds as the standard `round` does, which
    /// would be a call for each element.
    const BELOW_HALF: f32 = 0.5_f32.next_down();
    let scale = largest_magnitude(values) / 127.0;
    let inverse = inverse(scale);
    let mut block = [0; Q8_0_BYTES];
    [block[0], block[1]] = stored_scale(scale);
    for (byte, value) in block[2..].iter_mut().zip(values) {
        let value = value * inverse;
        *byte = (value + BELOW_HALF.copysign(value)) as i32 as u8;
    }
    block
}

/// element\[i\] = d · (q\[i\] − 8), with q\[i\] the low half of byte i for the first 16 elements and the high half of
/// byte i − 16 for the others.
pub fn decode_q4_0(block: &[u8; Q4_0_BYTES]) -> [f32; BLOCK] {
    let scale = scale(block[0], block[1]);
    std::array::from_fn(|index| {
        let byte = block[2 + index % 16];
        let number = if index < 16 { byte & 0xf } else { byte >> 4 };
        scale * (f32::from(number) - 8.0)
    })
}

/// d = x / −8 with x the element of largest magnitude (the first of several), which so is met exactly;
/// q\[i\] = x\[i\] / d + 8, rounded to the nearest, halves up, and at most 15. A block with a non-finite number gets a
/// NaN scale, so that it is noticed.
pub fn encode_q4_0(values: &[f32; BLOCK]) -> [u8; Q4_0_BYTES] {
    let magnitude = largest_magnitude(values);
    let largest = values.iter().find(|value| value.abs() == magnitude).copied().unwrap_or(f32::NAN);
    let scale = largest / -8.0;
    let inverse = inverse(scale);
    let mut block = [0; Q4_0_BYTES];
    [block[0], block[1]] = stored_scale(scale);
    // The sum is never negative but for rounding, and the cast takes that to 0.
    let number = |value: f32| ((value * inverse + 8.5) as i32).clamp(0, 15) as u8;
    let (low, high) = values.split_at(BLOCK / 2);
    for ((byte, low), high) in block[2..].iter_mut().zip(low).zip(high) {
        *byte = number(*low) | number(*high) << 4;
    }
    block
}

fn scale(low: u8, high: u8) -> f32 {
    half::f16::from_le_bytes([low, high]).to_f32()
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// The scale as f16; NaN if it is not finite.
fn stored_scale(scale: f32) -> [u8; 2] {
    half::f16::from_f32(if scale.is_finite() { scale } else { f32::NAN }).to_le_bytes()
}

/// The largest |x|; NaN where one is NaN. The bits of magnitudes are in the order of the magnitudes, with NaN above
/// all, and the compiler takes the maximum of whole numbers many at a time.
fn largest_magnitude(values: &[f32; BLOCK]) -> f32 {
    let mut largest = 0;
    for value in values {
        largest = largest.max((value.to_bits() & 0x7fff_ffff) as i32);
    }
    f32::from_bits(largest as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements by index, the others 0.
    fn values(some: &[(usize, f32)]) -> [f32; BLOCK] {
        let mut values = [0.0; BLOCK];
        some.iter().for_each(|(index, value)| values[*index] = *value);
        values
    }

    #[test]
    fn q8_0_rounds_halves_away_from_zero_and_meets_the_largest() {
        // The largest magnitude is 254, so d = 2 (0x4000 as f16).
        let block =
            encode_q8_0(&values(&[(0, 254.0), (1, -254.0), (2, 3.0), (3, -3.0), (4, 2.9), (31, -5.0)]));
        let mut expected = [0_u8; Q8_0_BYTES];
        expected[..2].copy_from_slice(&[0x00, 0x40]);
        expected[2..7].copy_from_slice(&[127, -127_i8 as u8, 2, -2_i8 as u8, 1]);
        expected[33] = -3_i8 as u8;
        assert_eq!(block, expected);
        let decoded = decode_q8_0(&block);
        assert_eq!(decoded, values(&[(0, 254.0), (1, -254.0), (2, 4.0), (3, -4.0), (4, 2.0), (31, -6.0)]));
    }

    #[test]
    fn q4_0_meets_the_first_of_the_largest_and_splits_halves_into_nibbles() {
        // The first of the largest is 4, so d = −1/2 (0xB800 as f16) and element 0 is q = 0.
        let some = [(0, 4.0), (1, -4.0), (2, 0.25), (15, -1.0), (16, 1.0), (17, -0.25), (31, 0.5)];
        let block = encode_q4_0(&values(&some));
        let mut expected = [0x88_u8; Q4_0_BYTES];
        expected[..2].copy_from_slice(&[0x00, 0xB8]);
        // 4 / d + 8 = 0, and 1 / d + 8 = 6 beside it in the high half.
        expected[2] = 0x60;
        // −4 / d + 8 = 16 is one more than there is; −0.25 / d + 8 = 8.5 goes up.
        expected[3] = 0x9F;
        // 0.25 / d + 8 = 7.5 goes up.
        expected[4] = 0x88;
        // −1 / d + 8 = 10, and 0.5 / d + 8 = 7.
        expected[17] = 0x7A;
        assert_eq!(block, expected);
        let met = [(0, 4.0), (1, -3.5), (15, -1.0), (16, 1.0), (17, -0.5), (31, 0.5)];
        assert_eq!(decode_q4_0(&block), values(&met));
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        assert_eq!(encode_q8_0(&[0.0; BLOCK]), [0; Q8_0_BYTES]);
        assert_eq!(decode_q4_0(&encode_q4_0(&[0.0; BLOCK])), [0.0; BLOCK]);
    }

    #[test]
    fn q8_0_rounds_as_the_standard_function_does() {
        // Halves, and their neighbours on both sides, where adding 0.5 first would go wrong.
        let halves = (0..127).map(|whole| whole as f32 + 0.5);
        for value in halves.flat_map(|half| [half.next_down(), half, half.next_up()]) {
            for value in [value, -value] {
                let block = encode_q8_0(&values(&[(0, 127.0), (1, value)]));
                assert_eq!(f32::from(block[3] as i8), value.round(), "{value}");
            }
        }
    }
}
