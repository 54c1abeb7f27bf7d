//! Tensors concatenated by rows: one linear map reads what the file stores as several tensors.
//!
//! A view of other [`Weights`]: nothing is copied until rows are read.

use std::borrow::Cow;
use std::ops::Range;

use super::weights::{TensorInfo, Weights, WeightsError};

/// Rows of each part that alternate in [`RowOrder::Alternating`].
pub const ALTERNATING_ROWS: usize = 4;

/// One tensor made of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concat {
    /// Indices of the parts in the source; all of one format and, for matrices, of one number of columns.
    pub parts: Vec<usize>,
    /// How their rows follow one another.
    pub order: RowOrder,
}

/// How the rows of concatenated matrices, or the elements of concatenated vectors, follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// Part after part.
    Sequential,
    /// [`ALTERNATING_ROWS`] of each part in turn; all parts are equally long, in multiples of it.
    Alternating,
}

impl Concat {
    /// A tensor as it is.
    pub fn single(part: usize) -> Self {
        Self { parts: vec![part], order: RowOrder::Sequential }
    }
}

/// The source's tensors, concatenated.
pub struct ConcatWeights<'a> {
    source: &'a dyn Weights,
    tensors: Vec<TensorInfo>,
    concats: Vec<Concat>,
}

impl<'a> ConcatWeights<'a> {
    /// One tensor for each concatenation.
    pub fn new(source: &'a dyn Weights, concats: Vec<Concat>) -> Self {
        let tensors = concats.iter().map(|concat| concat_info(source.tensors(), concat)).collect();
        Self { source, tensors, concats }
    }
}

impl Weights for ConcatWeights<'_> {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        let concat = &self.concats[index];
        if let [part] = concat.parts[..] {
            return self.source.read(part, rows);
        }
        if self.tensors[index].rows == 1 {
            return self.vector(concat).map(Cow::Owned);
        }
        let row_bytes = self.tensors[index].row_bytes();
        match concat.order {
            RowOrder::Sequential => self.sequential(concat, rows, row_bytes).map(Cow::Owned),
            RowOrder::Alternating => self.alternating(concat, rows, row_bytes).map(Cow::Owned),
        }
    }
}

impl ConcatWeights<'_> {
    fn vector(&self, concat: &Concat) -> Result<Vec<u8>, WeightsError> {
        let parts: Vec<_> =
            concat.parts.iter().map(|&part| self.source.read(part, 0..1)).collect::<Result<_, _>>()?;
        Ok(match concat.order {
            RowOrder::Sequential => parts.concat(),
            RowOrder::Alternating => {
                let elements = self.source.tensors()[concat.parts[0]].columns;
                let block = ALTERNATING_ROWS * parts[0].len() / elements;
                in_turn(&parts, block)
            }
        })
    }

    fn sequential(
        &self,
        concat: &Concat,
        rows: Range<usize>,
        row_bytes: usize,
    ) -> Result<Vec<u8>, WeightsError> {
        let mut bytes = Vec::with_capacity(rows.len() * row_bytes);
        let mut first = 0;
        for &part in &concat.parts {
            let end = first + self.source.tensors()[part].rows;
            let own = rows.start.clamp(first, end)..rows.end.clamp(first, end);
            if !own.is_empty() {
                bytes.extend_from_slice(&self.source.read(part, own.start - first..own.end - first)?);
            }
            first = end;
        }
        Ok(bytes)
    }

    fn alternating(
        &self,
        concat: &Concat,
        rows: Range<usize>,
        row_bytes: usize,
    ) -> Result<Vec<u8>, WeightsError> {
        let turn_rows = ALTERNATING_ROWS * concat.parts.len();
        let turns = rows.start / turn_rows..rows.end.div_ceil(turn_rows);
        let of_each = turns.start * ALTERNATING_ROWS..turns.end * ALTERNATING_ROWS;
        let parts: Vec<_> = concat
            .parts
            .iter()
            .map(|&part| self.source.read(part, of_each.clone()))
            .collect::<Result<_, _>>()?;
        let block = ALTERNATING_ROWS * row_bytes;
        let mut whole = in_turn(&parts, block);
        let skipped = (rows.start - turns.start * turn_rows) * row_bytes;
        whole.drain(..skipped);
        whole.truncate(rows.len() * row_bytes);
        Ok(whole)
    }
}

