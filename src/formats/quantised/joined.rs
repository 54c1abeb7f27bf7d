//! A quantised matrix that a folder stores in several tensors, read as rows of a group format.

use std::sync::Arc;

use super::four_bits::{STEPS, push_mxfp4, push_nvfp4};
use super::order::in_order;
use super::parts::{Float, Part};
use super::words_of_codes::{half_word, of_eight, of_four_rows, of_words, pairs, power_of_two, single, word};
use crate::model::WeightFormat;
use crate::model::group_format::GroupFormat;
use crate::model::groups::middle;
use crate::model::weight_format::BlockFormat;

/// A matrix in several stored tensors: its codes, its scales and perhaps what belongs to these.
#[derive(Clone, Debug)]
pub(in crate::formats) struct Joined {
    /// What its rows are read as.
    pub blocks: Blocks,
    /// Elements of a row.
    pub columns: usize,
    /// How its codes lie.
    pub codes: Codes,
    /// The codes, the scales, and what belongs to these.
    pub parts: Vec<Part>,
    /// Which of the matrices it is whose rows lie one below the other in these parts.
    pub turn: Turn,
    /// Where the stored columns of a group are no neighbours, the order in which they are.
    pub order: Option<Arc<[u32]>>,
}

/// A matrix among others.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) struct Turn {
    /// Its number, from 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
    /// Rows of each.
    pub rows: usize,
}

impl Turn {
    /// That of one on its own.
    pub(super) const ALONE: Self = Self { index: 0, count: 1, rows: 0 };
}

/// The blocks that rows are read as, and how what belongs to their codes lies.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) enum Blocks {
    /// Groups, with factors that lie so.
    Groups(GroupFormat, Factors),
    /// Floats of four bits; row by row a power of two (E8M0) for each 32.
    Mxfp4,
    /// The same with floats of eight bits (E4M3) for each 16, and perhaps a number for the whole matrix.
    Nvfp4(Option<Overall>),
}

/// A number in f32 for a whole matrix.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) enum Overall {
    /// The matrix is multiplied with it.
    Times,
    /// The matrix is divided by it.
    Over,
}

impl Overall {
    /// The factor, by what is stored.
    pub(super) fn factor(self, stored: &[u8]) -> f32 {
        match self {
            Self::Times => single(stored, 0),
            Self::Over => 1.0 / single(stored, 0),
        }
    }
}

impl Blocks {
    /// The format.
    pub(super) fn format(self) -> WeightFormat {
        match self {
            Self::Groups(format, _) => WeightFormat::Groups(format),
            Self::Mxfp4 => WeightFormat::Blocks(BlockFormat::Mxfp4),
            Self::Nvfp4(None) => WeightFormat::Blocks(BlockFormat::Nvfp4),
            Self::Nvfp4(Some(_)) => WeightFormat::Blocks(BlockFormat::Nvfp4Scaled),
        }
    }

    /// Bits of a code.
    pub(super) fn bits(self) -> usize {
        match self {
            Self::Groups(format, _) => format.codes.bits(),
            Self::Mxfp4 | Self::Nvfp4(_) => 4,
        }
    }
}

/// How codes lie.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) enum Codes {
    /// Row by row, each as a group format has them: the first in the lowest bits.
    Rows,
    /// Row by row, in signed bytes.
    SignedRows,
    /// Row by row, two in a byte, the first in its high half.
    HighFirst,
    /// In words of neighbours of a column, the first in the lowest bits: rows of such words, one for each of these outputs.
    WordsOfInputs(usize),
    /// In words of eight outputs of four bits, for each of the columns so many words.
    WordsOfOutputs(usize),
    /// Of four bits in words of 16, four rows together, as AWQ's kernel for steps reads them.
    FourRows,
}

/// How scales lie.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) enum Factors {
    /// Row by row, and in another tensor what is added.
    Biases,
    /// Row by row, powers of two in bytes (E8M0).
    Powers,
    /// For each row in f32 what 127 stands for.
    OfLargest,
    /// In f32, or nested, for blocks of so many codes of the matrix, one row after the other.
    Flat {
        /// Codes of a block.
        block: usize,
        /// What factors are made of that are no numbers themselves.
        nested: Option<Nested>,
    },
    /// In rows of one for each output, and in another tensor what is added.
    BiasesOfGroups(Scales),
    /// With the codes that stand for 0.
    Zeros {
        /// How scales lie.
        scales: Scales,
        /// How the codes do.
        zeros: Zeros,
    },
    /// In f32, for blocks of so many rows and columns, so many blocks a row.
    Blocks {
        /// Rows of a block.
        rows: usize,
        /// Columns of a block.
        columns: usize,
        /// Blocks beside each other.
        across: usize,
        /// How the scales are stored.
        float: Float,
    },
}

