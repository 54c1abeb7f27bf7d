//! Quantised matrices of safetensors folders, which are stored in several tensors each: brought together into one of a group
//! format, before any family looks for its tensors.
//!
//! `config.json` says by which scheme; that a tensor is quantised is seen by the tensors themselves. A scheme knows nothing of
//! families.

mod affine;
mod eight_bits;
mod joined;
mod packed;
mod parts;
mod words;

use super::error::FormatError;
use super::fields::Fields;
use super::safetensors::{Element, StoredTensor};
use crate::model::WeightFormat;
use crate::model::group_format::{GroupCodes, GroupFactors, GroupFormat, GroupSize};
pub(super) use joined::Joined;
pub(super) use parts::Part;
use parts::Parts;

/// How a folder's matrices are quantised.
enum Scheme<'a> {
    /// MLX's: a step and a bias for each group.
    Affine(affine::Settings<'a>),
    /// Floats or whole numbers of eight bits, with scales for rows, blocks or whole matrices.
    EightBits { block: [usize; 2] },
    /// Those of compressed-tensors: as before, and codes in words.
    CompressedTensors(packed::Settings),
    /// GPTQ's.
    Gptq(words::Settings),
    /// AWQ's.
    Awq(words::Settings),
}

impl<'a> Scheme<'a> {
    /// That of `config.json`; none where nothing is quantised, or by a scheme that is unknown here.
    fn of(config: &Fields<'a>) -> Result<Option<Self>, FormatError> {
        if let Some(settings) = config.optional_object("quantization")? {
            return affine::Settings::of(settings).map(|settings| Some(Self::Affine(settings)));
        }
        let Some(settings) = config.optional_object("quantization_config")? else { return Ok(None) };
        Ok(match settings.optional_text("quant_method")? {
            Some("fp8") => {
                Some(Self::EightBits { block: eight_bits::block(&settings, "weight_block_size")? })
            }
            Some("compressed-tensors") => Some(Self::CompressedTensors(packed::Settings::of(&settings)?)),
            Some("gptq") => Some(Self::Gptq(words::Settings::of(&settings)?)),
            Some("awq") => Some(Self::Awq(words::Settings::of(&settings)?)),
            _ => None,
        })
    }
}

/// Whether `config.json` names a scheme that is known here.
pub(super) fn is_known(config: &Fields) -> bool {
    Scheme::of(config).is_ok_and(|scheme| scheme.is_some())
}

/// Brings together what belongs together by the scheme of `config.json`: each tensor that is left, and how it is read where
/// several make it. `places` are the files' places, for messages.
pub(super) fn join(
    config: &Fields,
    places: &[String],
    stored: Vec<Part>,
) -> Result<Vec<(Part, Option<Joined>)>, FormatError> {
    let Some(scheme) = Scheme::of(config)? else {
        return Ok(stored.into_iter().map(|part| (part, None)).collect());
    };
    let mut parts = Parts::new(places, stored);
    let joined = match scheme {
        Scheme::Affine(settings) => affine::join(&settings, &mut parts)?,
        Scheme::EightBits { block } => eight_bits::join(block, &mut parts)?,
        Scheme::CompressedTensors(settings) => {
            let mut joined = packed::join(&settings, &mut parts)?;
            joined.extend(eight_bits::join(settings.block, &mut parts)?);
            joined
        }
        Scheme::Gptq(settings) => words::join_gptq(&settings, &mut parts)?,
        Scheme::Awq(settings) => words::join_awq(&settings, &mut parts)?,
    };
    let left = parts.into_left().into_iter().map(|part| (part, None));
    Ok(left.chain(joined.into_iter().map(|(part, joined)| (part, Some(joined)))).collect())
}

/// Matrices that were brought together.
type JoinedMatrices = Vec<(Part, Joined)>;

/// The matrix of a module, made of these parts, in place of the first of them.
fn matrix(module: &str, shape: Vec<usize>, joined: Joined) -> (Part, Joined) {
    let codes = &joined.parts[0];
    let stored = StoredTensor {
        name: format!("{module}.weight"),
        element: Element::Weight(WeightFormat::Groups(joined.format)),
        shape,
        bytes: codes.stored.bytes.clone(),
    };
    (Part { file: codes.file, stored }, joined)
}

/// The factors of steps stored as these are, with codes that stand for 0.
fn with_zeros(scales: &Part, parts: &Parts) -> Result<GroupFactors, FormatError> {
    match scales.float() {
        Some(joined::Float::F16) => Ok(GroupFactors::F16Zero),
        Some(joined::Float::Bf16) => Ok(GroupFactors::Bf16Zero),
        _ => Err(parts.error(
            scales,
            format!(
                "its elements are stored as {}; scales of F16 and BF16 can be read",
                scales.stored.element.name()
            ),
        )),
    }
}

/// The largest group that divides rows of so many columns, and stored groups of so many.
fn group(codes: &Part, columns: usize, stored: usize, parts: &Parts) -> Result<GroupSize, FormatError> {
    let divides = |size: &GroupSize| stored >= columns || stored.is_multiple_of(size.elements());
    let sizes = [GroupSize::G128, GroupSize::G64, GroupSize::G32].into_iter();
    let mut sizes = sizes.filter(|size| columns.is_multiple_of(size.elements()));
    sizes.find(divides).ok_or_else(|| {
        let reason = format!(
            "its rows have {columns} elements in groups of {stored}; both have to be multiples of 32"
        );
        parts.error(codes, reason)
    })
}

/// Whole numbers of so many bits; refuses others than these.
fn whole(bits: u64, known: &[u64]) -> Option<GroupCodes> {
    GroupCodes::whole(bits).filter(|_| known.contains(&bits))
}

/// The format of these parts.
fn format(codes: GroupCodes, size: GroupSize, factors: GroupFactors) -> GroupFormat {
    GroupFormat::new(codes, size, factors)
}
