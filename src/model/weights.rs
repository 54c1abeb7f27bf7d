//! Weights as both interpreters read them: canonical tensors by name, handed out in slices of rows.

use std::borrow::Cow;
use std::ops::Range;

use half::slice::HalfFloatSliceExt;

use super::{blocks, quant};

/// How the elements of a tensor are stored. Elements lie in blocks along a row; in the plain formats a block is
/// one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WeightFormat {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// 32 signed bytes and their scale, as [`quant::encode_q8_0`] defines them.
    Q8_0,
    /// 32 numbers of four bits and their scale, as [`quant::encode_q4_0`] defines them.
    Q4_0,
    /// As [`blocks`] defines it, like all that follow.
    Q4_1,
    /// Five bits and a step.
    Q5_0,
    /// Five bits, a step and an offset.
    Q5_1,
    /// Two bits, blocks of 256.
    Q2K,
    /// Three bits, blocks of 256.
    Q3K,
    /// Four bits, blocks of 256.
    Q4K,
    /// Five bits, blocks of 256.
    Q5K,
    /// Six bits, blocks of 256.
    Q6K,
    /// Four bits that stand for uneven steps.
    Iq4Nl,
    /// The same in blocks of 256.
    Iq4Xs,
    /// Four-bit floats with a power of two.
    Mxfp4,
}

/// Elements that are decoded at a time, on the stack: whole blocks of every format.
const CHUNK: usize = 1024;

impl WeightFormat {
    /// Every format.
    pub const ALL: [Self; 16] = [
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
        Self::Iq4Xs,
        Self::Mxfp4,
    ];

