//! Matrices of floats of four bits (E2M1), two neighbours in a byte, as compressed-tensors and ModelOpt have them: `weight_scale` is
//! of floats of eight bits for each sixteen, which go with a number for the whole matrix, or of powers of two for each 32.

use super::four_bits::STEPS;
use super::joined::{Blocks, Codes, Joined, Overall};
use super::matrices::{JoinedMatrices, matrix};
use super::parts::{Part, Parts};
use crate::formats::error::FormatError;

/// How the parts are called that not all forms call the same.
pub(super) struct Names {
    /// The codes.
    codes: &'static str,
    /// The number for the whole matrix, and what is done with it.
    overall: (&'static str, Overall),
}

/// Those of compressed-tensors.
pub(super) const COMPRESSED_TENSORS: Names =
    Names { codes: ".weight_packed", overall: (".weight_global_scale", Overall::Over) };

/// Those of ModelOpt.
pub(super) const MODEL_OPT: Names = Names { codes: ".weight", overall: (".weight_scale_2", Overall::Times) };

pub(super) fn join(names: &Names, parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    let mut joined = Vec::new();
    for module in parts.modules(names.codes, "U8") {
        let Some(packed) = parts.take(&format!("{module}{}", names.codes)) else { continue };
        let scale = parts.need(&format!("{module}.weight_scale"), &packed)?;
        let &[rows, bytes] = parts.sizes(&packed)?;
        let columns = bytes.saturating_mul(2);
        let mut stored = vec![packed, scale];
        let (packed, scale) = (&stored[0], &stored[1]);
        let (blocks, overall) = match scale.is_of("F8_E4M3") {
            true => {
                let (ending, overall) = names.overall;
                let number = parts.need(&format!("{module}{ending}"), packed)?;
                parts.check(&number, &["F32"], &[&[], &[1]])?;
                (Blocks::Nvfp4(Some(overall)), Some(number))
            }
            false => (Blocks::Mxfp4, None),
        };
        check_scale(scale, [rows, columns], blocks, parts)?;
        stored.extend(overall);
        let whole = Joined::new(blocks, columns, Codes::Rows, stored);
        joined.push(matrix(&module, vec![rows, columns], whole));
    }
    Ok(joined)
}

fn check_scale(
    scale: &Part,
    [rows, columns]: [usize; 2],
    blocks: Blocks,
    parts: &Parts,
) -> Result<(), FormatError> {
    let group = if matches!(blocks, Blocks::Mxfp4) { 32 } else { STEPS };
    if !columns.is_multiple_of(group) {
        let reason = format!("rows of {columns} elements are no whole number of groups of {group}");
        return Err(parts.error(scale, reason));
    }
    parts.check(scale, &["F8_E4M3", "U8", "F8_E8M0"], &[&[rows, columns / group]])
}
