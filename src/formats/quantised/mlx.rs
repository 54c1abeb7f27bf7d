//! MLX's quantised matrices: `NAME.weight` has codes in words, `NAME.scales` a number for each group. Whole numbers (the mode
//! `affine`) have steps, and `NAME.biases` what is added; codes of three, five and six bits run over the words' ends. Floats have
//! powers of two (`mxfp4`, `mxfp8`) or floats of eight bits (`nvfp4`). mlx-lm stacks the experts of a layer: here they are
//! apart again, by the names of the files that it converts.

use super::joined::{Blocks, Codes, Factors, Joined, Turn};
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
    /// What the tensors with what is added are called.
    biases: &'static str,
}

/// How a matrix is quantised.
#[derive(Clone, Copy)]
enum Kind {
    /// Whole numbers.
    Affine(GroupCodes, GroupSize),
    /// Floats of four bits, with a power of two for each 32.
    Mxfp4,
    /// Floats of eight bits, with a power of two for each 32.
    Mxfp8,
    /// Floats of four bits, with one of eight for each 16.
    Nvfp4,
}

impl Kind {
    fn of(fields: &Fields) -> Result<Self, FormatError> {
        let kind = match fields.optional_text("mode")? {
            None | Some("affine") => return Self::affine(fields),
            Some("mxfp4") => Self::Mxfp4,
            Some("mxfp8") => Self::Mxfp8,
            Some("nvfp4") => Self::Nvfp4,
            Some(_) => return Err(fields.error("mode", "affine, mxfp4, mxfp8 and nvfp4 can be read")),
        };
        for (field, only) in [("bits", kind.bits()), ("group_size", kind.group())] {
            if fields.optional_size(field)?.is_some_and(|size| size != only) {
                return Err(fields.error(field, format!("this mode has {only}")));
            }
        }
        Ok(kind)
    }

    fn affine(fields: &Fields) -> Result<Self, FormatError> {
        let bits = fields.size("bits")?;
        let codes = GroupCodes::whole(bits as u64)
            .ok_or_else(|| fields.error("bits", "matrices of 2, 3, 4, 5, 6 and 8 bits can be read"))?;
        let size = GroupSize::of(fields.size("group_size")?)
            .ok_or_else(|| fields.error("group_size", "groups of 32, 64 and 128 can be read"))?;
        Ok(Self::Affine(codes, size))
    }

    fn bits(self) -> usize {
        match self {
            Self::Affine(codes, _) => codes.bits(),
            Self::Mxfp4 | Self::Nvfp4 => 4,
            Self::Mxfp8 => 8,
        }
    }

    fn group(self) -> usize {
        match self {
            Self::Affine(_, size) => size.elements(),
            Self::Mxfp4 | Self::Mxfp8 => 32,
            Self::Nvfp4 => 16,
        }
    }

    /// What its rows are read as, by how its scales are stored.
    fn blocks(self, scales: &Part, parts: &Parts) -> Result<Blocks, FormatError> {
        if let Self::Affine(codes, size) = self {
            let factors = biased(scales, parts)?;
            return Ok(Blocks::Groups(GroupFormat::new(codes, size, factors), Factors::Biases));
        }
        parts.check(scales, &["U8"], &[&scales.stored.shape])?;
        Ok(match self {
            Self::Mxfp4 => Blocks::Mxfp4,
            Self::Nvfp4 => Blocks::Nvfp4(None),
            _ => {
                let format = GroupFormat::new(GroupCodes::E4m3, GroupSize::G32, GroupFactors::F32);
                Blocks::Groups(format, Factors::Powers)
            }
        })
    }
}

impl<'a> Settings<'a> {
    pub(super) fn of(fields: Fields<'a>) -> Result<Self, FormatError> {
        let usual = Kind::of(&fields)?;
        Ok(Self { fields, usual, biases: "biases" })
    }

    /// Those of transformers' method `metal`, which has MLX's whole numbers.
    pub(super) fn metal(fields: Fields<'a>) -> Result<Self, FormatError> {
        let usual = Kind::affine(&fields)?;
        Ok(Self { fields, usual, biases: "qbiases" })
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
        let kind = settings.kind(&module)?;
        let blocks = kind.blocks(&scales, parts)?;
        let shape = shape(&weight, &scales, kind, parts)?;
        let columns = shape.last().copied().unwrap_or(0);
        let mut stored = vec![weight, scales];
        if matches!(kind, Kind::Affine(..)) {
            let (weight, scales) = (&stored[0], &stored[1]);
            let biases = parts.need(&format!("{module}.{}", settings.biases), weight)?;
            parts.check(&biases, &[&scales.stored.element.name()], &[&scales.stored.shape])?;
            stored.push(biases);
        }
        let whole = Joined::new(blocks, columns, Codes::Rows, stored);
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

/// The factors of whole numbers, by how their steps are stored.
fn biased(scales: &Part, parts: &Parts) -> Result<GroupFactors, FormatError> {
    match scales.float() {
        Some(Float::F16) => Ok(GroupFactors::F16Bias),
        Some(Float::Bf16) => Ok(GroupFactors::Bf16Bias),
        _ => {
            let element = scales.stored.element.name();
            let reason = format!("its elements are stored as {element}; scales of F16 and BF16 can be read");
            Err(parts.error(scales, reason))
        }
    }
}

/// The matrix' shape, by that of its scales, to which that of its words has to fit.
fn shape(weight: &Part, scales: &Part, kind: Kind, parts: &Parts) -> Result<Vec<usize>, FormatError> {
    let mut shape = scales.stored.shape.clone();
    let mut words = shape.clone();
    if let (Some(columns), Some(words)) = (shape.last_mut(), words.last_mut()) {
        *columns = columns.saturating_mul(kind.group());
        *words = columns.saturating_mul(kind.bits()) / 32;
    }
    parts.check(weight, &["U32"], &[&words])?;
    Ok(shape)
}
