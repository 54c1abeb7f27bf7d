//! Which variants of the kernels to use on an adapter, and with which workgroup sizes.

use super::attention_choice::{AttentionChoice, PrefillAttention};
use super::capabilities::{AdapterClass, Capabilities};
use super::limits::SHUFFLE_LANES;
use super::linear_variant::LinearVariant;
use super::reduction::Reduction;
use super::row_count::RowCount;

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
    /// How a workgroup adds up in norms, selection, experts' maps and [`LinearVariant::GemvPerWorkgroup`].
    pub reduction: Reduction,
    /// Lanes of kernels that reduce: norms, [`LinearVariant::GemvPerWorkgroup`]; a power of two.
    pub reduce_lanes: u32,
    /// Lanes of kernels without a barrier.
    pub plain_lanes: u32,
    /// The recurrence of states of matrices.
    pub recurrence: RecurrenceKernel,
    /// Whether a step begins before the CPU has read the one before. Software drivers compute on the very processors that read.
    pub begins_ahead: bool,
}

/// Kernels for the recurrence of states of matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecurrenceKernel {
    /// Several lanes share a row of a state.
    Parts,
    /// A lane has all of it, where it is no longer than that of any published model.
    Whole,
}

impl KernelChoice {
    /// For hardware with many lanes and cheap barriers.
    pub const GPU: Self = Self {
        one_row: LinearVariant::GemvPerWorkgroup { blocks: 1 },
        few_rows: LinearVariant::GemvPerWorkgroup { blocks: 1 },
        many_rows: LinearVariant::GemmSharedMemory,
        attention: AttentionChoice::GPU,
        reduction: Reduction::Memory,
        reduce_lanes: 64,
        plain_lanes: 64,
        recurrence: RecurrenceKernel::Parts,
        begins_ahead: true,
    };

    /// For software drivers, where barriers cost more the larger the workgroup is.
    pub const CPU: Self = Self {
        one_row: LinearVariant::GemvPerLane,
        few_rows: LinearVariant::GemmRegisters,
        many_rows: LinearVariant::GemmRegisters,
        attention: AttentionChoice::CPU,
        reduction: Reduction::Memory,
        reduce_lanes: 8,
        plain_lanes: 16,
        recurrence: RecurrenceKernel::Whole,
        begins_ahead: false,
    };

    /// For software drivers with subgroups of eight lanes and 64-bit words (llvmpipe on a processor with AVX2).
    pub const CPU_SHUFFLE: Self = Self {
        one_row: LinearVariant::GemvSubgroup,
        few_rows: LinearVariant::GemmSubgroup,
        many_rows: LinearVariant::GemmSubgroup,
        attention: AttentionChoice { prefill: PrefillAttention::ShuffleTiles, ..AttentionChoice::CPU },
        ..Self::CPU
    };

    /// The choices for an adapter, the likeliest first: more than one where only a trial tells which is the fastest for a
    /// matrix. They differ for passes of one row, and in the workgroup for few.
    pub fn candidates(capabilities: &Capabilities) -> Vec<Self> {
        match capabilities.class {
            AdapterClass::Cpu if capabilities.can_shuffle(SHUFFLE_LANES) => vec![Self::CPU_SHUFFLE],
            AdapterClass::Cpu => vec![Self::CPU],
            AdapterClass::Gpu => Self::gpu_candidates(capabilities.reduction()),
        }
    }

    /// The kernels worth trying for linear maps of many rows, this choice's first.
    pub fn prefill_candidates(&self, capabilities: &Capabilities) -> Vec<LinearVariant> {
        let mut candidates = vec![self.many_rows];
        if capabilities.class == AdapterClass::Gpu {
            candidates.extend(capabilities.matrix_variants());
        }
        candidates
    }

    /// The kernels worth trying for the attention of a prompt, this choice's first.
    pub(crate) fn attention_candidates(&self, capabilities: &Capabilities) -> Vec<PrefillAttention> {
        let mut candidates = vec![self.attention.prefill];
        if capabilities.class == AdapterClass::Gpu {
            candidates.extend(capabilities.attention_units().into_iter().map(PrefillAttention::MatrixUnits));
        }
        candidates
    }

