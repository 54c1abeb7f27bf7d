//! Which variants of the kernels to use on an adapter, and with which workgroup sizes.

use super::device::{AdapterClass, Device};
use super::program::FEW_ROWS;

/// Lanes of a workgroup of [`LinearVariant::Shuffle`], which is to be one subgroup.
pub(super) const SHUFFLE_LANES: u32 = 8;

/// The variants chosen for an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelChoice {
    /// The linear map of passes with one row.
    pub one_row: LinearVariant,
    /// The linear map of passes with two to eight rows.
    pub few_rows: LinearVariant,
    /// The linear map of passes with more rows.
    pub many_rows: LinearVariant,
    /// Attention.
    pub attention: AttentionChoice,
    /// Lanes of kernels that reduce: norms, [`LinearVariant::Groups`].
    pub reduce_lanes: u32,
    /// Lanes of kernels without a barrier.
    pub plain_lanes: u32,
}

/// How attention is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionChoice {
    /// Lanes of a workgroup that takes one row; more where a head needs more.
    pub lanes: u32,
    /// Fewest positions of a row for which its keys are split among workgroups; a split has at least half as many.
    pub least_split: usize,
    /// The kernel for many rows that see one another.
    pub prompts: PromptAttention,
}

/// Kernels for the attention of many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptAttention {
    /// Row by row, as in decoding.
    Rows,
    /// Tiles of rows that share tiles of keys and values in workgroup memory.
    Tiles,
}

impl AttentionChoice {
    /// For hardware with many lanes and cheap barriers.
    pub const GPU: Self = Self { lanes: 64, least_split: 256, prompts: PromptAttention::Tiles };

    /// For software drivers.
    pub const CPU: Self = Self { lanes: 8, least_split: 1024, prompts: PromptAttention::Rows };
}

/// Kernels for a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearVariant {
    /// One lane an output, no barrier.
    Lanes,
    /// One workgroup for four outputs.
    Groups,
    /// Tiles of four outputs by four rows in registers.
    Tiles,
    /// One lane for some rows of the weight, in subgroups of eight that hand the input around.
    Shuffle,
    /// The same for eight input rows at a time.
    ShuffleTiles,
}

impl LinearVariant {
    /// The most rows of a weight for which the kernel normalises its input itself; 0 where it cannot.
    ///
    /// Every group repeats the norm's work: over an LM head's rows that takes longer than one more dispatch.
    pub(super) fn most_normed_rows(self) -> usize {
        match self {
            Self::Groups => usize::MAX,
            Self::Shuffle => 1 << 14,
            Self::Lanes | Self::Tiles | Self::ShuffleTiles => 0,
        }
    }
}

impl KernelChoice {
    /// For hardware with many lanes and cheap barriers.
    pub const GPU: Self = Self {
        one_row: LinearVariant::Groups,
        few_rows: LinearVariant::Tiles,
        many_rows: LinearVariant::Tiles,
        attention: AttentionChoice::GPU,
        reduce_lanes: 64,
        plain_lanes: 64,
    };

    /// For software drivers, where barriers cost more the larger the workgroup is.
    pub const CPU: Self = Self {
        one_row: LinearVariant::Lanes,
        few_rows: LinearVariant::Tiles,
        many_rows: LinearVariant::Tiles,
        attention: AttentionChoice::CPU,
        reduce_lanes: 8,
        plain_lanes: 16,
    };

    /// For software drivers with subgroups of eight lanes and 64-bit words (llvmpipe on a processor with AVX2).
    pub const CPU_SHUFFLE: Self = Self {
        one_row: LinearVariant::Shuffle,
        few_rows: LinearVariant::ShuffleTiles,
        many_rows: LinearVariant::ShuffleTiles,
        ..Self::CPU
    };

    /// The choices worth trying on a device, the likeliest first: more than one where only a trial tells which is
    /// the fastest.
    pub fn candidates(device: &Device) -> Vec<Self> {
        match device.class {
            AdapterClass::Gpu => {
                [64, 32, 128].map(|lanes| Self { reduce_lanes: lanes, ..Self::GPU }).to_vec()
            }
            AdapterClass::Cpu if device.can_shuffle(SHUFFLE_LANES) => vec![Self::CPU_SHUFFLE],
            AdapterClass::Cpu => vec![Self::CPU],
        }
    }

    /// The choice in words, for `adapters -v` and the window.
    pub fn describe(&self) -> Vec<String> {
        let rows = |variant: LinearVariant| match variant {
            LinearVariant::Lanes => "one lane an output",
            LinearVariant::Groups => "one workgroup for four outputs",
            LinearVariant::Tiles => "tiles of four by four",
            LinearVariant::Shuffle => "eight lanes that share the input",
            LinearVariant::ShuffleTiles => "eight lanes that share eight rows",
        };
        vec![
            format!("linear map, one row: {}", rows(self.one_row)),
            format!("linear map, up to {FEW_ROWS} rows: {}", rows(self.few_rows)),
            format!("linear map, more rows: {}", rows(self.many_rows)),
            format!("norms: {} lanes a workgroup", self.reduce_lanes),
            format!("attention of few rows: {} lanes a workgroup", self.attention.lanes),
            format!(
                "attention of a prompt: {}",
                match self.attention.prompts {
                    PromptAttention::Rows => "row by row",
                    PromptAttention::Tiles => "tiles of 32 rows",
                }
            ),
        ]
    }
}
