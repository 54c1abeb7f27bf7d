//! Matrices whose columns are packed into words. GPTQ: `NAME.qweight` has words of neighbouring inputs, `NAME.qzeros` the codes
//! that stand for 0 less one, `NAME.scales` a step for each group, `NAME.g_idx` each input's group. AWQ: words of eight
//! outputs, in an order of their own.

use super::joined::{Blocks, Codes, Factors, Joined, Scales, Turn, Zeros};
use super::matrices::{JoinedMatrices, check_group, group, matrix, whole, with_zeros};
use super::parts::{Part, Parts};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::group_format::{GroupCodes, GroupFormat};

/// What `config.json` says of all matrices.
pub(super) struct Settings {
    codes: GroupCodes,
    /// What is added to stored zeros.
    added: u32,
    /// Inputs that share a scale, where `config.json` says so.
    group: Option<usize>,
}

impl Settings {
    pub(super) fn of(fields: &Fields) -> Result<Self, FormatError> {
        let is_awq = fields.optional_text("quant_method")? == Some("awq");
        let known: &[u64] = if is_awq { &[4] } else { &[2, 4, 8] };
        let field = if is_awq && fields.get("bits").is_none() { "w_bit" } else { "bits" };
        let codes = whole(fields.size(field)? as u64, known).ok_or_else(|| {
            let known: Vec<String> = known.iter().map(u64::to_string).collect();
            fields.error(field, format!("matrices of {} bits can be read", known.join(", ")))
        })?;
        if !is_awq && fields.optional_flag("desc_act")? != Some(false) {
            let reason = "it has to be false: columns in an order of their own cannot be read";
            return Err(fields.error("desc_act", reason));
        }
        if let Some(version) = fields.optional_text("version")?
            && is_awq
            && !version.eq_ignore_ascii_case("gemm")
        {
            return Err(fields.error("version", "only gemm can be read"));
        }
        let added = if fields.optional_text("checkpoint_format")? == Some("gptq_v2") { 0 } else { 1 };
        let group = ["group_size", "q_group_size"].iter().find_map(|name| fields.get(name)?.as_u64());
        Ok(Self { codes, added, group: group.map(|size| size as usize) })
    }
}

pub(super) fn join_gptq(settings: &Settings, parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    join(parts, |(module, words, scales, zeros), parts| {
        let (bits, &[rows_of_words, outputs]) = (settings.codes.bits(), parts.sizes(&words)?);
        let inputs = rows_of_words.saturating_mul(32) / bits;
        let of_zeros = Zeros::WordsOfGroups { words: outputs * bits / 32, added: settings.added };
        let packed =
            Packed { module, outputs, inputs, codes: Codes::WordsOfInputs(outputs), zeros: of_zeros };
        packed.matrix(settings, [words, scales, zeros], parts)
    })
}

pub(super) fn join_awq(settings: &Settings, parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    join(parts, |(module, words, scales, zeros), parts| {
        let &[inputs, of_input] = parts.sizes(&words)?;
        let (codes, zeros_lie) = (Codes::WordsOfOutputs(of_input), Zeros::WordsOfEight(of_input));
        let outputs = of_input.saturating_mul(8);
        let packed = Packed { module, outputs, inputs, codes, zeros: zeros_lie };
        packed.matrix(settings, [words, scales, zeros], parts)
    })
}

/// A module with its words, its scales and its zeros.
type Module<'a> = (&'a str, Part, Part, Part);

fn join(
    parts: &mut Parts,
    make: impl Fn(Module, &Parts) -> Result<(Part, Joined), FormatError>,
) -> Result<JoinedMatrices, FormatError> {
    let mut joined = Vec::new();
    for module in parts.modules(".qweight", "I32") {
        let Some(words) = parts.take(&format!("{module}.qweight")) else { continue };
        let scales = parts.need(&format!("{module}.scales"), &words)?;
        let zeros = parts.need(&format!("{module}.qzeros"), &words)?;
        // Without an order of its own, which is refused, it only counts up.
        parts.take(&format!("{module}.g_idx"));
        joined.push(make((&module, words, scales, zeros), parts)?);
    }
    Ok(joined)
}

/// A matrix whose columns are packed.
struct Packed<'a> {
    module: &'a str,
    outputs: usize,
    inputs: usize,
    codes: Codes,
    zeros: Zeros,
}

impl Packed<'_> {
    fn matrix(
        self,
        &Settings { codes, group: size, .. }: &Settings,
        stored: [Part; 3],
        parts: &Parts,
    ) -> Result<(Part, Joined), FormatError> {
        let Self { outputs, inputs, .. } = self;
        let [words, scales, zeros] = &stored;
        let &[groups, _] = parts.sizes(scales)?;
        parts.check(scales, &["F16", "BF16"], &[&[groups, outputs]])?;
        if !(outputs * codes.bits()).is_multiple_of(32) {
            return Err(parts.error(zeros, format!("{outputs} outputs do not fill words of 32 bits")));
        }
        parts.check(zeros, &["I32"], &[&[groups, outputs * codes.bits() / 32]])?;
        let of_scale = inputs / groups.max(1);
        if groups == 0 || of_scale * groups != inputs {
            let reason = format!("{groups} groups of {inputs} inputs do not come out even");
            return Err(parts.error(scales, reason));
        }
        check_group(size, of_scale, scales, parts)?;
        let size = group(words, inputs, of_scale, parts)?;
        let format = GroupFormat::new(codes, size, with_zeros(scales, parts)?);
        let of_scales = Scales { group: of_scale, groups, outputs: Some(outputs) };
        let factors = Factors::Zeros { scales: of_scales, zeros: self.zeros };
        let blocks = Blocks::Groups(format, factors);
        let parts = stored.to_vec();
        let joined = Joined { blocks, columns: inputs, codes: self.codes, parts, turn: Turn::ALONE };
        Ok(matrix(self.module, vec![outputs, inputs], joined))
    }
}
