//! How blocks of points of a grid lie in GPU memory: in units of 32 weights and records, as `block_layout` has them, and
//! the grid before the records.

use super::block_layout::push_bit;
use crate::model::grids::Grid;
use crate::model::weight_format::{GridFormat, LARGEST_BLOCK};

/// Weights of a part.
const PART: usize = 32;

/// Bytes of a block's record.
pub(super) fn record_bytes(format: GridFormat) -> usize {
    match format {
        GridFormat::Iq2Xxs => 2,
        GridFormat::Iq2Xs => 12,
        GridFormat::Iq2S | GridFormat::Iq1S => 20,
        GridFormat::Iq1M => 24,
        GridFormat::Iq3Xxs => 36,
        GridFormat::Iq3S => 48,
    }
}

/// Bytes of the units of a block.
pub(super) fn unit_bytes(format: GridFormat) -> usize {
    let of_part = if matches!(format, GridFormat::Iq1S | GridFormat::Iq1M) { 4 } else { 8 };
    LARGEST_BLOCK / PART * of_part
}

/// Appends a block's units and its record.
pub(super) fn push(format: GridFormat, block: &[u8], units: &mut Vec<u8>, record: &mut Vec<u8>) {
    match format {
        GridFormat::Iq3S => {
            units.extend_from_slice(&block[2..66]);
            block[74..106].chunks_exact(4).for_each(|signs| push_signs(signs, record));
            record.extend_from_slice(&block[66..74]);
            record.extend_from_slice(&block[106..110]);
            record.extend_from_slice(&[block[0], block[1], 0, 0]);
        }
        GridFormat::Iq3Xxs => {
            units.extend_from_slice(&block[2..66]);
            record.extend_from_slice(&block[66..98]);
            record.extend_from_slice(&[block[0], block[1], 0, 0]);
        }
        GridFormat::Iq2S => {
            for (points, signs) in block[2..34].chunks_exact(4).zip(block[34..66].chunks_exact(4)) {
                units.extend_from_slice(points);
                push_signs(signs, units);
            }
            record.extend_from_slice(&block[66..82]);
            record.extend_from_slice(&[block[0], block[1], 0, 0]);
        }
        GridFormat::Iq2Xs => {
            units.extend_from_slice(&block[2..66]);
            record.extend_from_slice(&block[66..74]);
            record.extend_from_slice(&[block[0], block[1], 0, 0]);
        }
        GridFormat::Iq2Xxs => {
            units.extend_from_slice(&block[2..66]);
            record.extend_from_slice(&block[..2]);
        }
        GridFormat::Iq1S => {
            units.extend_from_slice(&block[2..34]);
            record.extend_from_slice(&block[34..50]);
            record.extend_from_slice(&[block[0], block[1], 0, 0]);
        }
        GridFormat::Iq1M => {
            units.extend_from_slice(&block[..32]);
            record.extend_from_slice(&block[32..56]);
        }
    }
}

/// The signs of 32 weights, bit i of four bytes for weight i, in the order of [`push_bit`].
fn push_signs(signs: &[u8], into: &mut Vec<u8>) {
    let bits: [u8; PART] = std::array::from_fn(|weight| signs[weight / 8] >> (weight % 8));
    push_bit(&bits, 0, into);
}

/// Bytes of [`table`].
pub(super) fn table_bytes(format: GridFormat) -> usize {
    let grid = Grid::of(format);
    grid.count() * if grid.width == 4 { 4 } else { 2 }
}

/// The grid as kernels look points up in it. A point of four numbers is a word, a byte for each. One of eight is half
/// a word, the first point the lower: two bits for each number's index, in the order 0, 4, 2, 6, 1, 5, 3, 7 from the lowest
/// on, so that two shifts bring either four into the bytes of a word.
pub(super) fn table(format: GridFormat) -> Vec<u8> {
    const ORDER: [usize; 8] = [0, 4, 2, 6, 1, 5, 3, 7];
    let grid = Grid::of(format);
    let point = |point| match grid.width {
        4 => (0..4).map(|place| grid.number(point, place) as u8).collect(),
        _ => {
            let bits = ORDER.iter().rev().fold(0, |bits, &place| bits << 2 | grid.index(point, place));
            bits.to_le_bytes().to_vec()
        }
    };
    (0..grid.count()).flat_map(point).collect()
}
