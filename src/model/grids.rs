//! Quantised blocks whose codes are points of a grid, as only files bring them: which numbers they stand for.
//!
//! The formats are ggml's (`block_iq3_s` … `block_iq1_m` of ggml-common.h, `dequantize_row_*` of ggml-quants.c). A block
//! has 256 elements, in **parts** of 32. A part names points of the format's **grid**, a table of points of four or of eight
//! numbers each. An element is its number, with a sign or a shift, times its half's **step**.

use super::weight_format::GridFormat;

/// Elements of a part.
const PART: usize = 32;

/// The points of all grids, in 16 bits each; `make.py` beside the file says how.
static POINTS: &[u8] = include_bytes!("../../assets/grids/grids.bin");

/// A table of points.
pub struct Grid {
    /// Each point in 16 bits: for each of its numbers the index into `numbers`, the first lowest.
    points: &'static [[u8; 2]],
    /// The numbers that there are.
    numbers: &'static [i8],
    /// How many of them a point has: 4 or 8.
    pub width: usize,
}

impl Grid {
    /// The grid of a format.
    pub fn of(format: GridFormat) -> Self {
        let (first, count, width, numbers): (usize, usize, usize, &[i8]) = match format {
            GridFormat::Iq3S => (0, 512, 4, &[1, 3, 5, 7, 9, 11, 13, 15]),
            GridFormat::Iq3Xxs => (512, 256, 4, &[4, 12, 20, 28, 36, 44, 52, 62]),
            GridFormat::Iq2S => (768, 1024, 8, &[8, 25, 43]),
            GridFormat::Iq2Xs => (1792, 512, 8, &[8, 25, 43]),
            GridFormat::Iq2Xxs => (2304, 256, 8, &[8, 25, 43]),
            // −1, 0 and 1, in eighths.
            GridFormat::Iq1S | GridFormat::Iq1M => (2560, 2048, 8, &[-8, 0, 8]),
        };
        Self { points: &POINTS.as_chunks().0[first..first + count], numbers, width }
    }

    /// How many points it has.
    pub fn count(&self) -> usize {
        self.points.len()
    }

    /// Which of its numbers a point has at a place, by index.
    pub fn index(&self, point: usize, place: usize) -> u16 {
        let bits = 16 / self.width;
        u16::from_le_bytes(self.points[point]) >> (bits * place) & ((1 << bits) - 1)
    }

    /// The number that a point has at a place.
    pub fn number(&self, point: usize, place: usize) -> i8 {
        self.numbers[usize::from(self.index(point, place))]
    }
}

/// 32 elements of a block.
struct Part {
    /// Their points: eight of four numbers, or the first four of eight.
    points: [u16; 8],
    /// Bit i: whether element i is the number taken off 0.
    negative: u32,
    /// Bit i: whether eight elements from 8i on are an eighth lower than their number rather than higher; only in formats
    /// that shift.
    lower: u8,
    /// What the elements of each half are multiplied with.
    steps: [f32; 2],
}

/// The elements that a block stands for.
pub fn decode(format: GridFormat, block: &[u8], values: &mut [f32]) {
    let grid = Grid::of(format);
    let shifts = matches!(format, GridFormat::Iq1S | GridFormat::Iq1M);
    for (index, values) in values.chunks_exact_mut(PART).enumerate() {
        let part = part(format, block, index);
        for (element, value) in values.iter_mut().enumerate() {
            let point = usize::from(part.points[element / grid.width]);
            let number = f32::from(grid.number(point, element % grid.width));
            let number = match shifts {
                true if part.lower >> (element / 8) & 1 == 1 => number - 1.0,
                true => number + 1.0,
                false if part.negative >> element & 1 == 1 => -number,
                false => number,
            };
            *value = part.steps[element / 16] * number;
        }
    }
}

/// The factor of a block's steps, as f16.
pub fn factor(format: GridFormat, block: &[u8]) -> half::f16 {
    half::f16::from_bits(match format {
        GridFormat::Iq1M => (0..4).fold(0, |bits, i| bits | half_word(block, 48 + 2 * i) >> 12 << (4 * i)),
        _ => half_word(block, 0),
    })
}

/// Gives a block another factor.
pub fn set_factor(format: GridFormat, block: &mut [u8], factor: half::f16) {
    match format {
        GridFormat::Iq1M => {
            for i in 0..4 {
                let byte = &mut block[49 + 2 * i];
                *byte = *byte & 15 | ((factor.to_bits() >> (4 * i) & 15) as u8) << 4;
            }
        }
        _ => block[..2].copy_from_slice(&factor.to_le_bytes()),
    }
}

