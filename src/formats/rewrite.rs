//! How a canonical tensor is made from a stored one: as it is, turned, and in parts.
//!
//! Works on bytes and sizes; which tensor needs what is said by [`super::architectures`].

use std::borrow::Cow;
use std::ops::Range;

use crate::model::WeightFormat;

/// How a file lays out the matrix of a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Outputs × inputs, as the canonical tensors are.
    OutputsByInputs,
    /// Inputs × outputs, the transpose.
    InputsByOutputs,
}

/// How one canonical tensor's rows are found in the bytes of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// Its rows lie one after the other.
    Contiguous {
        /// Where they begin, in bytes from the stored tensor's first.
        offset: usize,
    },
    /// Its rows are columns of the stored matrix.
    Transposed {
        /// Elements of a row of the stored matrix.
        stored_columns: usize,
        /// The stored column that is the canonical tensor's first row.
        first_column: usize,
    },
}

impl Recipe {
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
            Self::Transposed { stored_columns, first_column } => {
                let picked = first_column + rows.start..first_column + rows.end;
                Cow::Owned(match format.block_bytes() {
                    2 => transpose::<2>(stored, columns, stored_columns, picked),
                    4 => transpose::<4>(stored, columns, stored_columns, picked),
                    other => {
                        unreachable!("blocks of {other} bytes cannot be turned; no importer asks for it")
                    }
                })
            }
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
    picked: Range<usize>,
) -> Vec<u8> {
    const TILE: usize = 32;
    let (source, _) = stored.as_chunks::<BYTES>();
    let mut result = vec![0; picked.len() * rows * BYTES];
    let (target, _) = result.as_chunks_mut::<BYTES>();
    for tile_column in picked.clone().step_by(TILE) {
        for tile_row in (0..rows).step_by(TILE) {
            for column in tile_column..picked.end.min(tile_column + TILE) {
                for row in tile_row..rows.min(tile_row + TILE) {
                    target[(column - picked.start) * rows + row] = source[row * columns + column];
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let recipe = Recipe::Transposed { stored_columns: columns as usize, first_column: first };
            let found = recipe.read(&stored, rows as usize, WeightFormat::F32, picked.clone());
            let element = |column: usize, row: u32| row * columns + (first + column) as u32;
            let needed: Vec<u8> = picked
                .flat_map(|column| (0..rows).flat_map(move |row| element(column, row).to_le_bytes()))
                .collect();
            assert_eq!(found.as_ref(), needed);
        }
    }

    #[test]
    fn two_byte_elements_are_turned_too() {
        let stored: Vec<u8> = (0..6_u16).flat_map(u16::to_le_bytes).collect();
        let turned = Recipe::Transposed { stored_columns: 3, first_column: 1 }.read(
            &stored,
            2,
            WeightFormat::Bf16,
            0..2,
        );
        let needed: Vec<u8> = [1_u16, 4, 2, 5].iter().flat_map(|element| element.to_le_bytes()).collect();
        assert_eq!(turned.as_ref(), needed);
    }
}
