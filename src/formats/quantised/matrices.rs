//! What the schemes share: a matrix that several stored tensors make, its groups and its factors.

use super::joined::Joined;
use super::parts::{Float, Part, Parts};
use crate::formats::error::FormatError;
use crate::formats::safetensors::{Element, StoredTensor};
use crate::model::group_format::{GroupCodes, GroupFactors, GroupSize};

/// Matrices that were brought together.
pub(super) type JoinedMatrices = Vec<(Part, Joined)>;

/// The matrix of a module, made of these parts, in place of the first of them.
pub(super) fn matrix(module: &str, shape: Vec<usize>, joined: Joined) -> (Part, Joined) {
    let codes = &joined.parts[0];
    let stored = StoredTensor {
        name: format!("{module}.weight"),
        element: Element::Weight(joined.format()),
        shape,
        bytes: codes.stored.bytes.clone(),
    };
    (Part { file: codes.file, stored }, joined)
}

/// The factors of steps stored as these are, with codes that stand for 0.
pub(super) fn with_zeros(scales: &Part, parts: &Parts) -> Result<GroupFactors, FormatError> {
    match scales.float() {
        Some(Float::F16) => Ok(GroupFactors::F16Zero),
        Some(Float::Bf16) => Ok(GroupFactors::Bf16Zero),
        _ => Err(parts.error(
            scales,
            format!(
                "its elements are stored as {}; scales of F16 and BF16 can be read",
                scales.stored.element.name()
            ),
        )),
    }
}

/// The largest group that divides rows of so many columns, and stored groups of so many; the smallest where none does.
pub(super) fn group(columns: usize, stored: usize) -> GroupSize {
    dividing(columns, stored.min(columns))
}

/// The largest group that divides both; the smallest where none does.
pub(super) fn dividing(one: usize, other: usize) -> GroupSize {
    let divides = |size: &GroupSize| [one, other].iter().all(|sizes| sizes.is_multiple_of(size.elements()));
    [GroupSize::G128, GroupSize::G64].into_iter().find(divides).unwrap_or(GroupSize::G32)
}

/// Elements that share a scale in rows of so many elements and scales, where `config.json` may say how many: the last group of a
/// row may be smaller, and a group larger than a row.
pub(super) fn groups_of(
    said: Option<usize>,
    [columns, scales]: [usize; 2],
    part: &Part,
    parts: &Parts,
) -> Result<usize, FormatError> {
    match said {
        Some(said) if said > 0 && columns.div_ceil(said) == scales => Ok(said),
        _ if scales == 0 || !columns.is_multiple_of(scales) => {
            let reason = format!("{scales} scales for rows of {columns} elements do not come out even");
            Err(parts.error(part, reason))
        }
        Some(said) => {
            let size = columns / scales;
            let reason =
                format!("it has a scale for {size} elements each, but config.json says {said} (group_size)");
            Err(parts.error(part, reason))
        }
        None => Ok(columns / scales),
    }
}

/// Whole numbers of so many bits; refuses others than these.
pub(super) fn whole(bits: u64, known: &[u64]) -> Option<GroupCodes> {
    GroupCodes::whole(bits).filter(|_| known.contains(&bits))
}