    fn gpu_candidates(subgroups: Option<Reduction>) -> Vec<Self> {
        let reduction = subgroups.unwrap_or(Reduction::Memory);
        let with = |(reduce_lanes, blocks): (u32, u32)| {
            let one_row = LinearVariant::GemvPerWorkgroup { blocks };
            Self { one_row, reduction, reduce_lanes, ..Self::GPU }
        };
        // The first one's lanes are those of norms and selection as well, where 128 were the fastest of 32 to 128.
        [(128, 1), (64, 1), (256, 1), (32, 1), (128, 2), (64, 2)].map(with).to_vec()
    }

    /// What tells the candidates for a step apart, by a name that stays the same from version to version.
    pub fn step_id(&self) -> String {
        let sums = match self.reduction {
            Reduction::Memory => "memory",
            Reduction::Subgroups { .. } => "subgroups",
        };
        format!("{}-sums-{sums}-{}", self.one_row.id(), self.reduce_lanes)
    }

    /// The kernel of a step's linear map, in a few words: what tells the candidates of an adapter apart.
    pub fn describe_step(&self) -> String {
        format!("{}, sums {}", self.one_row.describe(), self.describe_sums())
    }

    /// The kernel of a prompt's linear maps, in a few words.
    pub fn describe_prefill(&self) -> String {
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
        let linear =
            |row_count: RowCount| format!("{}: {}", row_count.describe(), self.linear(row_count).describe());
        vec![
            linear(RowCount::One),
            linear(RowCount::Few),
            linear(RowCount::Many),
            format!("sums: {}", self.describe_sums()),
            format!("attention of few rows: {} lanes a workgroup", self.attention.lanes),
            format!("attention of a prompt: {}", self.attention.prefill.describe()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::{MEMORY_BLOCKS, MOST_LANES};
    use super::super::matrix_tile::{Matrices, MatrixTile};
    use super::super::matrix_units::MatrixUnits;
    use super::*;

    #[test]
    fn candidates_differ_by_their_ids_and_fit_every_adapter() {
        for least in [None, Some(4), Some(8), Some(32), Some(64)] {
            let subgroups = least.map(|least| Reduction::Subgroups { least });
            let candidates = KernelChoice::gpu_candidates(subgroups);
            let ids: std::collections::HashSet<_> = candidates.iter().map(KernelChoice::step_id).collect();
            assert_eq!(ids.len(), candidates.len(), "each can be told from the others: {ids:?}");
            assert!(ids.iter().all(|id| id.is_ascii() && !id.contains(' ')), "{ids:?}");
            for choice in candidates {
                assert!(choice.reduce_lanes.is_power_of_two() && choice.reduce_lanes <= MOST_LANES);
                // Eight rows of a gate with its norm make the most sums, beside the largest grid.
                for grid in [0, 4096] {
                    let lanes = choice.reduction.lanes(18, choice.reduce_lanes, grid);
                    let bytes = 16 * choice.reduction.summands(18, lanes) + grid as u32;
                    assert!(bytes <= 16 * MEMORY_BLOCKS, "{choice:?}");
                    assert!(lanes >= 8, "each of eight rows has a lane to finish it: {choice:?}");
                }
            }
        }
    }

    /// What is remembered goes by these: another name for the same kernel costs each user a new trial.
    #[test]
    fn ids_stay_as_they_are() {
        let groups = |blocks| LinearVariant::GemvPerWorkgroup { blocks };
        let matrices =
            |units, tile| LinearVariant::GemmCooperative { matrices: Matrices { units, tile }, lanes: 128 };
        let variants = [
            (LinearVariant::GemvPerLane, "gemv-per-lane"),
            (groups(1), "gemv-per-workgroup-4"),
            (groups(2), "gemv-per-workgroup-8"),
            (LinearVariant::GemmRegisters, "gemm-registers"),
            (LinearVariant::GemvSubgroup, "gemv-subgroup-8"),
            (LinearVariant::GemmSubgroup, "gemm-subgroup-8"),
            (LinearVariant::GemmSharedMemory, "gemm-shared-memory-64-32"),
            (matrices(MatrixUnits::Half16, MatrixTile::Small), "gemm-cooperative-f16-16-64x64-128"),
            (matrices(MatrixUnits::Half16, MatrixTile::Medium), "gemm-cooperative-f16-16-64x128-128"),
            (matrices(MatrixUnits::Half16, MatrixTile::Large), "gemm-cooperative-f16-16-128x128-128"),
            (matrices(MatrixUnits::Half8, MatrixTile::Medium), "gemm-cooperative-f16-8-32x64-128"),
            (matrices(MatrixUnits::Single8, MatrixTile::Large), "gemm-cooperative-f32-8-64x64-128"),
        ];
        for (variant, id) in variants {
            assert_eq!(variant.id(), id);
        }
        assert_eq!(KernelChoice::CPU.step_id(), "gemv-per-lane-sums-memory-8");
        let subgroups = KernelChoice { reduction: Reduction::Subgroups { least: 8 }, ..KernelChoice::GPU };
        assert_eq!(subgroups.step_id(), "gemv-per-workgroup-4-sums-subgroups-64");
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
            let LinearVariant::GemvPerWorkgroup { blocks } = choice.one_row else {
                panic!("{:?}", choice.one_row)
            };
            assert_eq!(choice.few_rows, LinearVariant::GemvPerWorkgroup { blocks: 1 });
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
        let candidates = KernelChoice::candidates(capabilities)[0].prefill_candidates(capabilities);
        assert_eq!(candidates[0], LinearVariant::GemmSharedMemory);
        candidates[1..].to_vec()
    }

    #[test]
    fn each_kind_of_gpu_gets_its_subgroups_and_matrix_units() {
        use MatrixUnits::{Half8, Half16, Single8};

        let all = |least: Option<u32>| {
            [(128, 1), (64, 1), (256, 1), (32, 1), (128, 2), (64, 2)]
                .map(|(lanes, blocks)| (lanes, blocks, least))
        };
        let by_subgroups = |least| all(Some(least));
        let matrices = |units, lanes| {
            Matrices::of(units)
                .map(|matrices| LinearVariant::GemmCooperative { matrices, lanes })
                .collect::<Vec<_>>()
        };

        let nvidia = Capabilities { matrix_units: vec![Half16], ..gpu(32..=32) };
        assert_eq!(steps(&nvidia), by_subgroups(32));
        assert_eq!(prompts(&nvidia), matrices(Half16, 128));

        let amd = Capabilities { matrix_units: vec![Half16], ..gpu(32..=64) };
        assert_eq!(steps(&amd), by_subgroups(32));
        assert_eq!(prompts(&amd), matrices(Half16, 256));

        let intel = gpu(8..=32);
        assert_eq!(steps(&intel), by_subgroups(8));
        assert_eq!(prompts(&intel), []);

        let apple = Capabilities { has_int64: false, matrix_units: vec![Half8, Single8], ..gpu(32..=32) };
        assert_eq!(steps(&apple), by_subgroups(32));
        assert_eq!(prompts(&apple), [matrices(Half8, 128), matrices(Single8, 128)].concat());

        // Four subgroups of 128 lanes are more than a workgroup of any kernel has.
        let adreno = Capabilities { matrix_units: vec![Half16], ..gpu(64..=128) };
        assert_eq!(steps(&adreno), by_subgroups(64));
        assert_eq!(prompts(&adreno), []);

        let small = Capabilities { workgroup_bytes: 16 << 10, ..nvidia };
        assert_eq!(prompts(&small), [], "matrix units need more workgroup memory");
        // A GPU of eight lanes is no software driver.
        assert_eq!(steps(&gpu(8..=8)), by_subgroups(8));
        let without_subgroups = Capabilities { subgroup_lanes: None, ..intel };
        assert_eq!(steps(&without_subgroups), all(None));
    }

    #[test]
    fn software_drivers_shuffle_where_every_subgroup_has_eight_lanes() {
        let shuffles = KernelChoice::candidates(&software(Some(8..=8), true));
        assert_eq!(shuffles, [KernelChoice::CPU_SHUFFLE]);
        assert_eq!(shuffles[0].one_row, LinearVariant::GemvSubgroup);
        assert_eq!(shuffles[0].attention.prefill, PrefillAttention::ShuffleTiles);

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
        let prompts = KernelChoice::CPU_SHUFFLE.prefill_candidates(&with_units);
        assert_eq!(prompts, [LinearVariant::GemmSubgroup], "matrix units are tried on GPUs alone");
    }
}
