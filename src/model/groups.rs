//! Groups of codes with a factor, as folders of safetensors bring them: which numbers they stand for.
//!
//! A block is a group: its factors in four bytes, then its codes, the first in the lowest bits of the first byte. Files
//! store the two apart; `crate::formats` brings them together.

use super::group_format::{FACTOR_BYTES, GroupCodes, GroupFactors, GroupFormat};

/// What bitsandbytes' codes of four bits mean: quantiles of a normal distribution. The decimals are those of its table in f32.
pub const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// The same of its floats: twelfths.
pub const FP4: [f32; 16] = [
    0.0,
    0.0625 / 12.0,
    8.0 / 12.0,
    1.0,
    4.0 / 12.0,
    0.5,
    2.0 / 12.0,
    0.25,
    0.0,
    -0.0625 / 12.0,
    -8.0 / 12.0,
    -1.0,
    -4.0 / 12.0,
    -0.5,
    -2.0 / 12.0,
    -0.25,
];

/// The most elements of a group.
const LARGEST: usize = 128;

/// What a group's codes are multiplied by, and what belongs to that.
enum Factors {
    /// What is added to the product.
    Bias(f32, f32),
    /// The code that stands for 0.
    Zero(f32, f32),
}

fn factors(format: GroupFormat, block: &[u8]) -> Factors {
    let (first, second) = (half_word(block, 0), half_word(block, 2));
    let f16 = |bits| half::f16::from_bits(bits).to_f32();
    let bf16 = |bits| half::bf16::from_bits(bits).to_f32();
    match format.factors {
        GroupFactors::F16Bias => Factors::Bias(f16(first), f16(second)),
        GroupFactors::Bf16Bias => Factors::Bias(bf16(first), bf16(second)),
        GroupFactors::F16Zero => Factors::Zero(f16(first), f32::from(second)),
        GroupFactors::Bf16Zero => Factors::Zero(bf16(first), f32::from(second)),
        GroupFactors::F32 => {
            let step = f32::from_bits(u32::from(first) | u32::from(second) << 16);
            Factors::Zero(step, middle(format.codes))
        }
    }
}

/// The whole number in the middle, which stands for 0 where factors do not say otherwise; none of floats.
pub fn middle(codes: GroupCodes) -> f32 {
    match codes {
        GroupCodes::E4m3 | GroupCodes::Nf4 | GroupCodes::Fp4 => 0.0,
        _ => (1 << (codes.bits() - 1)) as f32,
    }
}

/// The codes of a block, the first of as many as it has elements.
pub fn codes(format: GroupFormat, block: &[u8]) -> [u8; LARGEST] {
    let bits = format.codes.bits();
    let packed = &block[FACTOR_BYTES..];
    let mut codes = [0; LARGEST];
    for (index, code) in codes[..format.size.elements()].iter_mut().enumerate() {
        let (byte, shift) = (bits * index / 8, bits * index % 8);
        let next = packed.get(byte + 1).copied().unwrap_or(0);
        let two = u16::from_le_bytes([packed[byte], next]);
        *code = (two >> shift & ((1 << bits) - 1)) as u8;
    }
    codes
}

/// The elements that a block stands for: step · code + bias, or step · (code − zero).
pub fn decode(format: GroupFormat, block: &[u8], values: &mut [f32]) {
    let factors = factors(format, block);
    for (value, code) in values.iter_mut().zip(codes(format, block)) {
        let number = number(format.codes, code);
        *value = match factors {
            Factors::Bias(step, bias) => step * number + bias,
            Factors::Zero(step, zero) => step * (number - zero),
        };
    }
}

fn number(codes: GroupCodes, code: u8) -> f32 {
    match codes {
        GroupCodes::E4m3 => e4m3(code),
        GroupCodes::Nf4 => NF4[usize::from(code)],
        GroupCodes::Fp4 => FP4[usize::from(code)],
        _ => f32::from(code),
    }
}

/// How many infinite or NaN numbers a block says: its factors, or floats that are none.
pub fn count_non_finite(format: GroupFormat, block: &[u8]) -> usize {
    let (Factors::Bias(step, other) | Factors::Zero(step, other)) = factors(format, block);
    let not_numbers = codes(format, block).into_iter().filter(|code| number(format.codes, *code).is_nan());
    not_numbers.count() + usize::from(!(step.is_finite() && other.is_finite()))
}

/// A float of eight bits (OCP 8-bit Floating Point Specification 1.0, E4M3): it has no infinities, and one NaN of each sign.
fn e4m3(bits: u8) -> f32 {
    if bits & 127 == 127 {
        return f32::NAN;
    }
    // The same bits of f16, whose exponents are eight higher.
    let half = u16::from(bits & 128) << 8 | u16::from(bits & 127) << 7;
    half::f16::from_bits(half).to_f32() * 256.0
}

fn half_word(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_eight_bits_are_those_of_the_specification() {
        // From its tables: zero, the least and the largest subnormal, the least normal, one, the largest.
        for (bits, number) in [
            (0, 0.0),
            (1, 2_f32.powi(-9)),
            (7, 0.875 * 2_f32.powi(-6)),
            (8, 2_f32.powi(-6)),
            (0x38, 1.0),
            (0x7e, 448.0),
        ] {
            assert_eq!(e4m3(bits), number);
            assert_eq!(e4m3(bits | 128), -number);
        }
        assert!(e4m3(127).is_nan() && e4m3(255).is_nan());
    }
}
