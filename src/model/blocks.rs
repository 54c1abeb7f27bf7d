//! Quantised blocks that only files bring: their codes, their scales, and so which numbers they stand for.
//!
//! The formats are ggml's (`block_q4_1` … `block_iq4_xs` of ggml-common.h, `dequantize_row_*` of ggml-quants.c). In all
//! of them an element is a **code**, or what a codebook has for it, times a scale, with an offset. Codes are whole numbers
//! from 0, given here in the order of the elements. A block of 256 has **sub-blocks** of 16 or 32 elements, each with a
//! scale of its own.

use super::weight_format::{BlockFormat, LARGEST_BLOCK};

/// The codebook of iq4_nl and iq4_xs.
pub const IQ4_CODEBOOK: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// The codebook of mxfp4 and nvfp4, doubled (OCP Microscaling Formats 1.0, E2M1).
pub const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// A step of nvfp4 that no file of ggml has: a folder's had no number there.
pub const NO_STEP: u8 = 255;

/// The codes of a block, the first of as many as the block has elements.
pub fn codes(format: BlockFormat, block: &[u8]) -> [u8; LARGEST_BLOCK] {
    let mut codes = [0; LARGEST_BLOCK];
    match format {
        BlockFormat::Q4_1 => halves(&block[4..20], 16, &mut codes),
        BlockFormat::Iq4Nl => halves(&block[2..18], 16, &mut codes),
        BlockFormat::Mxfp4 => halves(&block[1..17], 16, &mut codes),
        BlockFormat::Iq4Xs => halves(&block[8..136], 16, &mut codes),
        BlockFormat::Q5_0 => {
            halves(&block[6..22], 16, &mut codes);
            fifth_bits(&block[2..6], &mut codes);
        }
        BlockFormat::Q5_1 => {
            halves(&block[8..24], 16, &mut codes);
            fifth_bits(&block[4..8], &mut codes);
        }
        BlockFormat::Q4K => halves(&block[16..144], 32, &mut codes),
        BlockFormat::Q5K => {
            halves(&block[48..176], 32, &mut codes);
            // Bit i of byte j belongs to element 32i + j.
            for (index, code) in codes.iter_mut().enumerate() {
                *code |= (block[16 + index % 32] >> (index / 32) & 1) << 4;
            }
        }
        BlockFormat::Q6K => {
            halves(&block[..128], 64, &mut codes);
            for (high, codes) in block[128..192].chunks_exact(32).zip(codes.chunks_exact_mut(128)) {
                quarters(high, codes, 4);
            }
        }
        BlockFormat::Q2K => {
            for (bytes, codes) in block[16..80].chunks_exact(32).zip(codes.chunks_exact_mut(128)) {
                quarters(bytes, codes, 0);
            }
        }
        BlockFormat::Q3K => {
            for (bytes, codes) in block[32..96].chunks_exact(32).zip(codes.chunks_exact_mut(128)) {
                quarters(bytes, codes, 0);
            }
            // Bit i of byte j belongs to element 32i + j.
            for (index, code) in codes.iter_mut().enumerate() {
                *code |= (block[index % 32] >> (index / 32) & 1) << 2;
            }
        }
        BlockFormat::Nvfp4 | BlockFormat::Nvfp4Scaled => halves(&block[4..36], 8, &mut codes),
        BlockFormat::Tq1_0 => {
            fifths(&block[..32], &mut codes[..160]);
            fifths(&block[32..48], &mut codes[160..240]);
            fifths(&block[48..52], &mut codes[240..]);
        }
        BlockFormat::Tq2_0 => {
            for (bytes, codes) in block[..64].chunks_exact(32).zip(codes.chunks_exact_mut(128)) {
                quarters(bytes, codes, 0);
            }
        }
        BlockFormat::Q1_0 => {
            for (index, code) in codes[..128].iter_mut().enumerate() {
                *code = block[2 + index / 8] >> (index % 8) & 1;
            }
        }
        BlockFormat::Q2_0 => {
            for (index, code) in codes[..64].iter_mut().enumerate() {
                *code = block[2 + index / 4] >> (2 * (index % 4)) & 3;
            }
        }
    }
    codes
}

