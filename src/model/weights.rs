//! Weights as both interpreters read them: tensors with canonical names, read in ranges of rows.

use std::borrow::Cow;
use std::ops::Range;

use super::weight_format::WeightFormat;

/// One canonical tensor: a matrix of rows, or a vector (one row).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Canonical name, as [`super::plan_decoder`] asks for it.
    pub name: String,
    /// Outputs of a linear map, entries of a table; 1 for a vector.
    pub rows: usize,
    /// Inputs of a linear map, elements of an entry or of the vector.
    pub columns: usize,
    /// How its elements are stored.
    pub format: WeightFormat,
}

impl TensorInfo {
    /// Bytes of one row as stored.
    pub fn row_bytes(&self) -> usize {
        self.format.bytes(self.columns)
    }
}

/// A source of canonical tensors: a file, or numbers made up for a benchmark. Several threads may read at once.
pub trait Weights: Sync {
    /// Every tensor there is.
    fn tensors(&self) -> &[TensorInfo];

    /// Rows of tensor `index` (into [`Self::tensors`]), row-major, little-endian; borrowed if the stored
    /// bytes already have this layout.
    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError>;
}

impl<W: Weights + ?Sized> Weights for Box<W> {
    fn tensors(&self) -> &[TensorInfo] {
        (**self).tensors()
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        (**self).read(index, rows)
    }
}

/// Weights that could not be read after the model was opened.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("tensor {tensor}: {reason}")]
pub struct WeightsError {
    /// The tensor's canonical name.
    pub tensor: String,
    /// What went wrong.
    pub reason: String,
}
