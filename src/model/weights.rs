//! Weights as both interpreters read them: canonical tensors by name, handed out in slices of rows.

use std::borrow::Cow;
use std::ops::Range;

/// How the elements of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WeightFormat {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
}

impl WeightFormat {
    /// Bytes of one element.
    pub const fn element_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The usual spelling: `f32`, `f16`, `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// The elements of `bytes` (little-endian, a whole number of elements) as f32; exact for every format.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F16 => {
                let half = |b: &[u8; 2]| half::f16::from_le_bytes(*b).to_f32();
                bytes.as_chunks::<2>().0.iter().map(half).collect()
            }
            Self::Bf16 => {
                let half = |b: &[u8; 2]| half::bf16::from_le_bytes(*b).to_f32();
                bytes.as_chunks::<2>().0.iter().map(half).collect()
            }
        }
    }

    /// How many elements of `bytes` (little-endian, a whole number of elements) are infinite or NaN: those
    /// whose exponent bits are all ones. Cheap enough to run over every slice on its way to the GPU.
    pub fn count_non_finite(self, bytes: &[u8]) -> usize {
        let halves = |mask: u16| {
            let is_all_ones = |b: &&[u8; 2]| u16::from_le_bytes(**b) & mask == mask;
            bytes.as_chunks::<2>().0.iter().filter(is_all_ones).count()
        };
        match self {
            Self::F32 => {
                let is_all_ones = |b: &&[u8; 4]| u32::from_le_bytes(**b) & 0x7F80_0000 == 0x7F80_0000;
                bytes.as_chunks::<4>().0.iter().filter(is_all_ones).count()
            }
            Self::F16 => halves(0x7C00),
            Self::Bf16 => halves(0x7F80),
        }
    }
}

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
        self.columns * self.format.element_bytes()
    }
}

/// A source of canonical tensors: a file, or numbers made up for a benchmark.
pub trait Weights {
    /// Every tensor there is.
    fn tensors(&self) -> &[TensorInfo];

    /// Rows of tensor `index` (into [`Self::tensors`]), row-major, little-endian; borrowed where the stored
    /// bytes are already in this layout.
    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError>;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_and_nans_are_counted_in_every_format() {
        let numbers = [0.0_f32, -1.5, f32::INFINITY, 60000.0, f32::NAN, f32::NEG_INFINITY];
        let f32_bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let f16_bytes: Vec<u8> = numbers.iter().flat_map(|n| half::f16::from_f32(*n).to_le_bytes()).collect();
        let bf16_bytes: Vec<u8> =
            numbers.iter().flat_map(|n| half::bf16::from_f32(*n).to_le_bytes()).collect();
        assert_eq!(WeightFormat::F32.count_non_finite(&f32_bytes), 3);
        assert_eq!(WeightFormat::F16.count_non_finite(&f16_bytes), 3);
        assert_eq!(WeightFormat::Bf16.count_non_finite(&bf16_bytes), 3);
    }
}
