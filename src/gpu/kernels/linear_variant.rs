//! The kernels for a linear map: what each is, and which matrices it takes.

use super::matrix_units::MatrixUnits;
use crate::model::WeightFormat;

/// Kernels for a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearVariant {
    /// One lane an output, no barrier.
    Lanes,
    /// One workgroup for some rows of the weight, whose lanes read neighbouring addresses; for eight rows of the
    /// batch at once where there are as many.
    Groups {
        /// Blocks of four rows of the weight: 1 or 2. A gate always takes 2, its own and its up's.
        blocks: u32,
    },
    /// Tiles of four outputs by four rows in registers.
    Tiles,
    /// One lane for some rows of the weight, in subgroups of eight that hand the input around.
    Shuffle,
    /// The same for eight input rows at a time.
    ShuffleTiles,
    /// Tiles of 64 by 64 in workgroup memory, of eight by eight in registers.
    Shared,
    /// Tiles in workgroup memory, multiplied square by square.
    Matrices {
        /// What multiplies.
        units: MatrixUnits,
        /// Lanes of a workgroup.
        lanes: u32,
    },
}

impl LinearVariant {
    /// The most rows of a weight for which the kernel normalises its input itself; 0 where it cannot.
    ///
    /// Every group repeats the norm's work: over an LM head's rows that takes longer than one more dispatch.
    pub(crate) fn most_normed_rows(self) -> usize {
        match self {
            // What limits it is memory: the norm's work hides behind the weights.
            Self::Groups { .. } => usize::MAX,
            Self::Shuffle => 1 << 14,
            Self::Lanes | Self::Tiles | Self::ShuffleTiles | Self::Shared | Self::Matrices { .. } => 0,
        }
    }

    /// Whether a matrix of this format may be computed so.
    pub fn suits(self, format: WeightFormat) -> bool {
        match self {
            Self::Matrices { units, .. } => units.suit(format),
            _ => true,
        }
    }

    /// The kernel for a matrix of this format: this one, if it suits.
    pub(crate) fn suited(self, format: WeightFormat) -> Self {
        if self.suits(format) { self } else { Self::Shared }
    }

    /// Whether it rounds inputs and weights to f16.
    pub(crate) fn rounds(self) -> bool {
        matches!(self, Self::Matrices { units, .. } if units.rounds())
    }

    pub(crate) fn describe(self) -> String {
        match self {
            Self::Lanes => "one lane an output".to_owned(),
            Self::Groups { blocks } => format!("one workgroup for {} rows of the weight", 4 * blocks),
            Self::Tiles => "tiles of four by four".to_owned(),
            Self::Shuffle => "eight lanes that share the input".to_owned(),
            Self::ShuffleTiles => "eight lanes that share eight rows".to_owned(),
            Self::Shared => "tiles of 64 by 64 in workgroup memory".to_owned(),
            Self::Matrices { units, .. } => units.describe(),
        }
    }
}
