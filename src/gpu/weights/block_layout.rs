//! How blocks that files bring lie in GPU memory: in parts of 32 weights, as `shaders/lib/sub_blocks.wgsl` reads them.
//!
//! The low bits of a part's codes make a unit, of 16 bytes or (with one or two of them) 4 or 8. What a block has besides, its
//! **record**, lies with the other blocks' records where other formats have scales: the codes' higher bits, the steps,
//! the factors.

use crate::model::blocks::{codes, q3_k_scales};
use crate::model::weight_format::BlockFormat;

/// Weights of a part.
const PART: usize = 32;

/// Bytes of a block's record.
pub(super) fn record_bytes(format: BlockFormat) -> usize {
    match format {
        BlockFormat::Mxfp4 => 1,
        BlockFormat::Iq4Nl
        | BlockFormat::Tq1_0
        | BlockFormat::Tq2_0
        | BlockFormat::Q1_0
        | BlockFormat::Q2_0 => 2,
        BlockFormat::Q4_1 | BlockFormat::Nvfp4 => 4,
        BlockFormat::Nvfp4Scaled | BlockFormat::Q5_0 | BlockFormat::Q5_1 | BlockFormat::Iq4Xs => 8,
        BlockFormat::Q4K => 16,
        BlockFormat::Q2K => 20,
        BlockFormat::Q5K => 48,
        BlockFormat::Q3K => 52,
        BlockFormat::Q6K => 84,
    }
}

/// Bytes of the units of a block.
pub(super) fn unit_bytes(format: BlockFormat) -> usize {
    format.block_elements() * unit_bits(format) / 8
}

/// Bits of a code in its unit; five codes in a byte are two bits each here.
fn unit_bits(format: BlockFormat) -> usize {
    match format {
        BlockFormat::Q1_0 => 1,
        BlockFormat::Q2K | BlockFormat::Q3K | BlockFormat::Tq1_0 | BlockFormat::Tq2_0 | BlockFormat::Q2_0 => {
            2
        }
        _ => 4,
    }
}

/// Appends a block's units and its record.
pub(super) fn push(format: BlockFormat, block: &[u8], units: &mut Vec<u8>, record: &mut Vec<u8>) {
    let codes = codes(format, block);
    let codes = &codes[..format.block_elements()];
    let parts = || codes.chunks_exact(PART);
    match unit_bits(format) {
        1 => parts().for_each(|part| push_bit(part, 0, units)),
        2 => parts().for_each(|part| push_two_bits(part, 0, units)),
        _ => parts().for_each(|part| push_four_bits(part, units)),
    }
    match format {
        BlockFormat::Mxfp4 => record.push(block[0]),
        BlockFormat::Iq4Nl | BlockFormat::Q1_0 | BlockFormat::Q2_0 => record.extend_from_slice(&block[..2]),
        BlockFormat::Tq1_0 => record.extend_from_slice(&block[52..54]),
        BlockFormat::Tq2_0 => record.extend_from_slice(&block[64..66]),
        BlockFormat::Nvfp4Scaled => {
            record.extend_from_slice(&block[..4]);
            record.extend_from_slice(&block[36..40]);
        }
        BlockFormat::Q4_1 | BlockFormat::Nvfp4 => record.extend_from_slice(&block[..4]),
        BlockFormat::Iq4Xs => record.extend_from_slice(&block[..8]),
        BlockFormat::Q4K => record.extend_from_slice(&block[..16]),
        BlockFormat::Q5_0 => {
            record.extend_from_slice(&[block[0], block[1], 0, 0]);
            push_bit(codes, 4, record);
        }
        BlockFormat::Q5_1 => {
            record.extend_from_slice(&block[..4]);
            push_bit(codes, 4, record);
        }
        BlockFormat::Q5K => {
            record.extend_from_slice(&block[..16]);
            parts().for_each(|part| push_bit(part, 4, record));
        }
        BlockFormat::Q6K => {
            parts().for_each(|part| push_two_bits(part, 4, record));
            record.extend_from_slice(&block[192..210]);
            record.extend_from_slice(&[0; 2]);
        }
        BlockFormat::Q2K => {
            record.extend_from_slice(&block[..16]);
            record.extend_from_slice(&block[80..84]);
        }
        BlockFormat::Q3K => {
            parts().for_each(|part| push_bit(part, 2, record));
            record.extend(q3_k_scales(&block[96..108]).map(|scale| scale.wrapping_sub(32)));
            record.extend_from_slice(&[block[108], block[109], 0, 0]);
        }
    }
}

/// The lowest four bits of each of 32 codes: byte j of word i has code 8i + j in its low half, and 8i + 4 + j in its high
/// one.
pub(super) fn push_four_bits(codes: &[u8], into: &mut Vec<u8>) {
    for eight in codes.chunks_exact(8) {
        into.extend((0..4).map(|byte| eight[byte] & 15 | eight[4 + byte] << 4));
    }
}

/// Two bits of each of 32 codes, from bit `shift` on: byte j of word i has codes 16i + 4k + j for k from 0 to 3.
pub(super) fn push_two_bits(codes: &[u8], shift: usize, into: &mut Vec<u8>) {
    for sixteen in codes.chunks_exact(16) {
        let byte =
            |byte: usize| (0..4).fold(0, |bits, k| bits | (sixteen[4 * k + byte] >> shift & 3) << (2 * k));
        into.extend((0..4).map(byte));
    }
}

/// Bit `shift` of each of 32 codes: byte j has codes 4k + j for k from 0 to 7.
pub(super) fn push_bit(codes: &[u8], shift: usize, into: &mut Vec<u8>) {
    let byte = |byte: usize| (0..8).fold(0, |bits, k| bits | (codes[4 * k + byte] >> shift & 1) << k);
    into.extend((0..4).map(byte));
}
