//! Floats of four bits (E2M1) as files have them, two neighbours in a byte, brought into the blocks of mxfp4 and nvfp4.

use crate::model::blocks::NO_STEP;

/// Elements of nvfp4 with a step each.
pub(super) const STEPS: usize = 16;

/// Appends a block of mxfp4: its exponent, and 32 codes of which the second half lies in the high halves of bytes.
pub(super) fn push_mxfp4(exponent: u8, codes: &[u8], rows: &mut Vec<u8>) {
    rows.push(exponent);
    push_halves(codes, 0, rows);
}

/// Appends a block of nvfp4: four steps (E4M3), and the codes of sixteen for each. The block's steps have no sign: the codes take
/// it over. Where a step is no number, the factor is none.
pub(super) fn push_nvfp4(steps: &[u8], codes: &[u8], factor: Option<f32>, rows: &mut Vec<u8>) {
    let is_number = |step: &u8| step & 127 != 127;
    rows.extend(steps.iter().map(|step| if is_number(step) { step & 127 } else { NO_STEP }));
    for (step, codes) in steps.iter().zip(codes.chunks_exact(8)) {
        push_halves(codes, if step & 128 == 0 { 0 } else { 0x88 }, rows);
    }
    if let Some(factor) = factor {
        let factor = if steps.iter().all(is_number) { factor } else { f32::NAN };
        rows.extend_from_slice(&factor.to_le_bytes());
    }
}

/// Appends codes of which two neighbours lie in a byte, the first in its low half, so that those of the first half lie in the
/// low halves and the others in the high ones; with these bits of each byte turned over.
fn push_halves(codes: &[u8], turned: u8, rows: &mut Vec<u8>) {
    let code = |index: usize| codes[index / 2] >> (4 * (index % 2)) & 15;
    rows.extend((0..codes.len()).map(|index| (code(index) | code(codes.len() + index) << 4) ^ turned));
}
