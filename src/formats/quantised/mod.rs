//! Quantised matrices of safetensors folders, which are stored in several tensors each: brought together into one of a group
//! format, before any family looks for its tensors.
//!
//! `config.json` says by which scheme; that a tensor is quantised is seen by the tensors themselves. A scheme knows nothing of
//! families.

mod affine;
mod eight_bits;
mod joined;
mod matrices;
mod packed;
mod parts;
mod words;

use super::error::FormatError;
use super::fields::Fields;
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
