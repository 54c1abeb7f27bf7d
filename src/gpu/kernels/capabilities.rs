//! What an adapter can do, as far as the choice of kernels depends on it: plain data, read once.

use std::ops::RangeInclusive;

use wgpu::{Adapter, DeviceType, Features};

use super::attention_units::AttentionUnits;
use super::limits::MOST_LANES;
use super::linear_variant::LinearVariant;
use super::matrix_tile::Matrices;
use super::matrix_units::MatrixUnits;
use super::reduction::Reduction;

/// The two kinds of hardware that kernels are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterClass {
    /// Many lanes, cheap barriers, memory that wants neighbouring lanes at neighbouring addresses.
    Gpu,
    /// A software driver: few lanes, and each barrier costs as much as hundreds of multiplications.
    Cpu,
}

/// Says which kind to choose kernels for, `gpu` or `cpu`, whatever the adapter is: so a software driver runs what GPUs get.
const CLASS: &str = "LOGITSCOPE_ADAPTER_CLASS";

impl AdapterClass {
    /// The kind that an adapter is, unless [`CLASS`] says another.
    fn of(kind: DeviceType) -> Self {
        match (std::env::var(CLASS).as_deref(), kind) {
            (Ok("gpu"), _) => Self::Gpu,
            (Ok("cpu"), _) | (_, DeviceType::Cpu) => Self::Cpu,
            _ => Self::Gpu,
        }
    }
}

/// What kernels can use on an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The kind of hardware.
    pub class: AdapterClass,
    /// The lanes that a subgroup can have, as the driver reports them; `None` without subgroup operations.
    pub subgroup_lanes: Option<RangeInclusive<u32>>,
    /// Whether kernels can use integers of 64 bits.
    pub has_int64: bool,
    /// Matrix units that the adapter offers and that the kernels have a form for, the likeliest to be fast first.
    pub matrix_units: Vec<MatrixUnits>,
    /// Most lanes of a workgroup.
    pub workgroup_lanes: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
}

impl Capabilities {
    /// Features that kernels use where the adapter has them, apart from those of matrix units.
    pub(crate) const FEATURES: Features = Features::SUBGROUP.union(Features::SHADER_INT64);

    /// Those of an adapter.
    pub(crate) fn of(adapter: &Adapter) -> Self {
        let (info, features, limits) = (adapter.get_info(), adapter.features(), adapter.limits());
        let subgroup_lanes = info.subgroup_min_size..=info.subgroup_max_size;
        Self {
            class: AdapterClass::of(info.device_type),
            subgroup_lanes: features.contains(Features::SUBGROUP).then_some(subgroup_lanes),
            has_int64: features.contains(Features::SHADER_INT64),
            matrix_units: MatrixUnits::offered(adapter),
            workgroup_lanes: limits.max_compute_invocations_per_workgroup,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
        }
    }

    /// The same without anything that some adapters lack.
    pub(crate) fn least(self) -> Self {
        Self { subgroup_lanes: None, has_int64: false, matrix_units: Vec::new(), ..self }
    }

    /// Whether the adapter has what [`LinearVariant::GemvSubgroup`] takes: words of 64 bits, and every subgroup of this
    /// many lanes.
    pub(super) fn can_shuffle(&self, lanes: u32) -> bool {
        self.has_int64 && self.subgroup_lanes == Some(lanes..=lanes)
    }

    /// How lanes can add up by subgroups; `None` where the adapter has none.
    pub fn reduction(&self) -> Option<Reduction> {
        let least = *self.subgroup_lanes.as_ref()?.start();
        Some(Reduction::Subgroups { least: least.max(1) })
    }

    /// How matrix units can compute a linear map of many rows; empty where the adapter has none of those that
    /// the kernels have a form for, or no room for their workgroups.
    pub fn matrix_variants(&self) -> Vec<LinearVariant> {
        let Some(lanes) = self.matrix_lanes() else { return Vec::new() };
        let all = self.matrix_units.iter().flat_map(|&units| Matrices::of(units));
        let fitting = all.filter(|matrices| matrices.memory_bytes() <= self.workgroup_bytes);
        fitting.map(|matrices| LinearVariant::GemmCooperative { matrices, lanes }).collect()
    }

    /// How matrix units can compute the attention of a prompt; empty as above.
    pub fn attention_units(&self) -> Vec<AttentionUnits> {
        let Some(lanes) = self.matrix_lanes() else { return Vec::new() };
        let workgroup_bytes = self.workgroup_bytes;
        self.matrix_units.iter().map(|&units| AttentionUnits { units, lanes, workgroup_bytes }).collect()
    }

    /// Lanes of a workgroup whose subgroups have matrix units; `None` where no kernel may have as many, or without subgroups.
    fn matrix_lanes(&self) -> Option<u32> {
        let lanes = MatrixUnits::lanes(*self.subgroup_lanes.as_ref()?.end());
        (lanes <= self.workgroup_lanes.min(MOST_LANES)).then_some(lanes)
    }

    /// The features that a device has to be opened with for its matrix units.
    pub(crate) fn matrix_features(&self) -> Features {
        let units = self.attention_units().into_iter().map(|attention| attention.units);
        units.map(MatrixUnits::features).fold(Features::empty(), Features::union)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_an_adapter_can_do_has_nothing_that_some_lack() {
        let all = Capabilities {
            class: AdapterClass::Gpu,
            subgroup_lanes: Some(32..=64),
            has_int64: true,
            matrix_units: MatrixUnits::ALL.to_vec(),
            workgroup_lanes: 1024,
            workgroup_bytes: 64 << 10,
        };
        assert!(all.reduction().is_some() && !all.matrix_features().is_empty());
        let least = all.clone().least();
        assert_eq!((least.reduction(), least.matrix_features()), (None, Features::empty()));
        assert!(!least.can_shuffle(8) && least.matrix_variants().is_empty());
        assert_eq!((least.class, least.workgroup_lanes), (all.class, all.workgroup_lanes));
    }
}