/// Factors in codes of eight bits, with a table of their meanings, a factor for each block of them, and what is added.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) struct Nested {
    /// Codes of a block.
    pub block: usize,
    /// What is added.
    pub offset: f32,
}

/// Scales of groups of so many columns.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) struct Scales {
    /// Columns of a group.
    pub group: usize,
    /// Groups of a row.
    pub groups: usize,
    /// Where the rows of a group lie one after the other, how many there are; otherwise a row's groups do.
    pub outputs: Option<usize>,
}

impl Scales {
    /// Where the scale of a row and a group is.
    const fn place(self, row: usize, group: usize) -> usize {
        match self.outputs {
            Some(outputs) => group * outputs + row,
            None => row * self.groups + group,
        }
    }
}

/// The codes that stand for 0.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) enum Zeros {
    /// That in the middle for all.
    Middle,
    /// In words of neighbouring rows: rows of such words, one for each group.
    WordsOfRows,
    /// For each group in words of neighbouring rows, so many words, one less than they are.
    WordsOfGroups {
        /// Words of a group.
        words: usize,
        /// What is added to each.
        added: u32,
    },
    /// For each group in words of eight rows, so many words.
    WordsOfEight(usize),
    /// For each row in words of neighbouring groups, so many words.
    WordsOfOwnGroups(usize),
}

impl Joined {
    /// One matrix on its own, whose columns are in their order.
    pub(super) const fn new(blocks: Blocks, columns: usize, codes: Codes, parts: Vec<Part>) -> Self {
        Self { blocks, columns, codes, parts, turn: Turn::ALONE, order: None }
    }

    /// The format that its rows are read in: f32 where they, or the groups in them, are no whole number of blocks.
    pub(super) fn format(&self) -> WeightFormat {
        if self.has_whole_blocks() { self.blocks.format() } else { WeightFormat::F32 }
    }

    fn has_whole_blocks(&self) -> bool {
        let size = self.blocks.format().block_elements();
        let fit = |group: usize| group >= self.columns || group.is_multiple_of(size);
        self.columns.is_multiple_of(size)
            && match self.blocks {
                // They go on from row to row.
                Blocks::Groups(_, Factors::Flat { block, .. }) => block.is_multiple_of(size),
                Blocks::Groups(_, Factors::Zeros { scales, .. } | Factors::BiasesOfGroups(scales)) => {
                    fit(scales.group)
                }
                Blocks::Groups(_, Factors::Blocks { columns, .. }) => fit(columns),
                _ => true,
            }
    }

    /// Appends a row. `bytes` are those of the parts.
    pub(in crate::formats) fn push_row(&self, bytes: &[&[u8]], row: usize, rows: &mut Vec<u8>) {
        let row = self.turn.index * self.turn.rows + row;
        let codes = self.row_codes(bytes[0], row);
        let codes = match &self.order {
            Some(order) => in_order(&codes, self.blocks.bits(), order),
            None => codes,
        };
        if !self.has_whole_blocks() {
            return self.push_numbers(&codes, bytes, row, rows);
        }
        let size = self.blocks.format().block_elements();
        for (block, codes) in codes.chunks_exact(size * self.blocks.bits() / 8).enumerate() {
            self.push_block(codes, bytes, (row, block * size), rows);
        }
    }

    /// Appends the block of a row that begins at a column.
    pub(super) fn push_block(
        &self,
        codes: &[u8],
        bytes: &[&[u8]],
        (row, column): (usize, usize),
        rows: &mut Vec<u8>,
    ) {
        let place = row * self.columns + column;
        match self.blocks {
            Blocks::Groups(format, factors) => {
                rows.extend_from_slice(&self.factors_of((format, factors), bytes, (row, column)));
                rows.extend_from_slice(codes);
            }
            Blocks::Mxfp4 => push_mxfp4(bytes[1][place / 32], codes, rows),
            Blocks::Nvfp4(overall) => {
                // The last block of a row may have fewer.
                let mut steps = [0; 4];
                let count = steps.len().min((self.columns - column) / STEPS);
                steps[..count].copy_from_slice(&bytes[1][place / STEPS..][..count]);
                push_nvfp4(&steps, codes, overall.map(|overall| overall.factor(bytes[2])), rows);
            }
        }
    }

