//! Codes and numbers in the words of stored tensors.

/// The place in a word of AWQ of each of eight neighbours.
const PLACES_OF_EIGHT: [usize; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

/// 2^(e − 127), or no number where all bits are set (OCP Microscaling Formats 1.0, E8M0).
pub(super) fn power_of_two(exponent: u8) -> f32 {
    match exponent {
        0 => f32::MIN_POSITIVE / 2.0,
        255 => f32::NAN,
        _ => f32::from_bits(u32::from(exponent) << 23),
    }
}

/// Number `index`, of so many bits, of words from word `first` on, the first in the lowest bits; some of them run over the words'
/// ends.
pub(super) fn of_words(words: &[u8], first: usize, [bits, index]: [usize; 2]) -> u32 {
    let (place, shift) = (first + bits * index / 32, bits * index % 32);
    let next = if shift + bits > 32 { word(words, place + 1) } else { 0 };
    let two = u64::from(word(words, place)) | u64::from(next) << 32;
    (two >> shift) as u32 & ((1 << bits) - 1)
}

/// The code at a row and a column of so many where four rows lie together: for each 64 columns 16 words of 16 bits of each of
/// the rows, every one with four columns that are eight apart.
pub(super) fn of_four_rows(words: &[u8], columns: usize, [row, column]: [usize; 2]) -> u8 {
    let of_rows = row / 4 * columns + column / 64 * 64 + row % 4 * 16;
    let place = of_rows + column % 64 / 32 * 8 + column % 8;
    (half_word(words, place) >> (column % 32 / 8 * 4)) as u8 & 15
}

/// The bytes of so many codes of four bits, the first of two in the low half.
pub(super) fn pairs(count: usize, code: impl Fn(usize) -> u8) -> Vec<u8> {
    let second = |place: usize| if place < count { code(place) << 4 } else { 0 };
    (0..count).step_by(2).map(|place| code(place) | second(place + 1)).collect()
}

/// Number `index` of words of eight each, from word `first` on, as AWQ packs them.
pub(super) fn of_eight(words: &[u8], first: usize, index: usize) -> u32 {
    word(words, first + index / 8) >> (4 * PLACES_OF_EIGHT[index % 8]) & 15
}

pub(super) fn word(bytes: &[u8], index: usize) -> u32 {
    let at = 4 * index;
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn single(bytes: &[u8], index: usize) -> f32 {
    f32::from_bits(word(bytes, index))
}

pub(super) fn half_word(bytes: &[u8], index: usize) -> u16 {
    u16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]])
}
