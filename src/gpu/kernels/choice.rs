//! Which variants of the kernels to use on an adapter, and with which workgroup sizes.

use super::capabilities::{AdapterClass, Capabilities};
use super::limits::{FEW_ROWS, SHUFFLE_LANES};
use super::linear_variant::LinearVariant;
use super::reduction::Reduction;

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

    /// The choices worth trying on an adapter, the likeliest first: more than one where only a trial tells which is
    /// the fastest. They differ for passes of one row, and in the workgroup for few.
    pub fn candidates(capabilities: &Capabilities) -> Vec<Self> {
        match capabilities.class {
            AdapterClass::Cpu if capabilities.can_shuffle(SHUFFLE_LANES) => vec![Self::CPU_SHUFFLE],
            AdapterClass::Cpu => vec![Self::CPU],
            AdapterClass::Gpu => Self::gpu_candidates(capabilities.reduction()),
        }
    }

    /// The kernels worth trying for linear maps of many rows, this choice's first.
    pub fn prompt_candidates(&self, capabilities: &Capabilities) -> Vec<LinearVariant> {
        let mut candidates = vec![self.many_rows];
        if capabilities.class == AdapterClass::Gpu {
            candidates.extend(capabilities.matrix_variants());
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
    use super::super::limits::{MEMORY_BLOCKS, MOST_LANES};
    use super::super::matrix_units::MatrixUnits;
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

    /// A GPU as its driver reports it, without matrix units.
    fn gpu(subgroup_lanes: std::ops::RangeInclusive<u32>) -> Capabilities {
        Capabilities {
            class: AdapterClass::Gpu,
            subgroup_lanes: Some(subgroup_lanes),
            has_int64: true,
            matrix_units: Vec::new(),
            workgroup_lanes: 1024,
            workgroup_bytes: 32 << 10,
        }
    }

    /// A software driver.
    fn software(subgroup_lanes: Option<std::ops::RangeInclusive<u32>>, has_int64: bool) -> Capabilities {
        Capabilities { class: AdapterClass::Cpu, subgroup_lanes, has_int64, ..gpu(8..=8) }
    }

    /// The candidates for one row: lanes of a workgroup, blocks of the weight, and the least lanes of a subgroup.
    fn steps(capabilities: &Capabilities) -> Vec<(u32, u32, Option<u32>)> {
        let step = |choice: &KernelChoice| {
            let LinearVariant::Groups { blocks } = choice.one_row else { panic!("{:?}", choice.one_row) };
            assert_eq!(choice.few_rows, LinearVariant::Groups { blocks: 1 });
            assert_eq!((choice.attention, choice.plain_lanes), (AttentionChoice::GPU, 64));
            let least = match choice.reduction {
                Reduction::Memory => None,
                Reduction::Subgroups { least } => Some(least),
            };
            (choice.reduce_lanes, blocks, least)
        };
        KernelChoice::candidates(capabilities).iter().map(step).collect()
    }

    /// The candidates for many rows, apart from the first one, which every GPU has.
    fn prompts(capabilities: &Capabilities) -> Vec<LinearVariant> {
        let candidates = KernelChoice::candidates(capabilities)[0].prompt_candidates(capabilities);
        assert_eq!(candidates[0], LinearVariant::Shared);
        candidates[1..].to_vec()
    }

    #[test]
    fn each_kind_of_gpu_gets_its_subgroups_and_matrix_units() {
        use MatrixUnits::{Half8, Half16, Single8};

        let by_subgroups = |least| {
            [(64, 1), (32, 1), (128, 1), (32, 2), (64, 2)]
                .map(|(lanes, blocks)| (lanes, blocks, Some(least)))
                .into_iter()
                .chain([(64, 1, None)])
                .collect::<Vec<_>>()
        };
        let matrices = |units, lanes| LinearVariant::Matrices { units, lanes };

        let nvidia = Capabilities { matrix_units: vec![Half16], ..gpu(32..=32) };
        assert_eq!(steps(&nvidia), by_subgroups(32));
        assert_eq!(prompts(&nvidia), [matrices(Half16, 128)]);

        let amd = Capabilities { matrix_units: vec![Half16], ..gpu(32..=64) };
        assert_eq!(steps(&amd), by_subgroups(32));
        assert_eq!(prompts(&amd), [matrices(Half16, 256)]);

        let intel = gpu(8..=32);
        assert_eq!(steps(&intel), by_subgroups(8));
        assert_eq!(prompts(&intel), []);

        let apple = Capabilities { has_int64: false, matrix_units: vec![Half8, Single8], ..gpu(32..=32) };
        assert_eq!(steps(&apple), by_subgroups(32));
        assert_eq!(prompts(&apple), [matrices(Half8, 128), matrices(Single8, 128)]);

        // Four subgroups of 128 lanes are more than a workgroup of any kernel has.
        let adreno = Capabilities { matrix_units: vec![Half16], ..gpu(64..=128) };
        assert_eq!(steps(&adreno), by_subgroups(64));
        assert_eq!(prompts(&adreno), []);

        let small = Capabilities { workgroup_bytes: 16 << 10, ..nvidia };
        assert_eq!(prompts(&small), [], "matrix units need more workgroup memory");
        // A GPU of eight lanes is no software driver.
        assert_eq!(steps(&gpu(8..=8)), by_subgroups(8));
        let without_subgroups = Capabilities { subgroup_lanes: None, ..intel };
        assert_eq!(steps(&without_subgroups), [(64, 1, None), (32, 1, None), (64, 2, None)]);
    }

    #[test]
    fn software_drivers_shuffle_where_every_subgroup_has_eight_lanes() {
        let shuffles = KernelChoice::candidates(&software(Some(8..=8), true));
        assert_eq!(shuffles, [KernelChoice::CPU_SHUFFLE]);
        assert_eq!(shuffles[0].one_row, LinearVariant::Shuffle);
        assert_eq!(shuffles[0].attention.prompts, PromptAttention::ShuffleTiles);

        let plain = [
            software(Some(8..=8), false),
            software(Some(4..=4), true),
            software(Some(4..=8), true),
            software(None, true),
        ];
        for capabilities in plain {
            assert_eq!(KernelChoice::candidates(&capabilities), [KernelChoice::CPU], "{capabilities:?}");
        }
        let with_units =
            Capabilities { matrix_units: MatrixUnits::ALL.to_vec(), ..software(Some(8..=8), true) };
        let prompts = KernelChoice::CPU_SHUFFLE.prompt_candidates(&with_units);
        assert_eq!(prompts, [LinearVariant::ShuffleTiles], "matrix units are tried on GPUs alone");
    }
}
