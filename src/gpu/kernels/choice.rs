//! Which variants of the kernels to use on an adapter, and with which workgroup sizes.

use super::matrix_units::MatrixUnits;
use crate::gpu::device::{AdapterClass, Device};
use crate::gpu::program::FEW_ROWS;
use crate::model::WeightFormat;

/// Lanes of a workgroup of [`LinearVariant::Shuffle`], which is to be one subgroup.
pub(crate) const SHUFFLE_LANES: u32 = 8;
/// Largest workgroup that any choice asks for.
pub const MOST_LANES: u32 = 256;

/// Workgroup memory that every adapter has, in blocks of four numbers: WebGPU's 16 KiB.
const MEMORY_BLOCKS: u32 = 1024;

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
    /// How a workgroup adds up in norms, selection, experts' maps and [`LinearVariant::Groups`].
    pub reduction: Reduction,
    /// Lanes of kernels that reduce: norms, [`LinearVariant::Groups`]; a power of two.
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
    /// Eight rows in a subgroup of eight lanes, which hands the queries around.
    ShuffleTiles,
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

/// How the lanes of a workgroup add up what each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// As a tree in workgroup memory.
    Memory,
    /// By subgroups, then over what few of them there are.
    Subgroups {
        /// The least lanes that a subgroup has on the adapter.
        least: u32,
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

impl Reduction {
    /// Blocks of four numbers that `slots` sums by so many lanes take in workgroup memory.
    pub(crate) fn summands(self, slots: u32, lanes: u32) -> u32 {
        match self {
            Self::Memory => slots * lanes,
            Self::Subgroups { least } => slots * lanes.div_ceil(least),
        }
    }

    /// The most lanes, up to `wanted`, whose `slots` sums fit in the workgroup memory that every adapter has.
    pub(crate) fn lanes(self, slots: u32, wanted: u32) -> u32 {
        let fits = |lanes: &u32| self.summands(slots, *lanes) <= MEMORY_BLOCKS;
        std::iter::successors(Some(wanted), |lanes| Some(lanes / 2)).find(fits).unwrap_or(1)
    }
}

impl KernelChoice {
    /// For hardware with many lanes and cheap barriers.
    pub const GPU: Self = Self {
        one_row: LinearVariant::Groups { blocks: 1 },
        few_rows: LinearVariant::Groups { blocks: 1 },
        many_rows: LinearVariant::Shared,
        attention: AttentionChoice::GPU,
        reduction: Reduction::Memory,
        reduce_lanes: 64,
        plain_lanes: 64,
    };

    /// For software drivers, where barriers cost more the larger the workgroup is.
    pub const CPU: Self = Self {
        one_row: LinearVariant::Lanes,
        few_rows: LinearVariant::Tiles,
        many_rows: LinearVariant::Tiles,
        attention: AttentionChoice::CPU,
        reduction: Reduction::Memory,
        reduce_lanes: 8,
        plain_lanes: 16,
    };

    /// For software drivers with subgroups of eight lanes and 64-bit words (llvmpipe on a processor with AVX2).
    pub const CPU_SHUFFLE: Self = Self {
        one_row: LinearVariant::Shuffle,
        few_rows: LinearVariant::ShuffleTiles,
        many_rows: LinearVariant::ShuffleTiles,
        attention: AttentionChoice { prompts: PromptAttention::ShuffleTiles, ..AttentionChoice::CPU },
        ..Self::CPU
    };

    /// The choices worth trying on a device, the likeliest first: more than one where only a trial tells which is
    /// the fastest. They differ for passes of one row, and in the workgroup for few.
    pub fn candidates(device: &Device) -> Vec<Self> {
        match device.class {
            AdapterClass::Cpu if device.can_shuffle(SHUFFLE_LANES) => vec![Self::CPU_SHUFFLE],
            AdapterClass::Cpu => vec![Self::CPU],
            AdapterClass::Gpu => Self::gpu_candidates(device.subgroup_reduction()),
        }
    }

    /// The kernels worth trying for linear maps of many rows, this choice's first.
    pub fn prompt_candidates(&self, device: &Device) -> Vec<LinearVariant> {
        let mut candidates = vec![self.many_rows];
        if device.class == AdapterClass::Gpu {
            candidates.extend(device.matrix_variants());
        }
        candidates
    }

    fn gpu_candidates(subgroups: Option<Reduction>) -> Vec<Self> {
        let with = |reduction: Reduction, (reduce_lanes, blocks): (u32, u32)| {
            let one_row = LinearVariant::Groups { blocks };
            Self { one_row, reduction, reduce_lanes, ..Self::GPU }
        };
        let memory = [(64, 1), (32, 1), (64, 2)].map(|shape| with(Reduction::Memory, shape));
        let Some(subgroups) = subgroups else { return memory.to_vec() };
        let mut all =
            [(64, 1), (32, 1), (128, 1), (32, 2), (64, 2)].map(|shape| with(subgroups, shape)).to_vec();
        all.push(memory[0]);
        all
    }

    /// The kernel of a step's linear map, in a few words: what tells the candidates of an adapter apart.
    pub fn describe_step(&self) -> String {
        format!("{}, sums {}", self.one_row.describe(), self.describe_sums())
    }

    /// The kernel of a prompt's linear maps, in a few words.
    pub fn describe_prompts(&self) -> String {
        self.many_rows.describe()
    }

    fn describe_sums(&self) -> String {
        let sums = match self.reduction {
            Reduction::Memory => "in workgroup memory",
            Reduction::Subgroups { .. } => "by subgroups",
        };
        format!("{sums}, {} lanes a workgroup", self.reduce_lanes)
    }

    /// The choice in words, for `adapters -v` and the window.
    pub fn describe(&self) -> Vec<String> {
        vec![
            format!("linear map, one row: {}", self.one_row.describe()),
            format!("linear map, up to {FEW_ROWS} rows: {}", self.few_rows.describe()),
            format!("linear map, more rows: {}", self.many_rows.describe()),
            format!("sums: {}", self.describe_sums()),
            format!("attention of few rows: {} lanes a workgroup", self.attention.lanes),
            format!(
                "attention of a prompt: {}",
                match self.attention.prompts {
                    PromptAttention::Rows => "row by row",
                    PromptAttention::Tiles => "tiles of 32 rows",
                    PromptAttention::ShuffleTiles => "eight lanes that share eight rows",
                }
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_differ_in_words_and_fit_every_adapter() {
        for least in [None, Some(4), Some(8), Some(32), Some(64)] {
            let subgroups = least.map(|least| Reduction::Subgroups { least });
            let candidates = KernelChoice::gpu_candidates(subgroups);
            let words: std::collections::HashSet<_> =
                candidates.iter().map(|it| it.describe().join("; ")).collect();
            assert_eq!(words.len(), candidates.len(), "each can be told from the others: {words:?}");
            for choice in candidates {
                assert!(choice.reduce_lanes.is_power_of_two() && choice.reduce_lanes <= MOST_LANES);
                // Eight rows of a gate with its norm make the most sums.
                let lanes = choice.reduction.lanes(18, choice.reduce_lanes);
                assert!(choice.reduction.summands(18, lanes) <= MEMORY_BLOCKS, "{choice:?}");
                assert!(lanes >= 8, "each of eight rows has a lane to finish it: {choice:?}");
            }
        }
    }
}
