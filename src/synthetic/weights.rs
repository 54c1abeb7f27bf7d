//! Weights without a file: numbers that are made up, the same each time.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::group_format::{GroupCodes, GroupFactors, GroupFormat};
use crate::model::plan::TensorSpec;
use crate::model::weight_format::{BlockFormat, LARGEST_BLOCK};
use crate::model::weights::TensorInfo;
use crate::model::{Plan, WeightFormat, Weights, WeightsError, blocks, grids, groups};

/// A format whose blocks do not divide the rows of a shape's tensor.
#[derive(Debug, thiserror::Error)]
#[error(
    "rows of {columns} weights ({tensor}) are not a whole number of {format}'s blocks of {block}: choose another shape or format"
)]
pub struct UnfitFormat {
    tensor: String,
    columns: usize,
    format: &'static str,
    block: usize,
}

/// Weights that are made up: small numbers, the same each time. They come as fast as memory is copied, so that a
/// benchmark of loading measures the loading.
pub struct SyntheticWeights {
    tensors: Vec<TensorInfo>,
    /// The blocks that all matrices repeat, each from its own place on.
    blocks: Vec<u8>,
    /// Likewise the numbers of vectors, which are f32 where matrices are in blocks of many.
    numbers: Vec<u8>,
}

/// The numbers by which states decay, all of them below 0.
const RATES: &str = "recurrent.rate.weight";

/// Blocks before they repeat: a prime, so that rows and tensors differ.
const BLOCKS: usize = 65_521;

impl SyntheticWeights {
    /// Every tensor of the plan, in the plan's order: matrices in this format, vectors too unless it has blocks of many.
    pub fn new(plan: &Plan, format: WeightFormat) -> Result<Self, UnfitFormat> {
        let vectors = if format.block_elements() == 1 { format } else { WeightFormat::F32 };
        let tensor = |spec: &TensorSpec| {
            let format = if spec.rows == 1 { vectors } else { format };
            let (name, rows, columns) = (spec.name.clone(), spec.rows, spec.columns);
            let block = format.block_elements();
            match columns.is_multiple_of(block) {
                true => Ok(TensorInfo { name, rows, columns, format }),
                false => Err(UnfitFormat { tensor: name, columns, format: format.name(), block }),
            }
        };
        let tensors = plan.tensors.iter().map(tensor).collect::<Result<_, _>>()?;
        Ok(Self { tensors, blocks: made_up_blocks(format), numbers: made_up_blocks(vectors) })
    }
}

impl Weights for SyntheticWeights {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&self, index: usize, rows: Range<usize>) -> Result<Cow<'_, [u8]>, WeightsError> {
        let info = &self.tensors[index];
        let blocks = if info.rows == 1 { &self.numbers } else { &self.blocks };
        let bytes = rows.len() * info.row_bytes();
        let mut made = Vec::with_capacity(bytes);
        let first = (7919 * index + rows.start * info.columns / info.format.block_elements()) % BLOCKS;
        let mut place = first * info.format.block_bytes();
        while made.len() < bytes {
            let length = (bytes - made.len()).min(blocks.len() - place);
            made.extend_from_slice(&blocks[place..place + length]);
            place = 0;
        }
        // A state that grew would leave the numbers that there are.
        if info.name.ends_with(RATES) {
            let last = info.format.block_bytes() - 1;
            made.iter_mut().skip(last).step_by(last + 1).for_each(|byte| *byte |= 0x80);
        }
        Ok(Cow::Owned(made))
    }
}

/// [`BLOCKS`] blocks of small numbers that look random.
fn made_up_blocks(format: WeightFormat) -> Vec<u8> {
    let Some(encoding) = format.encoding() else { return made_up_codes(format) };
    // Sign and mantissa from the hash, the exponent of numbers from 1/32 to 1/16.
    let number = |element| f32::from_bits(hash(element) as u32 & 0x807f_e000 | 0x3d00_0000);
    let elements = (BLOCKS * format.block_elements()) as u64;
    encoding.encode(&(1..=elements).map(number).collect::<Vec<f32>>())
}

/// [`BLOCKS`] blocks of random codes, with factors that keep the numbers small.
fn made_up_codes(format: WeightFormat) -> Vec<u8> {
    let bytes = (BLOCKS * format.block_bytes()) as u64;
    let mut bytes: Vec<u8> = (1..=bytes).map(|element| hash(element) as u8).collect();
    for block in bytes.chunks_exact_mut(format.block_bytes()) {
        match format {
            WeightFormat::Blocks(format) => set_factors(format, block),
            WeightFormat::Grids(format) => grids::set_factor(format, block, LEAST),
            WeightFormat::Groups(format) => set_group_factors(format, block),
            _ => {}
        }
    }
    bytes
}