    /// The formats that numbers can be brought into; the others come from files alone.
    pub const ENCODED: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q4_0];

    /// Elements of one block; a row has a whole number of blocks.
    pub const fn block_elements(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Iq4Nl | Self::Mxfp4 => {
                quant::BLOCK
            }
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K | Self::Iq4Xs => blocks::LARGEST,
        }
    }

    /// Bytes of one block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q8_0 => quant::Q8_0_BYTES,
            Self::Q4_0 => quant::Q4_0_BYTES,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Iq4Nl => 18,
            Self::Iq4Xs => 136,
            Self::Mxfp4 => 17,
        }
    }

    /// Bytes of `elements` elements, a whole number of blocks.
    pub const fn bytes(self, elements: usize) -> usize {
        elements / self.block_elements() * self.block_bytes()
    }

    /// The usual spelling: `f32`, `f16`, `bf16`, `q8_0`, `q4_k`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4_1 => "q4_1",
            Self::Q5_0 => "q5_0",
            Self::Q5_1 => "q5_1",
            Self::Q2K => "q2_k",
            Self::Q3K => "q3_k",
            Self::Q4K => "q4_k",
            Self::Q5K => "q5_k",
            Self::Q6K => "q6_k",
            Self::Iq4Nl => "iq4_nl",
            Self::Iq4Xs => "iq4_xs",
            Self::Mxfp4 => "mxfp4",
        }
    }

    /// The elements of `bytes` (little-endian, a whole number of blocks) as f32. Exact for the plain formats;
    /// for the others these f32 are what the format means.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; bytes.len() / self.block_bytes() * self.block_elements()];
        self.decode_into(bytes, &mut values);
        values
    }

    /// As [`Self::decode`], into `values`, which has as many elements as `bytes` holds.
    pub fn decode_into(self, bytes: &[u8], values: &mut [f32]) {
        match self {
            Self::F32 => {
                for (bytes, value) in bytes.as_chunks().0.iter().zip(values) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            Self::F16 => {
                // Many at a time: the processor's own instruction converts eight.
                let mut halves = [half::f16::ZERO; CHUNK];
                for (bytes, values) in bytes.chunks(2 * CHUNK).zip(values.chunks_mut(CHUNK)) {
                    let halves = &mut halves[..values.len()];
                    for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks().0) {
                        *half = half::f16::from_le_bytes(*bytes);
                    }
                    halves.convert_to_f32_slice(values);
                }
            }
            Self::Bf16 => {
                for (bytes, value) in bytes.as_chunks().0.iter().zip(values) {
                    *value = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
                }
            }
            Self::Q8_0 => {
                for (block, values) in bytes.as_chunks().0.iter().zip(values.as_chunks_mut().0) {
                    *values = quant::decode_q8_0(block);
                }
            }
            Self::Q4_0 => {
                for (block, values) in bytes.as_chunks().0.iter().zip(values.as_chunks_mut().0) {
                    *values = quant::decode_q4_0(block);
                }
            }
            _ => {
                let blocks = bytes.chunks_exact(self.block_bytes());
                for (block, values) in blocks.zip(values.chunks_exact_mut(self.block_elements())) {
                    blocks::decode(self, block, values);
                }
            }
        }
    }

    /// Appends `values`, a whole number of blocks, in this format, one of [`Self::ENCODED`], each rounded to the nearest that it
    /// has.
    pub fn encode_into(self, values: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes())),
            Self::F16 => {
                let mut halves = [half::f16::ZERO; CHUNK];
                for values in values.chunks(CHUNK) {
                    let halves = &mut halves[..values.len()];
                    halves.convert_from_f32_slice(values);
                    halves.iter().for_each(|half| bytes.extend_from_slice(&half.to_le_bytes()));
                }
            }
            Self::Bf16 => {
                let halves = values.iter().map(|value| half::bf16::from_f32(*value));
                halves.for_each(|half| bytes.extend_from_slice(&half.to_le_bytes()));
            }
            Self::Q8_0 => {
                let blocks = values.as_chunks().0.iter().map(quant::encode_q8_0);
                blocks.for_each(|block| bytes.extend_from_slice(&block));
            }
            Self::Q4_0 => {
                let blocks = values.as_chunks().0.iter().map(quant::encode_q4_0);
                blocks.for_each(|block| bytes.extend_from_slice(&block));
            }
            _ => unreachable!("numbers are never brought into {}, see ENCODED", self.name()),
        }
    }

    /// `values` in this format; see [`Self::encode_into`].
    pub fn encode(self, values: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes(values.len()));
        self.encode_into(values, &mut bytes);
        bytes
    }

    /// `bytes` of this format in another one; the elements are whole blocks of both. Needs no more memory than
    /// its result.
    pub fn convert(self, bytes: &[u8], to: Self) -> Vec<u8> {
        let mut values = [0.0; CHUNK];
        let elements = bytes.len() / self.block_bytes() * self.block_elements();
        let mut converted = Vec::with_capacity(to.bytes(elements));
        for bytes in bytes.chunks(self.bytes(CHUNK)) {
            let values = &mut values[..bytes.len() / self.block_bytes() * self.block_elements()];
            self.decode_into(bytes, values);
            to.encode_into(values, &mut converted);
        }
        converted
    }

    /// How many elements of `bytes` (little-endian, a whole number of blocks) are infinite or NaN: those whose
    /// exponent bits are all ones; in formats with scales, how many scales. Cheap enough to run over every
    /// slice on its way to the GPU.
    pub fn count_non_finite(self, bytes: &[u8]) -> usize {
        let is_all_ones = |bytes: [u8; 2], mask: u16| u16::from_le_bytes(bytes) & mask == mask;
        let halves = |mask| bytes.as_chunks().0.iter().filter(|bytes| is_all_ones(**bytes, mask)).count();
        let scales = || {
            let blocks = bytes.chunks_exact(self.block_bytes());
            let places = blocks::scale_places(self);
            let is_bad =
                |block: &&[u8]| places.iter().any(|&at| is_all_ones([block[at], block[at + 1]], 0x7C00));
            blocks.filter(is_bad).count()
        };
        match self {
            Self::F32 => {
                let is_all_ones = |b: &&[u8; 4]| u32::from_le_bytes(**b) & 0x7F80_0000 == 0x7F80_0000;
                bytes.as_chunks::<4>().0.iter().filter(is_all_ones).count()
            }
            Self::F16 => halves(0x7C00),
            Self::Bf16 => halves(0x7F80),
            _ => scales(),
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
        self.format.bytes(self.columns)
    }
}

/// A source of canonical tensors: a file, or numbers made up for a benchmark. Several threads may read at once.
pub trait Weights: Sync {
    /// Every tensor there is.
    fn tensors(&self) -> &[TensorInfo];

    /// Rows of tensor `index` (into [`Self::tensors`]), row-major, little-endian; borrowed where the stored
    /// bytes are already in this layout.
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
        let mut blocks = vec![0.5_f32; 96];
        blocks[40] = f32::NAN;
        blocks[70] = f32::NEG_INFINITY;
        for format in [WeightFormat::Q8_0, WeightFormat::Q4_0] {
            let mut bytes = Vec::new();
            format.encode_into(&blocks, &mut bytes);
            assert_eq!(format.count_non_finite(&bytes), 2, "two of three scales are no number");
        }
    }

    #[test]
    fn a_format_converted_to_a_finer_one_and_back_is_itself() {
        // More than a chunk, and no whole number of chunks.
        let values: Vec<f32> = (0..32 * 51).map(|index| (index as f32 * 0.37).sin()).collect();
        for format in WeightFormat::ENCODED {
            let mut bytes = Vec::new();
            format.encode_into(&values, &mut bytes);
            assert_eq!(bytes.len(), format.bytes(values.len()));
            let exact = format.convert(&bytes, WeightFormat::F32);
            assert_eq!(WeightFormat::F32.decode(&exact), format.decode(&bytes), "{}", format.name());
            if format.block_elements() == 1 {
                assert_eq!(WeightFormat::F32.convert(&exact, format), bytes, "{}", format.name());
            }
        }
    }
}
