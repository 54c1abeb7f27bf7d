//! Elements into and out of every weight format.

use half::slice::HalfFloatSliceExt;

use super::weight_format::{BlockFormat, Encoding, LARGEST_BLOCK, WeightFormat};
use super::{blocks, grids, groups, quant};

/// Elements that are decoded at a time, on the stack: whole blocks of every format.
const CHUNK: usize = 1024;

impl WeightFormat {
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
            Self::Blocks(format) => {
                let blocks = bytes.chunks_exact(format.block_bytes());
                for (block, values) in blocks.zip(values.chunks_exact_mut(format.block_elements())) {
                    blocks::decode(format, block, values);
                }
            }
            Self::Grids(format) => {
                let blocks = bytes.chunks_exact(format.block_bytes());
                for (block, values) in blocks.zip(values.chunks_exact_mut(LARGEST_BLOCK)) {
                    grids::decode(format, block, values);
                }
            }
            Self::Groups(format) => {
                let blocks = bytes.chunks_exact(format.block_bytes());
                for (block, values) in blocks.zip(values.chunks_exact_mut(format.size.elements())) {
                    groups::decode(format, block, values);
                }
            }
        }
    }

    /// `bytes` of this format in another one; the elements are whole blocks of both. Needs no more memory than
    /// its result.
    pub fn convert(self, bytes: &[u8], to: Encoding) -> Vec<u8> {
        let mut values = [0.0; CHUNK];
        let elements = bytes.len() / self.block_bytes() * self.block_elements();
        let mut converted = Vec::with_capacity(to.format().bytes(elements));
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
        let scales = |places: &[usize]| {
            let blocks = bytes.chunks_exact(self.block_bytes());
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
            Self::Q8_0 | Self::Q4_0 => scales(&[0]),
            Self::Blocks(BlockFormat::Nvfp4Scaled) => {
                let factor = |block: &[u8]| f32::from_le_bytes([block[36], block[37], block[38], block[39]]);
                bytes.chunks_exact(self.block_bytes()).filter(|block| !factor(block).is_finite()).count()
            }
            Self::Blocks(BlockFormat::Nvfp4) => {
                let has_none = |block: &&[u8]| block[..4].contains(&blocks::NO_STEP);
                bytes.chunks_exact(self.block_bytes()).filter(has_none).count()
            }
            // Its exponent's largest value stands for no number.
            Self::Blocks(BlockFormat::Mxfp4) => {
                bytes.chunks_exact(self.block_bytes()).filter(|block| block[0] == 255).count()
            }
            Self::Blocks(format) => scales(blocks::scale_places(format)),
            Self::Grids(format) => {
                let blocks = bytes.chunks_exact(format.block_bytes());
                blocks.filter(|block| !grids::factor(format, block).is_finite()).count()
            }
            Self::Groups(format) => {
                let blocks = bytes.chunks_exact(format.block_bytes());
                blocks.map(|block| groups::count_non_finite(format, block)).sum()
            }
        }
    }
}

impl Encoding {
    /// Appends `values`, a whole number of blocks, each rounded to the nearest that the format has.
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
        }
    }

    /// `values` in this format; see [`Self::encode_into`].
    pub fn encode(self, values: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.format().bytes(values.len()));
        self.encode_into(values, &mut bytes);
        bytes
    }
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
        for encoding in [Encoding::Q8_0, Encoding::Q4_0] {
            let bytes = encoding.encode(&blocks);
            assert_eq!(encoding.format().count_non_finite(&bytes), 2, "two of three scales are not finite");
        }
    }

    #[test]
    fn a_format_converted_to_a_finer_one_and_back_is_itself() {
        // More than a chunk, and not a whole number of chunks.
        let values: Vec<f32> = (0..32 * 51).map(|index| (index as f32 * 0.37).sin()).collect();
        for encoding in Encoding::ALL {
            let format = encoding.format();
            let bytes = encoding.encode(&values);
            assert_eq!(bytes.len(), format.bytes(values.len()));
            let exact = format.convert(&bytes, Encoding::F32);
            assert_eq!(WeightFormat::F32.decode(&exact), format.decode(&bytes), "{}", format.name());
            if format.block_elements() == 1 {
                assert_eq!(WeightFormat::F32.convert(&exact, encoding), bytes, "{}", format.name());
            }
        }
    }
}
