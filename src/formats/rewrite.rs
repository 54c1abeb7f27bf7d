//! How a canonical tensor is made from a stored one: as it is, turned, reordered, in parts, or from its distance to
//! one.
//!
//! Works on bytes and sizes; which tensor needs what is said by [`super::architectures`].

use std::borrow::Cow;
use std::ops::Range;

use crate::model::WeightFormat;
use crate::model::config::StoredPairs;

/// How a file lays out the matrix of a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Outputs × inputs, as the canonical tensors are.
    OutputsByInputs,
    /// Inputs × outputs, the transpose.
    InputsByOutputs,
    /// Outputs × inputs, the outputs by key/value head: its query heads, its key, its value, then the next one's.
    ByKeyValueHead,
    /// Outputs × inputs, the outputs by query head: of several canonical tensors each one's share, then the next head's.
    ByQueryHead,
    /// Outputs × inputs, the outputs by key head of a block with a state: as [`Self::ByQueryHead`]; the share of the block's
    /// input is a query, a key, and the values that go with them.
    ByKeyHead,
    /// Experts × outputs × inputs; of several canonical tensors, one after the other within each expert.
    ByExpert,
    /// As [`Self::ByExpert`], transposed: experts × inputs × outputs.
    ByExpertTurned,
    /// Experts × outputs × inputs, or outputs alone; the outputs of several canonical tensors take turns.
    AlternatingByExpert,
    /// As [`Self::AlternatingByExpert`], transposed: experts × inputs × outputs.
    AlternatingByExpertTurned,
    /// As [`Self::AlternatingByExpert`], in MXFP4: experts × outputs × blocks × 16 bytes, and the blocks' scales in a
    /// tensor of its own ([`BLOCKS`] becomes [`SCALES`] in its name).
    AlternatingByExpertInBlocks,
    /// Outputs × inputs, in heads whose neighbouring elements rotate together: they are reordered so that element i
    /// of the rotating part's first half goes with element i of its second half. Values among them stay as they are.
    NeighboursRotate,
    /// Outputs × inputs, in heads whose last elements rotate, those together that the layer's configuration says
    /// ([`StoredPairs`]): they come first, element i of their first half with element i of their second.
    RotatingLast,
    /// What makes keys and values of latent vectors, (plain + value) × rank for each head: of it the plain rows, each head's
    /// transposed.
    LatentKeys,
    /// The same: of it the values' rows.
    LatentValues,
    /// Heads × outputs × inputs.
    ByHead,
    /// Outputs × inputs, after this many rows that nothing reads.
    After(usize),
    /// Outputs × inputs, the inputs of several canonical tensors side by side.
    SideBySide,
    /// A vector of weights stored minus one; its bias is stored as it is.
    StoredMinusOne,
    /// A vector of logarithms of rates by which something decays: canonically −eˣ.
    Logarithms,
    /// A vector of ones that no file stores.
    Ones,
}

/// What the names of tensors end with whose MXFP4 blocks have their scales elsewhere.
pub const BLOCKS: &str = "_blocks";
/// What the names of the tensors with those scales end with.
pub const SCALES: &str = "_scales";

/// How one canonical tensor's rows are found in the bytes of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// Its rows lie one after the other.
    Contiguous {
        /// Where they begin, in bytes from the stored tensor's first.
        offset: usize,
    },
    /// Its rows are columns of the stored matrix, or of several such matrices.
    Transposed {
        /// Elements of a row of a stored matrix.
        stored_columns: usize,
        /// The stored column that is the canonical tensor's first row.
        first_column: usize,
        /// From one stored column that counts to the next.
        step: usize,
        /// Canonical rows in one stored matrix.
        rows_each: usize,
        /// Stored rows that come after each matrix and are something else's.
        rows_between: usize,
    },
    /// Its rows, or its elements if it is a vector, lie in another order.
    Reordered {
        /// The order.
        order: Order,
        /// What is reordered.
        unit: Unit,
    },
    /// Every element plus one, as f32.
    PlusOne,
    /// −eˣ of every element x, as f32.
    MinusExponential,
    /// Ones, as f32; the stored bytes do not count.
    Ones,
}

/// What is reordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The rows of a matrix.
    Row,
    /// The elements of a vector.
    Element,
}

