//! A kernel for linear maps with the size of its workgroups, and those worth trying.

use super::capabilities::{AdapterClass, Capabilities};
use super::choice::KernelChoice;
use super::limits::MOST_LANES;
use super::linear_variant::LinearVariant;
use super::row_count::RowCount;

/// Least lanes of a workgroup that are worth trying.
const LEAST_LANES: u32 = 32;
/// How many times as many the most are that are worth trying for a matrix.
const SPAN: u32 = 4;

/// A kernel for linear maps with the size of its workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearKernel {
    /// The kernel.
    pub variant: LinearVariant,
    /// Lanes of a workgroup of [`LinearVariant::GemvPerWorkgroup`], a power of two; other kernels have their own.
    pub lanes: u32,
}

impl LinearKernel {
    /// A name that stays the same from version to version: what is remembered goes by it.
    pub fn id(&self) -> String {
        match self.variant {
            LinearVariant::GemvPerWorkgroup { .. } => format!("{}-lanes-{}", self.variant.id(), self.lanes),
            variant => variant.id(),
        }
    }

    /// What it is, for a person.
    pub(crate) fn describe(&self) -> String {
        match self.variant {
            LinearVariant::GemvPerWorkgroup { blocks } => {
                format!("one workgroup of {} lanes for {} rows of the weight", self.lanes, 4 * blocks)
            }
            variant => variant.describe(),
        }
    }

    /// Whether it is worth trying for a matrix whose rows have so many units: lanes without any are idle, and few lanes wait
    /// for one load after the other.
    pub(crate) fn suits_rows_of(&self, units: u32) -> bool {
        let most = units.next_power_of_two().clamp(LEAST_LANES, MOST_LANES);
        match self.variant {
            LinearVariant::GemvPerWorkgroup { .. } => (most / SPAN..=most).contains(&self.lanes),
            _ => true,
        }
    }
}

impl KernelChoice {
    /// The kernel for linear maps of so many rows, where no trial found another.
    pub(crate) fn linear(&self, row_count: RowCount) -> LinearKernel {
        let variant = match row_count {
            RowCount::One => self.one_row,
            RowCount::Few | RowCount::Several => self.few_rows,
            RowCount::Many => self.many_rows,
        };
        LinearKernel { variant, lanes: self.reduce_lanes }
    }

    /// The kernels worth trying on an adapter for linear maps of so many rows, the likeliest first.
    pub(crate) fn linear_candidates(capabilities: &Capabilities, row_count: RowCount) -> Vec<LinearKernel> {
        let choices = Self::candidates(capabilities);
        let first = choices[0];
        match (row_count, capabilities.class) {
            (_, AdapterClass::Cpu) => vec![first.linear(row_count)],
            (RowCount::Many, AdapterClass::Gpu) => {
                let variants = first.prefill_candidates(capabilities).into_iter();
                variants.map(|variant| LinearKernel { variant, ..first.linear(row_count) }).collect()
            }
            (RowCount::One | RowCount::Few | RowCount::Several, AdapterClass::Gpu) => {
                let mut kernels: Vec<LinearKernel> = Vec::new();
                for kernel in choices.iter().map(|choice| choice.linear(row_count)) {
                    if !kernels.contains(&kernel) {
                        kernels.push(kernel);
                    }
                }
                kernels
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::SHUFFLE_LANES;
    use super::super::matrix_units::MatrixUnits;
    use super::*;

    fn groups(blocks: u32, lanes: u32) -> LinearKernel {
        LinearKernel { variant: LinearVariant::GemvPerWorkgroup { blocks }, lanes }
    }

    /// What is remembered goes by these: another name for the same kernel costs each user a new trial.
    #[test]
    fn ids_stay_as_they_are() {
        assert_eq!(groups(1, 128).id(), "gemv-per-workgroup-4-lanes-128");
        assert_eq!(groups(2, 64).id(), "gemv-per-workgroup-8-lanes-64");
        let tiles = LinearKernel { variant: LinearVariant::GemmSharedMemory, lanes: 128 };
        assert_eq!(tiles.id(), "gemm-shared-memory-64-32");
    }

    #[test]
    fn a_gpu_tries_workgroups_for_steps_and_matrix_units_for_prompts() {
        let capabilities = Capabilities {
            class: AdapterClass::Gpu,
            subgroup_lanes: Some(32..=32),
            has_int64: true,
            matrix_units: vec![MatrixUnits::Half16],
            workgroup_lanes: 1024,
            workgroup_bytes: 48 << 10,
        };
        let of = |row_count| KernelChoice::linear_candidates(&capabilities, row_count);
        let step = of(RowCount::One);
        assert_eq!(
            step,
            [(1, 128), (1, 64), (1, 256), (1, 32), (2, 128), (2, 64)]
                .map(|(blocks, lanes)| groups(blocks, lanes))
        );
        assert_eq!(of(RowCount::Few), [128, 64, 256, 32].map(|lanes| groups(1, lanes)));
        let prompts: Vec<LinearVariant> = of(RowCount::Many).iter().map(|kernel| kernel.variant).collect();
        assert_eq!(prompts, KernelChoice::candidates(&capabilities)[0].prefill_candidates(&capabilities));
        assert!(prompts.len() > 1);

        let lanes = |units: u32| {
            let suited = of(RowCount::Few).into_iter().filter(|kernel| kernel.suits_rows_of(units));
            let mut lanes: Vec<u32> = suited.map(|kernel| kernel.lanes).collect();
            lanes.sort_unstable();
            lanes
        };
        // Rows of 14336, 4096, 1024 and 100 weights in f16, eight to a unit.
        assert_eq!(lanes(1792), [64, 128, 256]);
        assert_eq!(lanes(512), [64, 128, 256]);
        assert_eq!(lanes(128), [32, 64, 128]);
        assert_eq!(lanes(13), [32]);

        let software = Capabilities { class: AdapterClass::Cpu, subgroup_lanes: Some(8..=8), ..capabilities };
        assert_eq!(SHUFFLE_LANES, 8);
        for row_count in RowCount::ALL {
            assert_eq!(KernelChoice::linear_candidates(&software, row_count).len(), 1, "nothing to try");
        }
    }
}