/// The elements that a block stands for.
pub fn decode(format: BlockFormat, block: &[u8], values: &mut [f32]) {
    let codes = codes(format, block);
    // Each element from its code and the sub-block of `run` elements that it is in.
    let fill = |values: &mut [f32], run: usize, element: &dyn Fn(usize, u8) -> f32| {
        for (index, (value, code)) in values.iter_mut().zip(codes).enumerate() {
            *value = element(index / run, code);
        }
    };
    match format {
        // element = d · code + m
        BlockFormat::Q4_1 | BlockFormat::Q5_1 => {
            let (d, m) = (half(block, 0), half(block, 2));
            fill(values, 32, &|_, code| d * f32::from(code) + m);
        }
        // element = d · (code − 16)
        BlockFormat::Q5_0 => {
            let d = half(block, 0);
            fill(values, 32, &|_, code| d * (f32::from(code) - 16.0));
        }
        // element = d · codebook[code]
        BlockFormat::Iq4Nl => {
            let d = half(block, 0);
            fill(values, 32, &|_, code| d * f32::from(IQ4_CODEBOOK[usize::from(code)]));
        }
        // element = 2^(e − 128) · codebook[code]
        BlockFormat::Mxfp4 => {
            let d = half_power_of_two(block[0]);
            fill(values, 32, &|_, code| d * f32::from(E2M1[usize::from(code)]));
        }
        // element = d · scale[i / 32] · code − dmin · min[i / 32]
        BlockFormat::Q4K | BlockFormat::Q5K => {
            let (d, dmin) = (half(block, 0), half(block, 2));
            let scales: [(f32, f32); 8] = std::array::from_fn(|sub| {
                let (scale, min) = scale_and_min(&block[4..16], sub);
                (d * f32::from(scale), dmin * f32::from(min))
            });
            fill(values, 32, &|sub, code| scales[sub].0 * f32::from(code) - scales[sub].1);
        }
        // element = d · scale[i / 16] · (code − 32)
        BlockFormat::Q6K => {
            let d = half(block, 208);
            let scales: [f32; 16] = std::array::from_fn(|sub| d * f32::from(block[192 + sub] as i8));
            fill(values, 16, &|sub, code| scales[sub] * (f32::from(code) - 32.0));
        }
        // element = d · (scale[i / 16] & 15) · code − dmin · (scale[i / 16] >> 4)
        BlockFormat::Q2K => {
            let (d, dmin) = (half(block, 80), half(block, 82));
            let scales: [(f32, f32); 16] = std::array::from_fn(|sub| {
                (d * f32::from(block[sub] & 15), dmin * f32::from(block[sub] >> 4))
            });
            fill(values, 16, &|sub, code| scales[sub].0 * f32::from(code) - scales[sub].1);
        }
        // element = d · (scale[i / 16] − 32) · (code − 4)
        BlockFormat::Q3K => {
            let d = half(block, 108);
            let scales = q3_k_scales(&block[96..108]).map(|scale| d * (f32::from(scale) - 32.0));
            fill(values, 16, &|sub, code| scales[sub] * (f32::from(code) - 4.0));
        }
        // element = d · (scale[i / 32] − 32) · codebook[code]
        BlockFormat::Iq4Xs => {
            let d = half(block, 0);
            let high = u16::from_le_bytes([block[2], block[3]]);
            let scales: [f32; 8] = std::array::from_fn(|sub| {
                let low = block[4 + sub / 2] >> (4 * (sub % 2)) & 15;
                let scale = low | ((high >> (2 * sub) & 3) as u8) << 4;
                d * (f32::from(scale) - 32.0)
            });
            fill(values, 32, &|sub, code| scales[sub] * f32::from(IQ4_CODEBOOK[usize::from(code)]));
        }
        // element = step[i / 16] · codebook[code]
        BlockFormat::Nvfp4 => {
            fill(values, 16, &|sub, code| half_e4m3(block[sub]) * f32::from(E2M1[usize::from(code)]));
        }
        // element = step[i / 16] · codebook[code] · factor
        BlockFormat::Nvfp4Scaled => {
            let factor = f32::from_le_bytes([block[36], block[37], block[38], block[39]]);
            fill(values, 16, &|sub, code| {
                half_e4m3(block[sub]) * f32::from(E2M1[usize::from(code)]) * factor
            });
        }
        // element = d · (code − 1)
        BlockFormat::Tq1_0 | BlockFormat::Tq2_0 | BlockFormat::Q2_0 => {
            let d = half(block, scale_places(format)[0]);
            fill(values, LARGEST_BLOCK, &|_, code| d * (f32::from(code) - 1.0));
        }
        // element = d or −d
        BlockFormat::Q1_0 => {
            let d = half(block, 0);
            fill(values, 128, &|_, code| d * (2.0 * f32::from(code) - 1.0));
        }
    }
}

/// Half of a float of eight bits without a sign (E4M3), as ggml makes it: its largest code, no number, is 0.
fn half_e4m3(bits: u8) -> f32 {
    let (exponent, mantissa) = (u32::from(bits >> 3 & 15), u32::from(bits & 7));
    match (exponent, bits) {
        (_, 127) => 0.0,
        (0, _) => mantissa as f32 / 1024.0,
        _ => f32::from_bits((exponent + 119) << 23 | mantissa << 20),
    }
}