/// Where the units of a canonical tensor lie in the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `length` units from `first` on, as many from `stride` units further on, and so on.
    Strided {
        /// Units that lie together.
        length: usize,
        /// From one such run to the next.
        stride: usize,
        /// Where the first run begins.
        first: usize,
    },
    /// Each of `runs` runs of `stride` units begins with parts of these lengths: the first part of every run, then the
    /// second of every run, and the third.
    Parts {
        /// Units of each part of a run.
        lengths: [usize; 3],
        /// From one run to the next.
        stride: usize,
        /// Number of runs.
        runs: usize,
    },
    /// In every head of `head` units the first 2 · `pairs` are pairs of neighbours, which canonically lie `pairs` apart.
    Pairs {
        /// Where the first head begins.
        first: usize,
        /// Units of a head.
        head: usize,
        /// Rotating pairs of a head.
        pairs: usize,
    },
    /// In every head of `head` units the last `rotating`, which come first canonically.
    RotatingLast {
        /// Units of a head.
        head: usize,
        /// How many rotate.
        rotating: usize,
        /// Which of them turn together.
        pairs: StoredPairs,
    },
}

impl Order {
    /// The stored place of canonical unit `unit`.
    fn stored(self, unit: usize) -> usize {
        match self {
            Self::Strided { length, stride, first } => unit / length * stride + first + unit % length,
            Self::Parts { lengths: [first, second, third], stride, runs } => {
                let (seconds, thirds) = (first * runs, (first + second) * runs);
                let (before, length, unit) = match unit {
                    unit if unit < seconds => (0, first, unit),
                    unit if unit < thirds => (first, second, unit - seconds),
                    unit => (first + second, third, unit - thirds),
                };
                unit / length * stride + before + unit % length
            }
            Self::Pairs { first, head, pairs } => {
                let (start, place) = (unit / head * head, unit % head);
                first
                    + start
                    + match place {
                        place if place < pairs => 2 * place,
                        place if place < 2 * pairs => 2 * (place - pairs) + 1,
                        place => place,
                    }
            }
            Self::RotatingLast { head, rotating, pairs } => {
                let (start, place) = (unit / head * head, unit % head);
                let first = head - rotating;
                start
                    + match (pairs, place) {
                        (_, place) if place >= rotating => place - rotating,
                        (StoredPairs::Halves, place) => first + place,
                        (StoredPairs::Neighbours, place) => {
                            let half = rotating / 2;
                            first + 2 * (place % half) + place / half
                        }
                    }
            }
        }
    }
}

impl Recipe {
    /// The stored row that is row `row`, where rows stay whole; `row_bytes` are those of a row.
    pub fn stored_row(&self, row: usize, row_bytes: usize) -> Option<usize> {
        match *self {
            Self::Contiguous { offset } => Some(offset / row_bytes.max(1) + row),
            Self::Reordered { order, unit: Unit::Row } => Some(order.stored(row)),
            _ => None,
        }
    }

    /// Rows `rows` of a tensor with `columns` columns in `format`, from the bytes of the stored tensor: borrowed
    /// where they are contiguous; otherwise only these rows are made.
    ///
    /// The caller has checked, against the stored shape, that the rows are there.
    pub fn read<'a>(
        &self,
        stored: &'a [u8],
        columns: usize,
        format: WeightFormat,
        rows: Range<usize>,
    ) -> Cow<'a, [u8]> {
        match *self {
            Self::Contiguous { offset } => {
                let row_bytes = format.bytes(columns);
                Cow::Borrowed(&stored[offset + rows.start * row_bytes..offset + rows.end * row_bytes])
            }
            Self::Transposed { stored_columns, first_column, step, rows_each, rows_between } => {
                let from_one_to_next = format.bytes(stored_columns) * (columns + rows_between);
                let matrix_bytes = format.bytes(stored_columns) * columns;
                let matrices = rows.start / rows_each..rows.end.div_ceil(rows_each);
                let turned = matrices.flat_map(|matrix| {
                    let first = matrix * rows_each;
                    let rows = rows.start.max(first) - first..rows.end.min(first + rows_each) - first;
                    let stored = &stored[matrix * from_one_to_next..][..matrix_bytes];
                    let picked = rows.map(|row| first_column + step * row);
                    match format.block_bytes() {
                        2 => transpose::<2>(stored, columns, stored_columns, picked),
                        4 => transpose::<4>(stored, columns, stored_columns, picked),
                        other => {
                            unreachable!("blocks of {other} bytes cannot be turned; no importer asks for it")
                        }
                    }
                });
                Cow::Owned(turned.collect())
            }
            Self::Reordered { order, unit } => {
                let (bytes, units) = match unit {
                    Unit::Row => (format.bytes(columns), rows),
                    Unit::Element => (format.bytes(1), 0..if rows.is_empty() { 0 } else { columns }),
                };
                let mut reordered = Vec::with_capacity(bytes * units.len());
                for unit in units {
                    reordered.extend_from_slice(&stored[order.stored(unit) * bytes..][..bytes]);
                }
                Cow::Owned(reordered)
            }
            Self::PlusOne => {
                let values = format.decode(stored);
                let values = &values[rows.start * columns..rows.end * columns];
                Cow::Owned(values.iter().flat_map(|value| (value + 1.0).to_le_bytes()).collect())
            }
            Self::MinusExponential => {
                let values = format.decode(stored);
                let values = values[rows.start * columns..rows.end * columns].iter();
                let rates = values.map(|value| -f64::from(*value).exp() as f32);
                Cow::Owned(rates.flat_map(f32::to_le_bytes).collect())
            }
            Self::Ones => Cow::Owned(1.0_f32.to_le_bytes().repeat(rows.len() * columns)),
        }
    }
}

