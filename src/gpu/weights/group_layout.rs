//! How groups that folders bring lie in GPU memory: in units of 32 weights and records, as `block_layout` has them. Codes of
//! eight bits make units of 32 bytes, in their own order.

use super::block_layout::{push_bit, push_four_bits, push_two_bits};
use crate::model::group_format::{FACTOR_BYTES, GroupCodes, GroupFormat};
use crate::model::groups::codes;

/// Weights of a part.
const PART: usize = 32;

/// Bytes of a block's record: its factors, and the bits of its codes that its units lack.
pub(super) fn record_bytes(format: GroupFormat) -> usize {
    let higher_bits = format.codes.bits() - unit_bits(format.codes);
    FACTOR_BYTES + higher_bits * format.size.elements() / 8
}

/// Bytes of the units of a block.
pub(super) fn unit_bytes(format: GroupFormat) -> usize {
    unit_bits(format.codes) * format.size.elements() / 8
}

/// Bits of a code in its unit.
fn unit_bits(codes: GroupCodes) -> usize {
    match codes {
        GroupCodes::Int2 | GroupCodes::Int3 => 2,
        GroupCodes::Int4 | GroupCodes::Nf4 | GroupCodes::Fp4 | GroupCodes::Int5 | GroupCodes::Int6 => 4,
        GroupCodes::Int8 | GroupCodes::E4m3 => 8,
    }
}

/// Appends a block's units and its record.
pub(super) fn push(format: GroupFormat, block: &[u8], units: &mut Vec<u8>, record: &mut Vec<u8>) {
    let codes = codes(format, block);
    let codes = &codes[..format.size.elements()];
    record.extend_from_slice(&block[..FACTOR_BYTES]);
    for part in codes.chunks_exact(PART) {
        match format.codes {
            GroupCodes::Int2 => push_two_bits(part, 0, units),
            GroupCodes::Int3 => {
                push_two_bits(part, 0, units);
                push_bit(part, 2, record);
            }
            GroupCodes::Int4 | GroupCodes::Nf4 | GroupCodes::Fp4 => push_four_bits(part, units),
            GroupCodes::Int5 => {
                push_four_bits(part, units);
                push_bit(part, 4, record);
            }
            GroupCodes::Int6 => {
                push_four_bits(part, units);
                push_two_bits(part, 4, record);
            }
            GroupCodes::Int8 | GroupCodes::E4m3 => units.extend_from_slice(part),
        }
    }
}
