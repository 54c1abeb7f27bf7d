//! How attention is computed on an adapter.

use super::attention_units::AttentionUnits;

/// Most blocks of eight elements that a lane of `shaders/attention_step.wgsl` loads together.
pub(crate) const MOST_AT_ONCE: u32 = 4;

/// How attention is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionChoice {
    /// Lanes of a workgroup that takes one row; more where a head needs more.
    pub lanes: u32,
    /// Blocks of a key, and positions' values, that a lane loads together: a power of two, at most 4.
    pub at_once: u32,
    /// Bytes of workgroup memory that it takes at most.
    pub workgroup_bytes: u32,
    /// Fewest positions of a row for which its keys are split among workgroups.
    pub least_split: usize,
    /// Splits have a multiple of so many positions: on GPUs one for each lane.
    pub split_step: usize,
    /// The kernel for many rows that see one another.
    pub prefill: PrefillAttention,
}

/// Kernels for the attention of many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefillAttention {
    /// Row by row, as in decoding.
    Rows,
    /// Tiles of rows that share tiles of keys and values in workgroup memory.
    Tiles,
    /// The same by matrix units; without them where heads or the cache do not suit those.
    MatrixUnits(AttentionUnits),
    /// Eight rows in a subgroup of eight lanes, which hands the queries around.
    ShuffleTiles,
}

impl AttentionChoice {
    /// For hardware with many lanes and cheap barriers.
    ///
    /// With 11 KiB, five workgroups fit the 64 KiB that compute units have at the least. With more than that, AMD's compiler
    /// takes twice the registers where it has them (docs/gpu.md).
    pub const GPU: Self = Self {
        lanes: 128,
        at_once: MOST_AT_ONCE,
        workgroup_bytes: 11 << 10,
        least_split: 256,
        split_step: 128,
        prefill: PrefillAttention::Tiles,
    };

    /// For software drivers.
    pub const CPU: Self = Self {
        lanes: 8,
        at_once: 1,
        workgroup_bytes: 16 << 10,
        least_split: 1024,
        split_step: 512,
        prefill: PrefillAttention::Rows,
    };
}

impl PrefillAttention {
    /// A name that stays the same from version to version: what is remembered goes by it.
    pub(crate) fn id(self) -> String {
        match self {
            Self::Rows => "attention-rows".to_owned(),
            Self::Tiles => "attention-tiles".to_owned(),
            Self::MatrixUnits(units) => units.id(),
            Self::ShuffleTiles => "attention-shuffle-tiles".to_owned(),
        }
    }

    /// What it is, for a person.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Rows => "row by row".to_owned(),
            Self::Tiles => "tiles of 32 rows".to_owned(),
            Self::MatrixUnits(units) => units.describe(),
            Self::ShuffleTiles => "eight lanes that share eight rows".to_owned(),
        }
    }
}