/// Columns `picked` of the `rows` × `columns` matrix `stored`, each as a row of the result.
///
/// Goes in square tiles, so that a cache line of the stored matrix is read once for all of its columns.
fn transpose<const BYTES: usize>(
    stored: &[u8],
    rows: usize,
    columns: usize,
    picked: impl Iterator<Item = usize>,
) -> Vec<u8> {
    const TILE: usize = 32;
    let (source, _) = stored.as_chunks::<BYTES>();
    let picked: Vec<usize> = picked.collect();
    let mut result = vec![0; picked.len() * rows * BYTES];
    let (target, _) = result.as_chunks_mut::<BYTES>();
    for (columns_picked, target) in picked.chunks(TILE).zip(target.chunks_mut(TILE * rows)) {
        for tile_row in (0..rows).step_by(TILE) {
            for (column, target) in columns_picked.iter().zip(target.chunks_exact_mut(rows)) {
                for row in tile_row..rows.min(tile_row + TILE) {
                    target[row] = source[row * columns + column];
                }
            }
        }
    }
    result
}

/// Rows of MXFP4 in GGUF's blocks: a block's scale and then its 32 numbers, the first half of them in the low halves
/// of 16 bytes and the other half in the high ones. Stored are 16 bytes a block of neighbouring pairs, the first of
/// each pair in the low half, and the scales. Row r is stored row `order.stored(r)`.
pub fn mxfp4_rows(blocks: &[u8], scales: &[u8], columns: usize, order: Order, rows: Range<usize>) -> Vec<u8> {
    let row_blocks = columns / 32;
    let (blocks, _) = blocks.as_chunks::<16>();
    let mut result = Vec::with_capacity(17 * row_blocks * rows.len());
    for block in rows.flat_map(|row| (0..row_blocks).map(move |block| order.stored(row) * row_blocks + block))
    {
        let number = |index: usize| blocks[block][index / 2] >> (4 * (index % 2)) & 15;
        result.push(scales[block]);
        result.extend((0..16).map(|index| number(index) | number(index + 16) << 4));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::weight_format::Encoding;

    /// Elements count up, so that each says where it came from.
    fn counting(elements: u32) -> Vec<u8> {
        (0..elements).flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn contiguous_rows_are_borrowed() {
        let stored = counting(12);
        let rows = Recipe::Contiguous { offset: 8 }.read(&stored, 2, WeightFormat::F32, 1..3);
        assert!(matches!(rows, Cow::Borrowed(_)));
        assert_eq!(rows.as_ref(), &stored[16..32]);
    }

    #[test]
    fn any_range_of_columns_becomes_rows() {
        // Larger than a tile both ways, and a multiple of it neither way.
        let (rows, columns) = (71, 45);
        let stored = counting(rows * columns);
        for (first, picked) in [(0, 0..45), (0, 33..34), (5, 0..40), (10, 31..34), (3, 7..7)] {
            let recipe = Recipe::Transposed {
                stored_columns: columns as usize,
                first_column: first,
                step: 1,
                rows_each: columns as usize,
                rows_between: 0,
            };
            let found = recipe.read(&stored, rows as usize, WeightFormat::F32, picked.clone());
            let element = |column: usize, row: u32| row * columns + (first + column) as u32;
            let needed: Vec<u8> = picked
                .flat_map(|column| (0..rows).flat_map(move |row| element(column, row).to_le_bytes()))
                .collect();
            assert_eq!(found.as_ref(), needed);
        }
    }

    #[test]
    fn heads_that_lie_by_group_are_gathered() {
        // Two key/value heads of two elements, two query heads each: query, query, key, value.
        let stored = counting(16);
        let gathered = |length, first, rows: Range<usize>| {
            let order = Order::Strided { length, stride: 8, first };
            let recipe = Recipe::Reordered { order, unit: Unit::Row };
            let bytes = recipe.read(&stored, 1, WeightFormat::F32, rows);
            bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect::<Vec<u32>>()
        };
        assert_eq!(gathered(4, 0, 0..8), [0, 1, 2, 3, 8, 9, 10, 11]);
        assert_eq!(gathered(2, 4, 0..4), [4, 5, 12, 13]);
        assert_eq!(gathered(2, 6, 1..3), [7, 14]);
    }

    #[test]
    fn the_parts_of_runs_are_gathered() {
        // Two runs of a query of one element, a key of two, values of three and two more.
        let stored = counting(16);
        let order = Order::Parts { lengths: [1, 2, 3], stride: 8, runs: 2 };
        let bytes = Recipe::Reordered { order, unit: Unit::Row }.read(&stored, 1, WeightFormat::F32, 0..12);
        let places: Vec<u32> = bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        assert_eq!(places, [0, 8, 1, 2, 9, 10, 3, 4, 5, 11, 12, 13]);
    }

    #[test]
    fn neighbours_that_rotate_are_moved_apart() {
        let stored = counting(14);
        let recipe =
            Recipe::Reordered { order: Order::Pairs { first: 0, head: 7, pairs: 2 }, unit: Unit::Element };
        let bytes = recipe.read(&stored, 14, WeightFormat::F32, 0..1);
        let places: Vec<u32> = bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        assert_eq!(places, [0, 2, 1, 3, 4, 5, 6, 7, 9, 8, 10, 11, 12, 13]);
    }

    #[test]
    fn one_is_added_in_full_precision() {
        let stored: Vec<u8> = [0.001_f32, -1.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let found = Recipe::PlusOne.read(&stored, 2, WeightFormat::F32, 0..1);
        assert_eq!(WeightFormat::F32.decode(&found), [1.001, 0.0]);
        let halves = WeightFormat::F32.convert(&stored, Encoding::Bf16);
        let found = Recipe::PlusOne.read(&halves, 2, WeightFormat::Bf16, 0..1);
        assert_eq!(WeightFormat::F32.decode(&found), [1.0 + half::bf16::from_f32(0.001).to_f32(), 0.0]);
    }

    #[test]
    fn two_byte_elements_are_turned_too() {
        let stored: Vec<u8> = (0..6_u16).flat_map(u16::to_le_bytes).collect();
        let turned =
            Recipe::Transposed { stored_columns: 3, first_column: 1, step: 1, rows_each: 2, rows_between: 0 };
        let turned = turned.read(&stored, 2, WeightFormat::Bf16, 0..2);
        let needed: Vec<u8> = [1_u16, 4, 2, 5].iter().flat_map(|element| element.to_le_bytes()).collect();
        assert_eq!(turned.as_ref(), needed);
    }

    #[test]
    fn every_other_column_of_several_matrices_becomes_a_row() {
        // Two matrices of two rows and four columns.
        let stored = counting(16);
        let recipe =
            Recipe::Transposed { stored_columns: 4, first_column: 1, step: 2, rows_each: 2, rows_between: 0 };
        let turned = |rows| {
            let bytes = recipe.read(&stored, 2, WeightFormat::F32, rows);
            bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect::<Vec<u32>>()
        };
        assert_eq!(turned(0..4), [1, 5, 3, 7, 9, 13, 11, 15]);
        assert_eq!(turned(1..3), [3, 7, 9, 13]);
        assert_eq!(turned(2..2), [0_u32; 0]);
    }

    #[test]
    fn matrices_are_turned_apart_from_what_lies_between_them() {
        // Two heads of two rows of keys and one of values, of three columns.
        let stored = counting(18);
        let recipe =
            Recipe::Transposed { stored_columns: 3, first_column: 0, step: 1, rows_each: 3, rows_between: 1 };
        let turned = recipe.read(&stored, 2, WeightFormat::F32, 1..5);
        let places: Vec<u32> = turned.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        assert_eq!(places, [1, 4, 2, 5, 9, 12, 10, 13]);
    }

    #[test]
    fn what_rotates_comes_first() {
        // Two heads of six, of which the last four rotate.
        let places = |pairs| {
            let order = Order::RotatingLast { head: 6, rotating: 4, pairs };
            (0..12).map(|unit| order.stored(unit)).collect::<Vec<usize>>()
        };
        assert_eq!(places(StoredPairs::Neighbours), [2, 4, 3, 5, 0, 1, 8, 10, 9, 11, 6, 7]);
        assert_eq!(places(StoredPairs::Halves), [2, 3, 4, 5, 0, 1, 8, 9, 10, 11, 6, 7]);
    }

    #[test]
    fn blocks_of_pairs_become_blocks_of_halves() {
        // Two stored rows of a block; the numbers of the second count up, modulo 16.
        let pairs = (0..16_u8).map(|pair| ((2 * pair) % 16) | (((2 * pair + 1) % 16) << 4));
        let blocks: Vec<u8> = [0x77; 16].into_iter().chain(pairs).collect();
        let order = Order::Strided { length: 1, stride: 2, first: 1 };
        let made = mxfp4_rows(&blocks, &[5, 9], 32, order, 0..1);
        let needed: Vec<u8> = std::iter::once(9).chain((0..16).map(|number| number | number << 4)).collect();
        assert_eq!(made, needed);
    }
}
