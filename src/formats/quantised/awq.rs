//! AWQ's matrices, by the versions of its kernels. `gemm`: `NAME.qweight` and `NAME.qzeros` have words of eight outputs, in an order of
//! their own. `gemv`: words of neighbouring inputs and of neighbouring groups, row by row. `gemv_fast`: four rows together, and
//! in `NAME.qzeros` what is added to steps times codes.

use super::joined::{Blocks, Codes, Factors, Joined, Scales, Zeros};
use super::matrices::{JoinedMatrices, group, matrix, with_zeros};
use super::parts::{Part, Parts};
use super::words::{Packed, Stored, group_size, modules};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::group_format::{GroupCodes, GroupFactors, GroupFormat};

/// Bits of a code.
const BITS: u64 = 4;

/// The order in which codes lie.
#[derive(Clone, Copy)]
enum Version {
    Gemm,
    Gemv,
    GemvFast,
}

/// What `config.json` says of all matrices.
pub(super) struct Settings {
    version: Version,
    /// Inputs that share a scale, where it says so.
    group: Option<usize>,
}

impl Settings {
    pub(super) fn of(fields: &Fields) -> Result<Self, FormatError> {
        let field = if fields.get("bits").is_none() { "w_bit" } else { "bits" };
        if fields.size(field)? as u64 != BITS {
            return Err(fields.error(field, "matrices of 4 bits can be read"));
        }
        if fields.optional_text("backend")? == Some("llm-awq") {
            return Err(fields.error("backend", "the order of codes of llm-awq cannot be read"));
        }
        let field = ["version", "checkpoint_format"].into_iter().find(|name| fields.get(name).is_some());
        let field = field.unwrap_or("format");
        let version = match fields.optional_text(field)?.unwrap_or("gemm").to_lowercase().as_str() {
            "gemm" => Version::Gemm,
            "gemv" => Version::Gemv,
            "gemv_fast" => Version::GemvFast,
            _ => return Err(fields.error(field, "gemm, gemv and gemv_fast can be read")),
        };
        Ok(Self { version, group: group_size(fields) })
    }
}

pub(super) fn join(settings: &Settings, parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    let element = if matches!(settings.version, Version::GemvFast) { "I16" } else { "I32" };
    let mut joined = Vec::new();
    for module in modules(parts, element) {
        let Some(stored) = Stored::take(&module, parts)? else { continue };
        joined.push(match settings.version {
            Version::Gemm => gemm(module, stored, settings, parts)?,
            Version::Gemv => gemv(module, stored, settings, parts)?,
            Version::GemvFast => gemv_fast(&module, stored, settings, parts)?,
        });
    }
    Ok(joined)
}

fn gemm(
    module: String,
    stored: Stored,
    settings: &Settings,
    parts: &Parts,
) -> Result<(Part, Joined), FormatError> {
    let &[inputs, words] = parts.sizes(&stored.words)?;
    let (lie, zeros) = (Codes::WordsOfOutputs(words), Zeros::WordsOfEight(words));
    let outputs = words.saturating_mul(8);
    let packed = Packed { module, outputs, inputs, codes: GroupCodes::Int4, lie, zeros };
    let groups = packed.groups(settings.group, &stored, parts)?;
    parts.check(&stored.zeros, &["I32"], &[&[groups.count, words]])?;
    packed.matrix(groups, stored, None, parts)
}

fn gemv(
    module: String,
    stored: Stored,
    settings: &Settings,
    parts: &Parts,
) -> Result<(Part, Joined), FormatError> {
    let (&[outputs, words], &[_, groups]) = (parts.sizes(&stored.words)?, parts.sizes(&stored.scales)?);
    let inputs = words.saturating_mul(8);
    // With scales for groups that there are not, so that they come in eights or more.
    parts.check(&stored.scales, &["F16", "BF16"], &[&[outputs, groups]])?;
    parts.check(&stored.zeros, &["I32"], &[&[outputs, groups / 8]])?;
    let of_scale = of_scale(settings, [inputs, groups], &stored.scales, parts)?;
    let scales = Scales { group: of_scale, groups, outputs: None };
    let factors = Factors::Zeros { scales, zeros: Zeros::WordsOfOwnGroups(groups / 8) };
    let of_groups = with_zeros(&stored.scales, parts)?;
    let format = GroupFormat::new(GroupCodes::Int4, group(inputs, of_scale), of_groups);
    let blocks = Blocks::Groups(format, factors);
    let joined = Joined::new(blocks, inputs, Codes::Rows, stored.into_parts());
    Ok(matrix(&module, vec![outputs, inputs], joined))
}

fn gemv_fast(
    module: &str,
    stored: Stored,
    settings: &Settings,
    parts: &Parts,
) -> Result<(Part, Joined), FormatError> {
    let (&[fours, inputs], &[groups, outputs]) = (parts.sizes(&stored.words)?, parts.sizes(&stored.scales)?);
    parts.check(&stored.words, &["I16"], &[&[outputs / 4, inputs]])?;
    if fours.saturating_mul(4) != outputs || !inputs.is_multiple_of(64) {
        let reason = format!("{outputs} outputs of {inputs} inputs are no fours of rows of multiples of 64");
        return Err(parts.error(&stored.words, reason));
    }
    parts.check(&stored.scales, &["F16"], &[&[groups, outputs]])?;
    parts.check(&stored.zeros, &["F16"], &[&[groups, outputs]])?;
    let of_scale = of_scale(settings, [inputs, groups], &stored.scales, parts)?;
    let factors = Factors::BiasesOfGroups(Scales { group: of_scale, groups, outputs: Some(outputs) });
    let size = group(inputs, of_scale);
    let blocks = Blocks::Groups(GroupFormat::new(GroupCodes::Int4, size, GroupFactors::F16Bias), factors);
    let joined = Joined::new(blocks, inputs, Codes::FourRows, stored.into_parts());
    Ok(matrix(module, vec![outputs, inputs], joined))
}

/// Inputs of a scale, of which there may be more than groups.
fn of_scale(
    settings: &Settings,
    [inputs, scales]: [usize; 2],
    part: &Part,
    parts: &Parts,
) -> Result<usize, FormatError> {
    let size = settings.group.unwrap_or(inputs).max(1);
    match inputs.div_ceil(size) <= scales {
        true => Ok(size),
        false => {
            let reason = format!("it has {scales} scales for rows of {inputs} in groups of {size}");
            Err(parts.error(part, reason))
        }
    }
}
