//! Matrices that compressed-tensors packs: `NAME.weight_packed` has rows of words of codes, `NAME.weight_scale` a step for
//! each group or row, `NAME.weight_zero_point` perhaps the codes that stand for 0, and `NAME.weight_shape` the shape.

use super::eight_bits;
use super::joined::{Blocks, Codes, Factors, Joined, Scales, Zeros};
use super::matrices::{JoinedMatrices, group, groups_of, matrix, whole, with_zeros};
use super::order::order;
use super::parts::{Part, Parts};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::group_format::{GroupCodes, GroupFormat};

/// The formats whose matrices can be read.
const FORMATS: [&str; 9] = [
    "float-quantized",
    "int-quantized",
    "naive-quantized",
    "pack-quantized",
    "nvfp4-pack-quantized",
    "mxfp4-pack-quantized",
    "mxfp8-quantized",
    "mixed-precision",
    "dense",
];

/// What `config.json` says of the matrices.
pub(super) struct Settings {
    /// Rows and columns of the blocks that share a scale, where blocks do.
    pub block: [usize; 2],
    /// The codes of matrices that are packed.
    codes: Option<GroupCodes>,
    /// Columns that share a scale, where it says so.
    group: Option<usize>,
    /// Whether there are codes that stand for 0.
    has_zeros: bool,
}

impl Settings {
    /// By the groups of matrices, which have to agree.
    pub(super) fn of(fields: &Fields) -> Result<Self, FormatError> {
        check_format(fields)?;
        let mut settings = Self {
            block: eight_bits::block(fields, "weight_block_size")?,
            codes: None,
            group: None,
            has_zeros: false,
        };
        let Some(groups) = fields.optional_object("config_groups")? else { return Ok(settings) };
        let names: Vec<&str> = groups.unread().collect();
        for name in names {
            let Some(of_group) = groups.optional_object(name)? else { continue };
            check_format(&of_group)?;
            let Some(weights) = of_group.optional_object("weights")? else { continue };
            if weights.get("block_structure").is_some() {
                settings.block = eight_bits::block(&weights, "block_structure")?;
            }
            if weights.optional_text("type")? == Some("float") {
                continue;
            }
            let codes = whole(weights.size("num_bits")? as u64, &[4, 8]);
            if settings.codes.is_some() && settings.codes != codes {
                let reason = "matrices of several precisions in one folder cannot be read";
                return Err(weights.error("num_bits", reason));
            }
            settings.codes = codes;
            settings.group =
                weights.get("group_size").and_then(|size| size.as_u64()).map(|size| size as usize);
            settings.has_zeros |= weights.optional_flag("symmetric")? == Some(false);
        }
        Ok(settings)
    }
}

fn check_format(fields: &Fields) -> Result<(), FormatError> {
    match fields.optional_text("format")? {
        Some(format) if !FORMATS.contains(&format) => {
            Err(fields.error("format", format!("{} can be read", FORMATS.join(", "))))
        }
        _ => Ok(()),
    }
}

pub(super) fn join(settings: &Settings, parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    let mut joined = Vec::new();
    for module in parts.modules(".weight_packed", "I32") {
        let Some(packed) = parts.take(&format!("{module}.weight_packed")) else { continue };
        let scale = parts.need(&format!("{module}.weight_scale"), &packed)?;
        // It says no more than the other shapes do, and these are checked.
        parts.take(&format!("{module}.weight_shape"));
        let of_columns = parts.take(&format!("{module}.weight_g_idx"));
        let zeros = match format!("{module}.weight_zero_point") {
            name if settings.has_zeros => Some(parts.need(&name, &packed)?),
            name => parts.take(&name),
        };
        joined.push(joined_matrix(&module, Stored { packed, scale, zeros, of_columns }, settings, parts)?);
    }
    Ok(joined)
}

/// What is stored of a matrix.
struct Stored {
    packed: Part,
    scale: Part,
    zeros: Option<Part>,
    /// Each column's group.
    of_columns: Option<Part>,
}

fn joined_matrix(
    module: &str,
    Stored { packed, scale, zeros, of_columns }: Stored,
    settings: &Settings,
    parts: &Parts,
) -> Result<(Part, Joined), FormatError> {
    let Some(codes) = settings.codes else {
        return Err(parts.error(&packed, "config.json has to say 4 or 8 bits (num_bits)".to_owned()));
    };
    let (bits, shapes) = (codes.bits(), [&packed.stored.shape, &scale.stored.shape]);
    let (&[rows, words], &[_, groups]) = (shapes[0].as_slice(), shapes[1].as_slice()) else {
        let reason = format!("its shape and that of its scales are {shapes:?}; matrices are expected");
        return Err(parts.error(&packed, reason));
    };
    let columns = words.saturating_mul(32) / bits;
    parts.check(&scale, &["F16", "BF16"], &[&[rows, groups]])?;
    let of_scale = groups_of(settings.group, [columns, groups], &scale, parts)?;
    if let Some(zeros) = &zeros {
        parts.check(zeros, &["I32"], &[&[(rows * bits).div_ceil(32), groups]])?;
    }
    let order = match of_columns {
        Some(of_columns) => order(&of_columns, [columns, of_scale], parts)?,
        None => None,
    };
    let format = GroupFormat::new(codes, group(columns, of_scale), with_zeros(&scale, parts)?);
    let scales = Scales { group: of_scale, groups, outputs: None };
    let lie = if zeros.is_some() { Zeros::WordsOfRows } else { Zeros::Middle };
    let factors = Factors::Zeros { scales, zeros: lie };
    let parts = [packed, scale].into_iter().chain(zeros).collect();
    let blocks = Blocks::Groups(format, factors);
    let whole = Joined { order, ..Joined::new(blocks, columns, Codes::Rows, parts) };
    Ok(matrix(module, vec![rows, columns], whole))
}
