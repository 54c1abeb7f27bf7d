//! Which variants of the kernels to use on an adapter, and with which workgroup sizes.

use super::device::AdapterClass;

/// The variants chosen for an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelChoice {
    /// The linear map of passes with few rows.
    pub few_rows: LinearVariant,
    /// Up to how many rows count as few; with more, [`LinearVariant::Tiles`] is used.
    pub most_few_rows: usize,
    /// Lanes of kernels that reduce: norms, attention, [`LinearVariant::Groups`].
    pub reduce_lanes: u32,
    /// Lanes of kernels without a barrier.
    pub plain_lanes: u32,
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
}

impl LinearVariant {
    /// Whether the kernel normalises its input itself.
    pub(super) fn folds_norm(self) -> bool {
        match self {
            Self::Groups => true,
            Self::Lanes | Self::Tiles => false,
        }
    }
}

impl KernelChoice {
    /// For hardware with many lanes and cheap barriers.
    pub const GPU: Self =
        Self { few_rows: LinearVariant::Groups, most_few_rows: 2, reduce_lanes: 64, plain_lanes: 64 };

    /// For software drivers, where barriers cost more the larger the workgroup is.
    pub const CPU: Self =
        Self { few_rows: LinearVariant::Lanes, most_few_rows: 2, reduce_lanes: 8, plain_lanes: 16 };

    pub(super) fn of(class: AdapterClass) -> Self {
        match class {
            AdapterClass::Gpu => Self::GPU,
            AdapterClass::Cpu => Self::CPU,
        }
    }

    /// The choice in words, for `adapters -v` and the window.
    pub fn describe(&self) -> Vec<String> {
        let few = match self.few_rows {
            LinearVariant::Lanes => "one lane an output",
            LinearVariant::Groups => "one workgroup for four outputs",
            LinearVariant::Tiles => "tiles of four by four",
        };
        vec![
            format!("linear map, up to {} rows: {few}", self.most_few_rows),
            "linear map, more rows: tiles of four by four".to_owned(),
            format!("norms and attention: {} lanes a workgroup", self.reduce_lanes),
        ]
    }
}
