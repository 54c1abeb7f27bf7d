//! Matrices in eight bits: floats (F8_E4M3) as `fp8`, compressed-tensors and ModelOpt have them, and whole numbers (I8).
//!
//! `NAME.weight` has rows of codes; `NAME.weight_scale_inv` or `NAME.weight_scale` what they are multiplied by: a number, one
//! a row, or one a block; or powers of two for each 32 of a row. What activations and cached keys and values would be rounded by is passed over: here they are not.

use super::joined::{Blocks, Codes, Factors, Joined};
use super::matrices::{JoinedMatrices, group, matrix};
use super::parts::{Float, Part, Parts};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::group_format::{GroupCodes, GroupFactors, GroupFormat};

/// The usual rows and columns of a block.
pub(super) const USUAL_BLOCK: [usize; 2] = [128, 128];

/// Columns that share a power of two.
const POWER: usize = 32;

/// How powers of two are stored.
const POWERS: [&str; 2] = ["U8", "F8_E8M0"];

/// What belongs to activations, and to cached keys and values.
const OF_ACTIVATIONS: [&str; 9] = [
    ".input_scale",
    ".input_scale_ub",
    ".input_zero_point",
    ".input_global_scale",
    ".activation_scale",
    ".output_scale",
    ".q_scale",
    ".k_scale",
    ".v_scale",
];

/// The rows and columns of a block, by this field.
pub(super) fn block(settings: &Fields, field: &str) -> Result<[usize; 2], FormatError> {
    let Some(value) = settings.get(field) else { return Ok(USUAL_BLOCK) };
    let sizes: Option<Vec<usize>> = value.as_array().map(|sizes| {
        sizes
            .iter()
            .filter_map(|size| usize::try_from(size.as_u64()?).ok().filter(|size| *size > 0))
            .collect()
    });
    match sizes.as_deref() {
        Some(&[rows, columns]) => Ok([rows, columns]),
        _ => Err(settings.error(field, "it has to be two whole numbers from 1, a block's rows and columns")),
    }
}

pub(super) fn join(block: [usize; 2], parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    let mut joined = Vec::new();
    OF_ACTIVATIONS.iter().for_each(|ending| parts.forget(ending));
    for (element, codes, lie) in
        [("F8_E4M3", GroupCodes::E4m3, Codes::Rows), ("I8", GroupCodes::Int8, Codes::SignedRows)]
    {
        for module in parts.modules(".weight", element) {
            let Some(weight) = parts.take(&format!("{module}.weight")) else { continue };
            let inverse = parts.take(&format!("{module}.weight_scale_inv"));
            let scale = match inverse {
                Some(scale) => scale,
                None => parts.need(&format!("{module}.weight_scale"), &weight)?,
            };
            let (columns, of_block, factors) = match is_power(&scale) && !is_of_blocks(&weight, &scale, block)
            {
                true => powers(&weight, &scale, parts)?,
                false => blocks(&weight, &scale, block, parts)?,
            };
            let size = group(columns, of_block);
            let format = GroupFormat::new(codes, size, GroupFactors::F32);
            let shape = weight.stored.shape.clone();
            let parts = vec![weight, scale];
            let blocks = Blocks::Groups(format, factors);
            let whole = Joined::new(blocks, columns, lie, parts);
            joined.push(matrix(&module, shape, whole));
        }
    }
    Ok(joined)
}

/// Whether scales are powers of two in bytes.
fn is_power(scale: &Part) -> bool {
    POWERS.iter().any(|element| scale.is_of(element))
}

/// Whether there is a scale for each block.
fn is_of_blocks(weight: &Part, scale: &Part, block: [usize; 2]) -> bool {
    let sizes = weight.stored.shape.iter().zip(block).map(|(size, block)| size.div_ceil(block));
    sizes.eq(scale.stored.shape.iter().copied())
}

/// Columns of the matrix and of a group, and how its powers of two lie.
fn powers(weight: &Part, scale: &Part, parts: &Parts) -> Result<(usize, usize, Factors), FormatError> {
    let &[rows, columns] = parts.sizes(weight)?;
    if !columns.is_multiple_of(POWER) {
        let reason = format!("rows of {columns} elements are no whole number of groups of {POWER}");
        return Err(parts.error(scale, reason));
    }
    parts.check(scale, &POWERS, &[&[rows, columns / POWER]])?;
    Ok((columns, POWER, Factors::Powers))
}

/// Columns of the matrix and of a block, and how its scales lie.
fn blocks(
    weight: &Part,
    scale: &Part,
    [block_rows, block_columns]: [usize; 2],
    parts: &Parts,
) -> Result<(usize, usize, Factors), FormatError> {
    let &[rows, columns] = parts.sizes(weight)?;
    let blocks = [rows.div_ceil(block_rows), columns.div_ceil(block_columns)];
    parts.check(
        scale,
        &["F32", "BF16", "F16", POWERS[0], POWERS[1]],
        &[&blocks, &[rows, 1], &[rows], &[1], &[], &[1, 1]],
    )?;
    let float = if is_power(scale) { Some(Float::Power) } else { scale.float() };
    let Some(float) = float else {
        return Err(parts.error(scale, "it has to be of floats".to_owned()));
    };
    let shape = scale.stored.shape.as_slice();
    let [rows, columns_each, across] = match shape {
        shape if shape == blocks => [block_rows, block_columns, blocks[1]],
        [] | [1] | [1, 1] => [rows.max(1), columns.max(1), 1],
        _ => [1, columns.max(1), 1],
    };
    Ok((columns, columns_each, Factors::Blocks { rows, columns: columns_each, across, float }))
}