/// The sixteen scales of a q3_k block, six bits each: four low bits, eight scales' in the low halves of eight bytes and
/// the others' in the high ones; then two high bits, four to a byte, scale i with those of i + 4, i + 8 and i + 12.
pub fn q3_k_scales(packed: &[u8]) -> [u8; 16] {
    std::array::from_fn(|sub| {
        let low = packed[sub % 8] >> (4 * (sub / 8)) & 15;
        let high = packed[8 + sub % 4] >> (2 * (sub / 4)) & 3;
        low | high << 4
    })
}

/// Where a block has a number in f16 that scales all of it, and so says whether the block is of finite numbers.
pub fn scale_places(format: BlockFormat) -> &'static [usize] {
    match format {
        BlockFormat::Q4_1 | BlockFormat::Q5_1 | BlockFormat::Q4K | BlockFormat::Q5K => &[0, 2],
        BlockFormat::Q2K => &[80, 82],
        BlockFormat::Q3K => &[108],
        BlockFormat::Q6K => &[208],
        BlockFormat::Tq1_0 => &[52],
        BlockFormat::Tq2_0 => &[64],
        BlockFormat::Q5_0
        | BlockFormat::Iq4Nl
        | BlockFormat::Iq4Xs
        | BlockFormat::Q1_0
        | BlockFormat::Q2_0 => &[0],
        // They have none in f16.
        BlockFormat::Mxfp4 | BlockFormat::Nvfp4 | BlockFormat::Nvfp4Scaled => &[],
    }
}

/// 2^(exponent − 128), as ggml makes it.
fn half_power_of_two(exponent: u8) -> f32 {
    let exponent = u32::from(exponent);
    f32::from_bits(if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 })
}

/// The scale and the min of a sub-block of a q4_k or q5_k block, six bits each: of the first four in a byte each; of
/// the others the low four bits in a byte for both, the high two in those of the first.
fn scale_and_min(packed: &[u8], sub: usize) -> (u8, u8) {
    if sub < 4 {
        return (packed[sub] & 63, packed[sub + 4] & 63);
    }
    let (both, scale, min) = (packed[sub + 4], packed[sub - 4] >> 6, packed[sub] >> 6);
    (both & 15 | scale << 4, both >> 4 | min << 4)
}

/// Codes from the halves of bytes: of each `run` bytes first the low halves, then the high ones.
fn halves(bytes: &[u8], run: usize, codes: &mut [u8]) {
    for (bytes, codes) in bytes.chunks_exact(run).zip(codes.chunks_exact_mut(2 * run)) {
        for (index, byte) in bytes.iter().enumerate() {
            codes[index] = byte & 15;
            codes[run + index] = byte >> 4;
        }
    }
}

/// Adds bits, two to a code and four codes to a byte, the codes 32 apart, `shift` bits up.
fn quarters(bytes: &[u8], codes: &mut [u8], shift: usize) {
    for (index, byte) in bytes.iter().enumerate() {
        for quarter in 0..4 {
            codes[32 * quarter + index] |= (byte >> (2 * quarter) & 3) << shift;
        }
    }
}

/// Codes from 0 to 2, five in a byte, the first from the most significant on: a byte is a fraction of 256, of which each
/// threefold's whole part is the next. A code's place is that of its byte, so the second codes of all bytes come after
/// their first.
fn fifths(bytes: &[u8], codes: &mut [u8]) {
    for (turn, codes) in codes.chunks_mut(bytes.len()).enumerate() {
        for (byte, code) in bytes.iter().zip(codes) {
            let rest = byte.wrapping_mul(3_u8.pow(turn as u32));
            *code = ((u16::from(rest) * 3) >> 8) as u8;
        }
    }
}

/// Adds the highest bit of five, bit i of the four bytes for code i.
fn fifth_bits(bytes: &[u8], codes: &mut [u8]) {
    for (index, code) in codes[..32].iter_mut().enumerate() {
        *code |= (bytes[index / 8] >> (index % 8) & 1) << 4;
    }
}

fn half(block: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ggml's `ggml_ue4m3_to_fp32` has it.
    #[test]
    fn floats_of_eight_bits_are_halved() {
        for bits in 0..=255_u8 {
            let (exponent, mantissa) = (i32::from(bits >> 3 & 15), f64::from(bits & 7));
            let expected = match (bits, exponent) {
                (0 | 127, _) => 0.0,
                (_, 0) => mantissa * 2_f64.powi(-9),
                _ => (1.0 + mantissa / 8.0) * 2_f64.powi(exponent - 7),
            };
            assert_eq!(f64::from(half_e4m3(bits)), 0.5 * expected, "{bits}");
        }
    }
}