fn part(format: GridFormat, block: &[u8], index: usize) -> Part {
    let d = factor(format, block).to_f32();
    let nibbles = |byte: u8| [byte & 15, byte >> 4].map(f32::from);
    let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let mut part = Part { points: [0; 8], negative: 0, lower: 0, steps: [0.0; 2] };
    match format {
        GridFormat::Iq3S => {
            let high = block[66 + index];
            part.points = bytes(block, 2 + 8 * index);
            part.points.iter_mut().enumerate().for_each(|(i, point)| *point |= u16::from(high >> i & 1) << 8);
            part.negative = word(74 + 4 * index);
            let scale = nibbles(block[106 + index / 2])[index % 2];
            part.steps = [d * (1.0 + 2.0 * scale); 2];
        }
        GridFormat::Iq3Xxs => {
            let signs_and_scale = word(66 + 4 * index);
            part.points = bytes(block, 2 + 8 * index);
            part.negative = seven_signs_of_eight(std::array::from_fn(|i| signs_and_scale >> (7 * i)));
            part.steps = [d * (0.5 + (signs_and_scale >> 28) as f32) * 0.5; 2];
        }
        GridFormat::Iq2S => {
            let high = block[66 + index];
            let low: [u16; 4] = bytes(block, 2 + 4 * index);
            (0..4).for_each(|i| part.points[i] = low[i] | u16::from(high >> (2 * i) & 3) << 8);
            part.negative = word(34 + 4 * index);
            part.steps = nibbles(block[74 + index]).map(|scale| d * (0.5 + scale) * 0.25);
        }
        GridFormat::Iq2Xs => {
            let codes: [u16; 4] = std::array::from_fn(|i| half_word(block, 2 + 8 * index + 2 * i));
            (0..4).for_each(|i| part.points[i] = codes[i] & 511);
            part.negative = seven_signs_of_eight(codes.map(|code| u32::from(code >> 9)));
            part.steps = nibbles(block[66 + index]).map(|scale| d * (0.5 + scale) * 0.25);
        }
        GridFormat::Iq2Xxs => {
            let signs_and_scale = word(6 + 8 * index);
            let low: [u16; 4] = bytes(block, 2 + 8 * index);
            part.points[..4].copy_from_slice(&low);
            part.negative = seven_signs_of_eight(std::array::from_fn(|i| signs_and_scale >> (7 * i)));
            part.steps = [d * (0.5 + (signs_and_scale >> 28) as f32) * 0.25; 2];
        }
        GridFormat::Iq1S => {
            let high = half_word(block, 34 + 2 * index);
            let low: [u16; 4] = bytes(block, 2 + 4 * index);
            (0..4).for_each(|i| part.points[i] = low[i] | (high >> (3 * i) & 7) << 8);
            part.lower = if high >> 15 == 1 { 15 } else { 0 };
            part.steps = [d * (2.0 * f32::from(high >> 12 & 7) + 1.0) * 0.125; 2];
        }
        GridFormat::Iq1M => {
            let high = half_word(block, 32 + 2 * index);
            let low: [u16; 4] = bytes(block, 4 * index);
            (0..4).for_each(|i| part.points[i] = low[i] | (high >> (4 * i) & 7) << 8);
            part.lower = (0..4).fold(0, |lower, i| lower | ((high >> (4 * i + 3) & 1) as u8) << i);
            let scales = half_word(block, 48 + index / 2 * 2) >> (6 * (index % 2));
            part.steps =
                [scales & 7, scales >> 3 & 7].map(|scale| d * (2.0 * f32::from(scale) + 1.0) * 0.125);
        }
    }
    part
}

/// The signs of 32 elements by the lowest seven bits of four numbers: the eighth sign of each makes their number even.
fn seven_signs_of_eight(bits: [u32; 4]) -> u32 {
    let eight = |bits: u32| bits & 127 | ((bits & 127).count_ones() % 2) << 7;
    bits.into_iter().rev().fold(0, |all, bits| all << 8 | eight(bits))
}

fn bytes<const COUNT: usize>(block: &[u8], at: usize) -> [u16; COUNT] {
    std::array::from_fn(|i| u16::from(block[at + i]))
}

fn half_word(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}