    /// A row's codes as a group format has them.
    fn row_codes(&self, codes: &[u8], row: usize) -> Vec<u8> {
        let bits = self.blocks.bits();
        let row_bytes = self.columns * bits / 8;
        match self.codes {
            Codes::Rows => codes[row * row_bytes..][..row_bytes].to_vec(),
            Codes::SignedRows => {
                codes[row * row_bytes..][..row_bytes].iter().map(|code| code ^ 128).collect()
            }
            Codes::HighFirst => {
                // A row may begin within a byte.
                let code = |place: usize| codes[place / 2] >> (4 * (1 - place % 2)) & 15;
                pairs(self.columns, |column| code(row * self.columns + column))
            }
            Codes::WordsOfInputs(outputs) => {
                let words = self.columns * bits / 32;
                (0..words).flat_map(|index| word(codes, index * outputs + row).to_le_bytes()).collect()
            }
            Codes::WordsOfOutputs(words) => {
                pairs(self.columns, |column| of_eight(codes, column * words, row) as u8)
            }
            Codes::FourRows => pairs(self.columns, |column| of_four_rows(codes, self.columns, [row, column])),
        }
    }

    /// The factors of the group of a row that begins at a column, or of the one in which it is.
    pub(super) fn factors_of(
        &self,
        (format, factors): (GroupFormat, Factors),
        bytes: &[&[u8]],
        (row, column): (usize, usize),
    ) -> [u8; 4] {
        let two = |low: u16, high: u16| (u32::from(low) | u32::from(high) << 16).to_le_bytes();
        let own_place = (row * self.columns + column) / format.size.elements();
        match factors {
            Factors::Biases => two(half_word(bytes[1], own_place), half_word(bytes[2], own_place)),
            Factors::OfLargest => (single(bytes[1], row) / 127.0).to_le_bytes(),
            Factors::Flat { block, nested } => {
                let place = (row * self.columns + column) / block;
                let factor = match nested {
                    None => single(bytes[1], place),
                    Some(Nested { block, offset }) => {
                        let of_code = single(bytes[3], usize::from(bytes[1][place]));
                        of_code * single(bytes[2], place / block) + offset
                    }
                };
                factor.to_le_bytes()
            }
            Factors::BiasesOfGroups(scales) => {
                let place = scales.place(row, column / scales.group);
                two(half_word(bytes[1], place), half_word(bytes[2], place))
            }
            Factors::Powers => power_of_two(bytes[1][own_place]).to_le_bytes(),
            Factors::Zeros { scales, zeros } => {
                let group = column / scales.group;
                let place = scales.place(row, group);
                let stored = bytes.get(2).copied().unwrap_or_default();
                let zero = zero((format, zeros), stored, scales, (row, group));
                two(half_word(bytes[1], place), zero as u16)
            }
            Factors::Blocks { rows, columns, across, float } => {
                let place = row / rows * across + column / columns;
                let scale = match float {
                    Float::F32 => single(bytes[1], place),
                    Float::Bf16 => half::bf16::from_bits(half_word(bytes[1], place)).to_f32(),
                    Float::F16 => half::f16::from_bits(half_word(bytes[1], place)).to_f32(),
                    Float::Power => power_of_two(bytes[1][place]),
                };
                scale.to_le_bytes()
            }
        }
    }
}

fn zero(
    (format, zeros): (GroupFormat, Zeros),
    stored: &[u8],
    scales: Scales,
    (row, group): (usize, usize),
) -> u32 {
    let bits = format.codes.bits();
    let of_word = |word: u32| word >> (bits * row % 32) & ((1 << bits) - 1);
    match zeros {
        Zeros::Middle => middle(format.codes) as u32,
        Zeros::WordsOfRows => of_word(word(stored, bits * row / 32 * scales.groups + group)),
        Zeros::WordsOfGroups { words, added } => of_words(stored, group * words, [bits, row]) + added,
        Zeros::WordsOfEight(words) => of_eight(stored, group * words, row),
        Zeros::WordsOfOwnGroups(words) => of_words(stored, row * words, [bits, group]),
    }
}
