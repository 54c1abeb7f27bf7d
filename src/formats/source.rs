//! The bytes that a canonical tensor is made of, and what is done to them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::rewrite::{Order, Recipe, mxfp4_rows};
use crate::model::WeightFormat;
use crate::model::weight_format::{BlockFormat, Encoding};
use crate::model::weights::TensorInfo;

/// Where a canonical tensor comes from.
pub(super) struct Source {
    /// Indices into [`Checkpoint::tensors`] of those that hold as many of its rows each, one below the other; none
    /// for [`Recipe::Ones`].
    pub stored: Vec<usize>,
    /// For MXFP4 whose scales are apart: where they are, and the order of the rows.
    scales: Option<(usize, Order)>,
    /// The format of their elements.
    format: WeightFormat,
    /// How each one's rows are found.
    recipe: Recipe,
    /// What its rows are multiplied with, as many for each factor; none where they are as they are.
    factors: Vec<f32>,
    /// What is added to it.
    added: Option<Box<Self>>,
    /// Where it is the order of a matrix' columns and no stored tensor: that order.
    order: Option<Arc<[u32]>>,
    /// What its elements are multiplied with after all that, so many of them with each factor; none where they are as
    /// they are.
    runs: Vec<(usize, f32)>,
}

/// Factors that a family's configuration puts on a canonical tensor: a vector or a matrix of few rows, since it is
/// loaded in f32.
pub struct ScaledTensor {
    /// Its name, with `#` for the layer's number. Of a tensor that is a sum of two stored ones, only the second is
    /// multiplied.
    pub name: &'static str,
    /// Neighbouring elements, in order, with their factor; those that are left stay as they are.
    pub runs: Vec<(usize, f32)>,
}

impl Source {
    /// Rows that are found in these stored tensors by this recipe.
    pub(super) fn new(stored: Vec<usize>, format: WeightFormat, recipe: Recipe) -> Self {
        let (factors, runs) = (Vec::new(), Vec::new());
        Self { stored, scales: None, format, recipe, factors, added: None, order: None, runs }
    }

    /// The order of a matrix' columns, as numbers in f32.
    pub(super) fn of_order(order: Arc<[u32]>) -> Self {
        Self { order: Some(order), ..Self::new(Vec::new(), WeightFormat::F32, Recipe::Ones) }
    }

    /// Every stored tensor that it is made of.
    pub(super) fn all_stored(&self) -> impl Iterator<Item = usize> {
        self.stored.iter().chain(self.added.iter().flat_map(|added| &added.stored)).copied()
    }

    /// The same of MXFP4 whose scales are apart.
    pub(super) fn with_scales(self, scales: Option<(usize, Order)>) -> Self {
        Self { scales, ..self }
    }

    /// The same with factors on its rows.
    pub(super) fn with_factors(self, factors: Vec<f32>) -> Self {
        Self { factors, ..self }
    }

    /// Makes it the sum of what it was and `part`.
    pub(super) fn add(&mut self, part: Self) {
        self.added = Some(Box::new(part));
    }

    /// See [`ScaledTensor`].
    pub(super) fn scale(&mut self, runs: &[(usize, f32)]) {
        match &mut self.added {
            Some(added) => added.scale(runs),
            None => self.runs = runs.to_vec(),
        }
    }

    /// The format of what it gives.
    pub(super) fn format_of_result(&self) -> WeightFormat {
        if self.added.is_none() && self.runs.is_empty() { self.format_of_rows() } else { WeightFormat::F32 }
    }

    /// The format of what is read, before anything is done to it: quantised matrices are decoded to be turned.
    fn format_read(&self) -> WeightFormat {
        match (self.recipe, self.format) {
            (Recipe::Transposed { .. }, format) if format.block_elements() > 1 => WeightFormat::F32,
            (_, format) => format,
        }
    }

    /// The same before anything is added or multiplied, but for factors on rows: nvfp4 keeps them in its blocks.
    fn format_of_rows(&self) -> WeightFormat {
        match (self.recipe, self.format_read()) {
            (Recipe::PlusOne | Recipe::MinusExponential, _) => WeightFormat::F32,
            (_, format) if self.factors.is_empty() => format,
            (_, WeightFormat::Blocks(BlockFormat::Nvfp4)) => WeightFormat::Blocks(BlockFormat::Nvfp4Scaled),
            _ => WeightFormat::F32,
        }
    }

