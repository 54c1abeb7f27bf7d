//! GPTQ's matrices: `NAME.qweight` has words of neighbouring inputs, `NAME.qzeros` the codes that stand for 0, less one in the first
//! version of the form, `NAME.scales` a step for each group, and `NAME.g_idx` each input's group.

use super::joined::{Codes, Zeros};
use super::matrices::{JoinedMatrices, whole};
use super::parts::{Part, Parts};
use super::words::{Packed, Stored, group_size, modules};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::group_format::GroupCodes;

/// The bits of codes that can be read.
const BITS: [u64; 4] = [2, 3, 4, 8];

/// The versions of the form that can be read, with what is added to stored zeros.
const VERSIONS: [(&str, u32); 2] = [("gptq", 1), ("gptq_v2", 0)];

/// What `config.json` says of all matrices.
pub(super) struct Settings {
    codes: GroupCodes,
    /// Whether rules (`dynamic`) give modules other precisions.
    has_rules: bool,
    /// What is added to stored zeros.
    added: u32,
    /// Inputs that share a scale, where it says so.
    group: Option<usize>,
    /// Whether the inputs of a group may be no neighbours.
    has_order: bool,
}

impl Settings {
    pub(super) fn of(fields: &Fields) -> Result<Self, FormatError> {
        let reason = "matrices of 2, 3, 4 and 8 bits can be read";
        let codes = whole(fields.size("bits")? as u64, &BITS).ok_or_else(|| fields.error("bits", reason))?;
        if fields.optional_flag("is_marlin_format")? == Some(true) {
            return Err(fields.error("is_marlin_format", "Marlin's own order of codes cannot be read"));
        }
        if !matches!(fields.optional_text("pack_dtype")?, None | Some("int32")) {
            return Err(fields.error("pack_dtype", "codes in words of int32 can be read"));
        }
        let field = if fields.names("checkpoint_format") { "checkpoint_format" } else { "format" };
        let version = fields.optional_text(field)?.unwrap_or("gptq").to_lowercase();
        let known = VERSIONS.into_iter().find(|(name, _)| *name == version);
        let (_, added) = known.ok_or_else(|| fields.error(field, "gptq and gptq_v2 can be read"))?;
        Ok(Self {
            codes,
            has_rules: fields.get("dynamic").is_some(),
            added,
            group: group_size(fields),
            has_order: fields.optional_flag("desc_act")? == Some(true),
        })
    }

    /// The precision of a matrix of so many outputs: that of its zeros where rules may have given it its own.
    fn codes(&self, zeros: &Part, outputs: usize, parts: &Parts) -> Result<GroupCodes, FormatError> {
        if !self.has_rules {
            return Ok(self.codes);
        }
        let &[_, words] = parts.sizes(zeros)?;
        let bits = words.saturating_mul(32) / outputs.max(1);
        whole(bits as u64, &BITS).ok_or_else(|| {
            let reason =
                format!("it has {words} words for {outputs} outputs; 2, 3, 4 and 8 bits can be read");
            parts.error(zeros, reason)
        })
    }
}

pub(super) fn join(settings: &Settings, parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    let mut joined = Vec::new();
    for module in modules(parts, "I32") {
        let Some(stored) = Stored::take(&module, parts)? else { continue };
        let order = parts.take(&format!("{module}.g_idx"));
        let &[rows_of_words, outputs] = parts.sizes(&stored.words)?;
        let codes = settings.codes(&stored.zeros, outputs, parts)?;
        let inputs = rows_of_words.saturating_mul(32) / codes.bits();
        let words = outputs.saturating_mul(codes.bits()) / 32;
        if !outputs.saturating_mul(codes.bits()).is_multiple_of(32) {
            let reason = format!("{outputs} outputs do not fill words of 32 bits");
            return Err(parts.error(&stored.zeros, reason));
        }
        let zeros = Zeros::WordsOfGroups { words, added: settings.added };
        let packed = Packed { module, outputs, inputs, codes, lie: Codes::WordsOfInputs(outputs), zeros };
        let groups = packed.groups(settings.group, &stored, parts)?;
        parts.check(&stored.zeros, &["I32"], &[&[groups.count, words]])?;
        if settings.has_order && order.is_none() && groups.count > 1 {
            let reason = format!("{}.g_idx, which says the group of each input, is missing", packed.module);
            return Err(parts.error(&stored.words, reason));
        }
        joined.push(packed.matrix(groups, stored, order.as_ref(), parts)?);
    }
    Ok(joined)
}