fn set_group_factors(format: GroupFormat, block: &mut [u8]) {
    let middle = groups::middle(format.codes);
    // A quarter at most: floats go up to 448, those of tables to 1.
    let step = match format.codes {
        GroupCodes::E4m3 => 1.0 / 2048.0,
        GroupCodes::Nf4 | GroupCodes::Fp4 => 0.25,
        _ => 0.25 / middle,
    };
    let half = |number: f32| half::f16::from_f32(number).to_bits();
    let brain = |number: f32| half::bf16::from_f32(number).to_bits();
    let word = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
    let factors = match format.factors {
        GroupFactors::F16Bias => word(half(step), half(-0.25)),
        GroupFactors::Bf16Bias => word(brain(step), brain(-0.25)),
        GroupFactors::F16Zero => word(half(step), middle as u16),
        GroupFactors::Bf16Zero => word(brain(step), middle as u16),
        GroupFactors::F32 => step.to_bits(),
    };
    block[..4].copy_from_slice(&factors.to_le_bytes());
    if format.codes == GroupCodes::E4m3 {
        // No code that is no number.
        block[4..].iter_mut().filter(|code| **code & 127 == 127).for_each(|code| *code = 0);
    }
}

/// The least that f16 has with all its bits: where scales within the block multiply it.
const LEAST: half::f16 = half::f16::from_f32_const(1.0 / 16384.0);

fn set_factors(format: BlockFormat, block: &mut [u8]) {
    let factor = match format {
        BlockFormat::Tq1_0 | BlockFormat::Tq2_0 | BlockFormat::Q1_0 | BlockFormat::Q2_0 => {
            half::f16::from_f32_const(1.0 / 64.0)
        }
        _ if format.block_elements() == LARGEST_BLOCK => LEAST,
        _ => half::f16::from_f32_const(1.0 / 2048.0),
    };
    for &place in blocks::scale_places(format) {
        // Codes are counted from 0: an offset of eight steps down puts half of them below it.
        let is_offset = place > 0 && matches!(format, BlockFormat::Q4_1 | BlockFormat::Q5_1);
        let factor = if is_offset { half::f16::from_f32(-8.0 * factor.to_f32()) } else { factor };
        block[place..place + 2].copy_from_slice(&factor.to_le_bytes());
    }
    match format {
        // 2^-7 to 2^-8.
        BlockFormat::Mxfp4 => block[0] = 120 + (block[0] & 1),
        // From 2^-7 on, as these have it, to less than 2^-5.
        BlockFormat::Nvfp4 | BlockFormat::Nvfp4Scaled => {
            block[..4].iter_mut().for_each(|step| *step = 8 + (*step & 15));
        }
        _ => {}
    }
    if format == BlockFormat::Nvfp4Scaled {
        block[36..].copy_from_slice(&0.75_f32.to_le_bytes());
    }
}

/// A number that looks random.
fn hash(element: u64) -> u64 {
    let mixed = element.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan_decoder;
    use crate::synthetic::shapes::{SMALL_TO_LARGE, config};

    #[test]
    fn made_up_weights_of_every_format_are_small_and_differ() {
        let config = config(SMALL_TO_LARGE[1]).expect("a known name");
        let plan = plan_decoder(&config);
        for format in WeightFormat::ALL {
            let weights =
                SyntheticWeights::new(&plan, format).expect("2048 and 8192 are multiples of every block");
            let row = weights.read(0, 3..4).expect("always");
            let numbers = format.decode(&row);
            assert_eq!(numbers.len(), 2048);
            let largest = numbers.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
            assert!((1.0 / 1024.0..1.0 / 2.0).contains(&largest), "{}: {largest}", format.name());
            assert!(numbers.iter().any(|number| *number > 0.0) && numbers.iter().any(|number| *number < 0.0));
            assert_ne!(row, weights.read(0, 4..5).expect("always"));
        }
    }

    #[test]
    fn rows_that_are_no_whole_blocks_are_refused() {
        let plan = plan_decoder(&config("stories15m").expect("a known name"));
        let refused = SyntheticWeights::new(&plan, WeightFormat::Blocks(BlockFormat::Q4K))
            .err()
            .expect("288 is no multiple of 256");
        assert!(refused.to_string().contains("288") && refused.to_string().contains("q4_k"), "{refused}");
    }
}
