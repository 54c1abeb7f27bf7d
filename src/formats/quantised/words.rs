//! What GPTQ's and AWQ's matrices share: codes, zeros and scales in tensors of these names.

use super::joined::{Blocks, Codes, Factors, Joined, Scales, Zeros};
use super::matrices::{group, groups_of, matrix, with_zeros};
use super::order::order;
use super::parts::{Part, Parts};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::group_format::{GroupCodes, GroupFormat};

/// The modules with codes in words of this type.
pub(super) fn modules(parts: &Parts, element: &str) -> Vec<String> {
    parts.modules(".qweight", element)
}

/// Inputs that share a scale, where it is said; −1 is said for all.
pub(super) fn group_size(fields: &Fields) -> Option<usize> {
    let said = ["group_size", "q_group_size"].iter().find_map(|name| fields.get(name)?.as_u64())?;
    usize::try_from(said).ok()
}

/// What is stored of a matrix.
pub(super) struct Stored {
    pub words: Part,
    pub scales: Part,
    pub zeros: Part,
}

impl Stored {
    /// Takes that of a module.
    pub(super) fn take(module: &str, parts: &mut Parts) -> Result<Option<Self>, FormatError> {
        let Some(words) = parts.take(&format!("{module}.qweight")) else { return Ok(None) };
        let scales = parts.need(&format!("{module}.scales"), &words)?;
        let zeros = parts.need(&format!("{module}.qzeros"), &words)?;
        Ok(Some(Self { words, scales, zeros }))
    }

    pub(super) fn into_parts(self) -> Vec<Part> {
        vec![self.words, self.scales, self.zeros]
    }
}

/// A matrix whose columns are packed, with a row of scales for each group.
pub(super) struct Packed {
    pub module: String,
    pub outputs: usize,
    pub inputs: usize,
    pub codes: GroupCodes,
    /// How the codes lie.
    pub lie: Codes,
    /// How those do that stand for 0.
    pub zeros: Zeros,
}

/// The groups of a row.
#[derive(Clone, Copy)]
pub(super) struct Groups {
    /// How many there are.
    pub count: usize,
    /// Inputs of each, but for the last.
    pub size: usize,
}

impl Packed {
    /// Its groups, by its scales.
    pub(super) fn groups(
        &self,
        said: Option<usize>,
        stored: &Stored,
        parts: &Parts,
    ) -> Result<Groups, FormatError> {
        let &[count, _] = parts.sizes(&stored.scales)?;
        parts.check(&stored.scales, &["F16", "BF16"], &[&[count, self.outputs]])?;
        let size = groups_of(said, [self.inputs, count], &stored.scales, parts)?;
        Ok(Groups { count, size })
    }

    /// The matrix; a tensor may say the group of each of its inputs.
    pub(super) fn matrix(
        self,
        groups: Groups,
        stored: Stored,
        of_inputs: Option<&Part>,
        parts: &Parts,
    ) -> Result<(Part, Joined), FormatError> {
        let Self { outputs, inputs, codes, .. } = self;
        let order = match of_inputs {
            Some(of_inputs) => order(of_inputs, [inputs, groups.size], parts)?,
            None => None,
        };
        let size = group(inputs, groups.size);
        let format = GroupFormat::new(codes, size, with_zeros(&stored.scales, parts)?);
        let scales = Scales { group: groups.size, groups: groups.count, outputs: Some(outputs) };
        let blocks = Blocks::Groups(format, Factors::Zeros { scales, zeros: self.zeros });
        let joined = Joined { order, ..Joined::new(blocks, inputs, self.lie, stored.into_parts()) };
        Ok(matrix(&self.module, vec![outputs, inputs], joined))
    }
}
