//! The kernels for a linear map: what each is, and which matrices it takes.

use super::matrix_tile::Matrices;
use crate::model::WeightFormat;

/// Kernels for a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearVariant {
    /// One lane an output, no barrier.
    GemvPerLane,
    /// One workgroup for some rows of the weight, whose lanes read neighbouring addresses; for eight rows of the
    /// batch at once where there are as many.
    GemvPerWorkgroup {
        /// Blocks of four rows of the weight: 1 or 2. A gate always takes 2, its own and its up's.
        blocks: u32,
    },
    /// Tiles of four outputs by four rows in registers.
    GemmRegisters,
    /// One lane for some rows of the weight, in subgroups of eight that hand the input around.
    GemvSubgroup,
    /// The same for eight input rows at a time.
    GemmSubgroup,
    /// Tiles of 64 by 64 in workgroup memory, of eight by eight in registers.
    GemmSharedMemory,
    /// Tiles in workgroup memory, multiplied square by square.
    GemmCooperative {
        /// What multiplies, and in which tiles.
        matrices: Matrices,
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
            Self::GemvPerWorkgroup { .. } => usize::MAX,
            Self::GemvSubgroup => 1 << 14,
            Self::GemvPerLane
            | Self::GemmRegisters
            | Self::GemmSubgroup
            | Self::GemmSharedMemory
            | Self::GemmCooperative { .. } => 0,
        }
    }

    /// Whether a matrix of this format may be computed so.
    pub fn suits(self, format: WeightFormat) -> bool {
        match self {
            Self::GemmCooperative { matrices, .. } => matrices.units.suit(format),
            _ => true,
        }
    }

    /// The kernel for a matrix of this format: this one, if it suits.
    pub(crate) fn suited(self, format: WeightFormat) -> Self {
        if self.suits(format) { self } else { Self::GemmSharedMemory }
    }

    /// Whether it rounds inputs and weights to f16.
    pub(crate) fn rounds(self) -> bool {
        matches!(self, Self::GemmCooperative { matrices, .. } if matrices.units.rounds())
    }

    /// A name that stays the same from version to version: what is remembered goes by it.
    pub fn id(self) -> String {
        match self {
            Self::GemvPerLane => "gemv-per-lane".to_owned(),
            Self::GemvPerWorkgroup { blocks } => format!("gemv-per-workgroup-{}", 4 * blocks),
            Self::GemmRegisters => "gemm-registers".to_owned(),
            Self::GemvSubgroup => "gemv-subgroup-8".to_owned(),
            Self::GemmSubgroup => "gemm-subgroup-8".to_owned(),
            Self::GemmSharedMemory => "gemm-shared-memory-64-32".to_owned(),
            Self::GemmCooperative { matrices, lanes } => {
                format!("gemm-cooperative-{}-{lanes}", matrices.id())
            }
        }
    }

    /// What it is, for a person.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::GemvPerLane => "one lane an output".to_owned(),
            Self::GemvPerWorkgroup { blocks } => {
                format!("one workgroup for {} rows of the weight", 4 * blocks)
            }
            Self::GemmRegisters => "tiles of four by four".to_owned(),
            Self::GemvSubgroup => "eight lanes that share the input".to_owned(),
            Self::GemmSubgroup => "eight lanes that share eight rows".to_owned(),
            Self::GemmSharedMemory => "tiles of 64 by 64 in workgroup memory".to_owned(),
            Self::GemmCooperative { matrices, .. } => matrices.describe(),
        }
    }
}