    /// Rows `rows` of the canonical tensor `info`, which has them.
    pub(super) fn computed<'a>(
        &self,
        checkpoint: &'a Checkpoint,
        info: &TensorInfo,
        rows: Range<usize>,
    ) -> Cow<'a, [u8]> {
        let stored = self.read(checkpoint, info, rows.clone());
        let bytes = match self.factors.is_empty() {
            true => stored,
            false => Cow::Owned(self.multiplied(&stored, info, rows.clone())),
        };
        if self.added.is_none() && self.runs.is_empty() {
            return bytes;
        }
        let mut values = self.format_of_rows().decode(&bytes);
        if let Some(added) = &self.added {
            let part = added.computed(checkpoint, info, rows.clone());
            let part = added.format_of_result().decode(&part);
            values.iter_mut().zip(part).for_each(|(value, part)| *value += part);
        }
        let factors = self.runs.iter().flat_map(|&(count, factor)| std::iter::repeat_n(factor, count));
        let factors = factors.skip(rows.start * info.columns);
        values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
        Cow::Owned(Encoding::F32.encode(&values))
    }

    /// Rows `rows`, as they are stored, times their factors: in f32, or with the factors in their blocks.
    fn multiplied(&self, stored: &[u8], info: &TensorInfo, rows: Range<usize>) -> Vec<u8> {
        let of_each = info.rows / self.factors.len();
        if let WeightFormat::Blocks(BlockFormat::Nvfp4) = self.format_read() {
            let of_row = self.format.bytes(info.columns);
            let with_factor = |(row, stored): (usize, &[u8])| {
                let factor = self.factors[row / of_each].to_le_bytes();
                let blocks = stored.chunks_exact(self.format.block_bytes());
                blocks.flat_map(|block| [block, &factor].concat()).collect::<Vec<u8>>()
            };
            return rows.zip(stored.chunks_exact(of_row)).flat_map(with_factor).collect();
        }
        let mut values = self.format_read().decode(stored);
        for (row, values) in rows.zip(values.chunks_mut(info.columns)) {
            values.iter_mut().for_each(|value| *value *= self.factors[row / of_each]);
        }
        Encoding::F32.encode(&values)
    }

    /// Rows `rows` of the canonical tensor `info`, which has them.
    fn read<'a>(&self, checkpoint: &'a Checkpoint, info: &TensorInfo, rows: Range<usize>) -> Cow<'a, [u8]> {
        if rows.is_empty() {
            return Cow::Borrowed(&[]);
        }
        if let Some(order) = &self.order {
            return Cow::Owned(order.iter().flat_map(|&column| (column as f32).to_le_bytes()).collect());
        }
        if self.stored.is_empty() {
            return self.recipe.read(&[], info.columns, self.format, rows);
        }
        if let Recipe::Transposed { stored_columns, rows_each, rows_between, .. } = self.recipe
            && (self.format_read() != self.format || checkpoint.is_joined(self.stored[0]))
        {
            let sizes = [stored_columns, rows_each, rows_between];
            return Cow::Owned(self.read_turned(checkpoint, info, rows, sizes));
        }
        if let Some((scales, order)) = self.scales {
            let (blocks, scales) = (checkpoint.bytes(self.stored[0]), checkpoint.bytes(scales));
            return Cow::Owned(mxfp4_rows(blocks, scales, info.columns, order, rows));
        }
        if info.rows < self.stored.len() {
            // A vector in parts.
            let part = |(&stored, columns): (&usize, usize)| {
                checkpoint.read(stored, &self.recipe, (columns, self.format), rows.clone()).into_owned()
            };
            let sizes = self.sizes(checkpoint, info.columns);
            return Cow::Owned(self.stored.iter().zip(sizes).flat_map(part).collect());
        }
        let part = |(stored, rows): (usize, Range<usize>)| {
            if let Recipe::Contiguous { offset } = self.recipe
                && !checkpoint.is_joined(stored)
            {
                let bytes = |rows: usize| offset + rows * self.format.bytes(info.columns);
                checkpoint.prepare(stored, bytes(rows.start)..bytes(rows.end));
            }
            checkpoint.read(stored, &self.recipe, (info.columns, self.format), rows)
        };
        let mut first = 0;
        let parts = self.stored.iter().zip(self.sizes(checkpoint, info.rows)).map(|(&stored, size)| {
            let within = rows.start.saturating_sub(first)..rows.end.saturating_sub(first).min(size);
            first += size;
            (stored, within)
        });
        let mut parts = parts.filter(|(_, rows)| !rows.is_empty()).peekable();
        match parts.next() {
            Some(only) if parts.peek().is_none() => part(only),
            first => {
                Cow::Owned(first.into_iter().chain(parts).flat_map(|some| part(some).into_owned()).collect())
            }
        }
    }

    /// Rows `rows` of a transposed tensor whose stored rows can only be read whole: from the matrices that have them.
    fn read_turned(
        &self,
        checkpoint: &Checkpoint,
        info: &TensorInfo,
        rows: Range<usize>,
        [stored_columns, rows_each, rows_between]: [usize; 3],
    ) -> Vec<u8> {
        let matrices = rows.start / rows_each..rows.end.div_ceil(rows_each);
        let rows = rows.start - matrices.start * rows_each..rows.end - matrices.start * rows_each;
        let (format, whole) = (self.format_read(), Recipe::Contiguous { offset: 0 });
        let from_one_to_next = info.columns + rows_between;
        let mut stored = Vec::new();
        for matrix in matrices {
            let wanted = matrix * from_one_to_next..matrix * from_one_to_next + info.columns;
            let read = checkpoint.read(self.stored[0], &whole, (stored_columns, self.format), wanted);
            match format == self.format {
                true => stored.extend_from_slice(&read),
                false => stored.extend(Encoding::F32.encode(&self.format.decode(&read))),
            }
            stored.resize(stored.len() + rows_between * format.bytes(stored_columns), 0);
        }
        self.recipe.read(&stored, info.columns, format, rows).into_owned()
    }

    /// How many of so many rows, or elements of a vector, each stored tensor holds: its share of all their elements.
    fn sizes(&self, checkpoint: &Checkpoint, units: usize) -> impl Iterator<Item = usize> {
        let elements = |&stored: &usize| checkpoint.tensors[stored].stored.shape.iter().product::<usize>();
        let of_unit = self.stored.iter().map(elements).sum::<usize>() / units;
        self.stored.iter().map(move |stored| elements(stored) / of_unit.max(1))
    }
}
