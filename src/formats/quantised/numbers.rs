//! Rows that are no whole number of blocks, read as numbers in f32. Few matrices have such rows, and small ones.

use super::joined::{Blocks, Factors, Joined};
use crate::model::group_format::{FACTOR_BYTES, GroupFormat};
use crate::model::groups;

impl Joined {
    /// Appends a row's numbers, by its codes, the first in the lowest bits.
    pub(super) fn push_numbers(&self, codes: &[u8], bytes: &[&[u8]], row: usize, rows: &mut Vec<u8>) {
        let values = match self.blocks {
            Blocks::Groups(format, factors) => self.numbers_of_groups((format, factors), codes, bytes, row),
            Blocks::Mxfp4 | Blocks::Nvfp4(_) => self.numbers_of_blocks(codes, bytes, row),
        };
        rows.extend(values.iter().take(self.columns).flat_map(|value| value.to_le_bytes()));
    }

    /// Each by a block of its own: the groups of rows may begin anywhere.
    fn numbers_of_groups(
        &self,
        (format, factors): (GroupFormat, Factors),
        codes: &[u8],
        bytes: &[&[u8]],
        row: usize,
    ) -> Vec<f32> {
        let bits = format.codes.bits();
        let mut block = vec![0; format.block_bytes()];
        let number = |column: usize| {
            let (byte, shift) = (bits * column / 8, bits * column % 8);
            let two = u16::from_le_bytes([codes[byte], codes.get(byte + 1).copied().unwrap_or(0)]);
            block[..FACTOR_BYTES].copy_from_slice(&self.factors_of((format, factors), bytes, (row, column)));
            block[FACTOR_BYTES] = (two >> shift & ((1 << bits) - 1)) as u8;
            let mut value = [0.0];
            groups::decode(format, &block, &mut value);
            value[0]
        };
        (0..self.columns).map(number).collect()
    }

    /// With zeros after the last.
    fn numbers_of_blocks(&self, codes: &[u8], bytes: &[&[u8]], row: usize) -> Vec<f32> {
        let format = self.blocks.format();
        let size = format.block_elements();
        let mut codes = codes.to_vec();
        codes.resize(self.columns.next_multiple_of(size) / 2, 0);
        let mut blocks = Vec::new();
        for (block, codes) in codes.chunks_exact(size / 2).enumerate() {
            self.push_block(codes, bytes, (row, block * size), &mut blocks);
        }
        format.decode(&blocks)
    }
}
