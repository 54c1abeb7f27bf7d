//! One adapter, as a person needs to know it.

use std::collections::BTreeMap;

use wgpu::{Adapter, CooperativeScalarType, DeviceType, Features};

use crate::units;

use super::heap;

/// The kind of adapters with memory of their own.
const DISCRETE: &str = "discrete GPU";

/// One adapter, as a person needs to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Position in the list, as `--adapter` takes it.
    pub index: usize,
    /// Name given by the driver.
    pub name: String,
    /// `Vulkan`, `Metal`, `Dx12` or `Gl`.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `CPU` or `other`.
    pub kind: String,
    /// Driver name and version.
    pub driver: String,
    /// Where it sits on the machine's bus, such as `0000:01:00.0`; empty if its driver does not report it.
    pub bus: String,
    /// The largest buffer that one binding can show to a kernel, in bytes.
    pub binding_bytes: u64,
    /// Bytes of the largest heap of the device's own memory, where its driver tells: so far on Vulkan alone.
    pub memory_bytes: Option<u64>,
    /// Limits and features that matter here: what, and how much, in words.
    pub details: Vec<(String, String)>,
    /// All limits, by wgpu's names and in its units.
    pub limits: BTreeMap<String, u64>,
    /// All features, by wgpu's names.
    pub features: Vec<String>,
}

impl AdapterInfo {
    /// Name and backend: the same hardware may be there through two drivers.
    pub fn full_name(&self) -> String {
        format!("{} ({})", self.name, self.backend)
    }

    /// The same with its number, as `--adapter` takes it.
    pub fn numbered_name(&self) -> String {
        format!("{}, {}", self.index, self.full_name())
    }

    /// Whether its memory is apart from the computer's, so that what does not fit there can lie here.
    pub fn has_own_memory(&self) -> bool {
        self.kind == DISCRETE
    }
}

impl AdapterInfo {
    /// All of it for a person, line by line: with the kernels that a model gets there, or why it gets none.
    pub fn text(&self, kernels: Result<&[String], &str>) -> String {
        let Self { index, name, backend, kind, driver, details, .. } = self;
        let details: String = details.iter().map(|(what, much)| format!("   {what:<26} {much}\n")).collect();
        let kernels = match kernels {
            Ok(kernels) => kernels.iter().map(|kernel| format!("   kernels: {kernel}\n")).collect(),
            Err(problem) => format!("   cannot be used: {problem}\n"),
        };
        format!("{index}: {name}\n   {backend}, {kind}, driver {driver}\n{details}{kernels}")
    }
}

pub(super) fn describe(index: usize, adapter: &Adapter) -> AdapterInfo {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let features = adapter.features();
    let yes_no = |feature| if features.contains(feature) { "yes" } else { "no" }.to_owned();
    let memory_bytes = heap::bytes(adapter);
    AdapterInfo {
        index,
        name: info.name,
        backend: format!("{:?}", info.backend),
        kind: match info.device_type {
            DeviceType::DiscreteGpu => DISCRETE,
            DeviceType::IntegratedGpu => "integrated GPU",
            DeviceType::VirtualGpu => "virtual GPU",
            DeviceType::Cpu => "CPU",
            DeviceType::Other => "other",
        }
        .to_owned(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        bus: info.device_pci_bus_id,
        binding_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
        memory_bytes,
        details: vec![
            ("device memory".into(), memory_bytes.map_or_else(|| "unknown".to_owned(), units::bytes)),
            ("largest buffer".into(), units::bytes(limits.max_buffer_size)),
            ("largest storage binding".into(), units::bytes(limits.max_storage_buffer_binding_size)),
            ("storage buffers a kernel".into(), limits.max_storage_buffers_per_shader_stage.to_string()),
            ("invocations a workgroup".into(), limits.max_compute_invocations_per_workgroup.to_string()),
            ("workgroup memory".into(), units::bytes(limits.max_compute_workgroup_storage_size.into())),
            ("subgroups".into(), subgroups(adapter)),
            ("f16 arithmetic".into(), yes_no(Features::SHADER_F16)),
            ("cooperative matrices".into(), cooperative_matrices(adapter)),
            ("timestamps".into(), timestamps(features).to_owned()),
        ],
        features: features.iter_names().map(|(name, _)| name.to_owned()).collect(),
        limits: named_limits(&limits),
    }
}

/// The limits by name. wgpu has no list of them but the one that it prints for debugging, a line each.
fn named_limits(limits: &wgpu::Limits) -> BTreeMap<String, u64> {
    let printed = format!("{limits:#?}");
    let limit = |line: &str| {
        let (name, value) = line.trim().trim_end_matches(',').split_once(": ")?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    printed.lines().filter_map(limit).collect()
}

/// How many lanes a subgroup has: `32 lanes`, `8 to 32 lanes`, `no`.
fn subgroups(adapter: &Adapter) -> String {
    let wgpu::AdapterInfo { subgroup_min_size: least, subgroup_max_size: most, .. } = adapter.get_info();
    match adapter.features().contains(Features::SUBGROUP) {
        false => "no".to_owned(),
        true if least == most => format!("{least} lanes"),
        true => format!("{least} to {most} lanes"),
    }
}

/// The shapes that the adapter multiplies, such as `16×16×16 f16 to f32`.
fn cooperative_matrices(adapter: &Adapter) -> String {
    let scalar = |scalar| match scalar {
        CooperativeScalarType::F32 => "f32",
        CooperativeScalarType::F16 => "f16",
        CooperativeScalarType::I32 => "i32",
        CooperativeScalarType::U32 => "u32",
    };
    let shapes = adapter.cooperative_matrix_properties().into_iter().map(|shape| {
        let (m, n, k) = (shape.m_size, shape.n_size, shape.k_size);
        format!("{m}×{n}×{k} {} to {}", scalar(shape.ab_type), scalar(shape.cr_type))
    });
    let shapes: Vec<String> = shapes.collect();
    if shapes.is_empty() { "no".to_owned() } else { shapes.join(", ") }
}

fn timestamps(features: Features) -> &'static str {
    match features {
        _ if features.contains(Features::TIMESTAMP_QUERY_INSIDE_PASSES) => "within passes",
        _ if features.contains(Features::TIMESTAMP_QUERY) => "around passes",
        _ => "no",
    }
}
