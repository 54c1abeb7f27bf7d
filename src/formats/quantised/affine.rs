//! MLX's quantised matrices: `NAME.weight` has codes in words, `NAME.scales` and `NAME.biases` a step and a bias for each
//! group. Codes of three, five and six bits run over the words' ends. mlx-lm stacks the experts of a layer: here they are apart
//! again, by the names of the files that it converts.

use super::joined::{Codes, Factors, Joined, Turn};
use super::matrices::{JoinedMatrices, matrix};
use super::parts::{Float, Part, Parts};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::group_format::{GroupCodes, GroupFactors, GroupFormat, GroupSize};

/// Where mlx-lm's files have all experts of a layer.
const EXPERTS: &str = ".mlp.switch_mlp.";

/// What `config.json` says of all matrices, and of some.
pub(super) struct Settings<'a> {
    fields: Fields<'a>,
    usual: Kind,
}

/// How a matrix is quantised.
#[derive(Clone, Copy)]
struct Kind {
    codes: GroupCodes,
    size: GroupSize,
}

impl Kind {
    fn of(fields: &Fields) -> Result<Self, FormatError> {
        if let Some(mode) = fields.optional_text("mode")?
            && mode != "affine"
        {
            return Err(fields.error("mode", "only affine can be read"));
        }
        let bits = fields.size("bits")?;
        let codes = GroupCodes::whole(bits as u64)
            .ok_or_else(|| fields.error("bits", "matrices of 2, 3, 4, 5, 6 and 8 bits can be read"))?;
        let size = GroupSize::of(fields.size("group_size")?)
            .ok_or_else(|| fields.error("group_size", "groups of 32, 64 and 128 can be read"))?;
        Ok(Self { codes, size })
    }
}

impl<'a> Settings<'a> {
    pub(super) fn of(fields: Fields<'a>) -> Result<Self, FormatError> {
        let usual = Kind::of(&fields)?;
        Ok(Self { fields, usual })
    }

    /// How the matrix of a module is quantised, where it is.
    fn kind(&self, module: &str) -> Result<Kind, FormatError> {
        match self.fields.get(module) {
            Some(serde_json::Value::Object(_)) => {
                self.fields.optional_object(module)?.map_or(Ok(self.usual), |own| Kind::of(&own))
            }
            _ => Ok(self.usual),
        }
    }
}

pub(super) fn join(settings: &Settings, parts: &mut Parts) -> Result<JoinedMatrices, FormatError> {
    let mut joined = Vec::new();
    for module in parts.modules(".weight", "U32") {
        let Some(weight) = parts.take(&format!("{module}.weight")) else { continue };
        let scales = parts.need(&format!("{module}.scales"), &weight)?;
        let biases = parts.need(&format!("{module}.biases"), &weight)?;
        let Kind { codes, size } = settings.kind(&module)?;
        let (shape, format) = shape_and_format(&weight, &scales, (codes, size), parts)?;
        parts.check(&biases, &[&scales.stored.element.name()], &[&scales.stored.shape])?;
        let columns = shape.last().copied().unwrap_or(0);
        let (codes, factors) = (Codes::Rows, Factors::Biases);
        let parts = vec![weight, scales, biases];
        let whole = Joined { format, columns, codes, factors, parts, turn: Turn::ALONE };
        match shape.as_slice() {
            &[count, rows, _] if module.contains(EXPERTS) => {
                let experts = (0..count).map(|index| {
                    let name = module.replace(EXPERTS, &format!(".mlp.experts.{index}."));
                    let turn = Turn { index, count, rows };
                    matrix(&name, vec![rows, columns], Joined { turn, ..whole.clone() })
                });
                joined.extend(experts);
            }
            _ => joined.push(matrix(&module, shape, whole)),
        }
    }
    Ok(joined)
}

/// The matrix' shape, by that of its scales, to which that of its words has to fit.
fn shape_and_format(
    weight: &Part,
    scales: &Part,
    (codes, size): (GroupCodes, GroupSize),
    parts: &Parts,
) -> Result<(Vec<usize>, GroupFormat), FormatError> {
    let factors = match scales.float() {
        Some(Float::F16) => GroupFactors::F16Bias,
        Some(Float::Bf16) => GroupFactors::Bf16Bias,
        _ => {
            let element = scales.stored.element.name();
            let reason = format!("its elements are stored as {element}; scales of F16 and BF16 can be read");
            return Err(parts.error(scales, reason));
        }
    };
    let mut shape = scales.stored.shape.clone();
    let mut words = shape.clone();
    if let (Some(columns), Some(words)) = (shape.last_mut(), words.last_mut()) {
        *columns = columns.saturating_mul(size.elements());
        *words = columns.saturating_mul(codes.bits()) / 32;
    }
    parts.check(weight, &["U32"], &[&words])?;
    Ok((shape, GroupFormat::new(codes, size, factors)))
}
