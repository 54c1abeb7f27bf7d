//! How the lanes of a workgroup add up, and the workgroup memory that this takes.

use super::limits::MEMORY_BLOCKS;

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

impl Reduction {
    /// One of each kind.
    pub(super) const EACH: [Self; 2] = [Self::Memory, Self::Subgroups { least: 4 }];

    /// Blocks of four numbers that `slots` sums by so many lanes take in workgroup memory.
    pub(crate) fn summands(self, slots: u32, lanes: u32) -> u32 {
        match self {
            Self::Memory => slots * lanes,
            Self::Subgroups { least } => slots * lanes.div_ceil(least),
        }
    }

    /// The most lanes, up to `wanted`, whose `slots` sums fit in the workgroup memory that every adapter has, beside `taken`
    /// bytes for something else.
    pub(crate) fn lanes(self, slots: u32, wanted: u32, taken: u64) -> u32 {
        let fits = |lanes: &u32| {
            16 * u64::from(self.summands(slots, *lanes)) + taken <= 16 * u64::from(MEMORY_BLOCKS)
        };
        std::iter::successors(Some(wanted), |lanes| Some(lanes / 2)).find(fits).unwrap_or(1)
    }
}