/// `block` bytes of each part in turn.
fn in_turn(parts: &[Cow<'_, [u8]>], block: usize) -> Vec<u8> {
    let mut whole = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for at in (0..parts[0].len()).step_by(block) {
        parts.iter().for_each(|part| whole.extend_from_slice(&part[at..at + block]));
    }
    whole
}

/// What the concatenation looks like as one tensor.
pub(super) fn concat_info(tensors: &[TensorInfo], concat: &Concat) -> TensorInfo {
    let parts: Vec<&TensorInfo> = concat.parts.iter().map(|&part| &tensors[part]).collect();
    let first = parts[0];
    let name = parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(" + ");
    let total = |size: fn(&TensorInfo) -> usize| parts.iter().map(|part| size(part)).sum();
    match first.rows {
        1 => TensorInfo { name, columns: total(|part| part.columns), ..*first },
        _ => TensorInfo { name, rows: total(|part| part.rows), ..*first },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WeightFormat;

    /// Matrices a and b of 8 × 1 and vectors c and d of 8: a holds 0–7, b 100–107, c 200–207, d 300–307.
    struct Numbered(Vec<TensorInfo>);

    impl Numbered {
        fn new() -> Self {
            let tensor = |name: &str, rows, columns| TensorInfo {
                name: name.to_owned(),
                rows,
                columns,
                format: WeightFormat::F32,
            };
            Self(vec![tensor("a", 8, 1), tensor("b", 8, 1), tensor("c", 1, 8), tensor("d", 1, 8)])
        }
    }

    impl Weights for Numbered {
        fn tensors(&self) -> &[TensorInfo] {
            &self.0
        }

        fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
            let width = self.0[index].columns;
            let numbers = rows.start * width..rows.end * width;
            Ok(Cow::Owned(numbers.flat_map(|n| ((100 * index + n) as f32).to_le_bytes()).collect()))
        }
    }

    fn read(parts: [usize; 2], order: RowOrder, rows: Range<usize>) -> Vec<f32> {
        let source = Numbered::new();
        let concatenated = ConcatWeights::new(&source, vec![Concat { parts: parts.to_vec(), order }]);
        WeightFormat::F32.decode(&concatenated.read(0, rows).unwrap())
    }

    #[test]
    fn sequential_rows_run_over_the_end_of_a_part() {
        assert_eq!(read([0, 1], RowOrder::Sequential, 6..10), [6.0, 7.0, 100.0, 101.0]);
        assert_eq!(read([0, 1], RowOrder::Sequential, 0..2), [0.0, 1.0]);
        assert_eq!(read([1, 0], RowOrder::Sequential, 14..16), [6.0, 7.0]);
    }

    #[test]
    fn alternating_rows_come_four_of_each_from_any_row_on() {
        let expected = [3.0, 100.0, 101.0, 102.0, 103.0, 4.0];
        assert_eq!(read([0, 1], RowOrder::Alternating, 3..9), expected);
    }

    #[test]
    fn vectors_are_concatenated_by_their_elements() {
        let ends = |numbers: Vec<f32>| (numbers[3], numbers[4], numbers[8], numbers.len());
        assert_eq!(ends(read([2, 3], RowOrder::Sequential, 0..1)), (203.0, 204.0, 300.0, 16));
        assert_eq!(ends(read([2, 3], RowOrder::Alternating, 0..1)), (203.0, 300.0, 204.0, 16));
    }

    #[test]
    fn a_stack_is_described_as_one_tensor() {
        let tensors = Numbered::new().0;
        let info = |parts: [usize; 2]| {
            let concat = Concat { parts: parts.to_vec(), order: RowOrder::Sequential };
            let info = concat_info(&tensors, &concat);
            (info.name, info.rows, info.columns)
        };
        assert_eq!(info([0, 1]), ("a + b".to_owned(), 16, 1));
        assert_eq!(info([2, 3]), ("c + d".to_owned(), 1, 16));
    }
}
