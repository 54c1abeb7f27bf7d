//! The adapters of this machine, and which one to take.

use wgpu::{Adapter, Backends, DeviceType, Instance, InstanceDescriptor};

use super::adapter_info::{AdapterInfo, describe};
use super::error::GpuError;
use super::failures;

/// Every adapter that the drivers of this machine offer, best first.
pub fn adapters() -> Vec<AdapterInfo> {
    found().iter().enumerate().map(|(index, adapter)| describe(index, adapter)).collect()
}

/// What there is to know of an adapter without opening it: of the one that [`super::Device::open`] would try first.
pub fn find(choice: Option<&str>) -> Result<AdapterInfo, GpuError> {
    let mut infos: Vec<AdapterInfo> = candidates(choice)?.into_iter().map(|(info, _)| info).collect();
    let first = infos.iter().position(|info| failures::known_problem(info).is_none());
    Ok(infos.swap_remove(first.unwrap_or(0)))
}

/// The adapter of this index, or those with this text in their names, or all without a choice; at least one, in order of
/// preference.
pub(super) fn candidates(choice: Option<&str>) -> Result<Vec<(AdapterInfo, Adapter)>, GpuError> {
    let adapters = found();
    if adapters.is_empty() {
        return Err(GpuError::NoAdapter);
    }
    let wanted = |index: usize, adapter: &Adapter| match choice {
        None => true,
        Some(text) => match text.parse::<usize>() {
            Ok(number) => number == index,
            Err(_) => adapter.get_info().name.to_lowercase().contains(&text.to_lowercase()),
        },
    };
    let of_choice = adapters.iter().enumerate().filter(|(index, adapter)| wanted(*index, adapter));
    let candidates: Vec<_> =
        of_choice.map(|(index, adapter)| (describe(index, adapter), adapter.clone())).collect();
    if candidates.is_empty() {
        let name = |(index, adapter): (usize, &Adapter)| format!("{index}: {}", adapter.get_info().name);
        let found: Vec<String> = adapters.iter().enumerate().map(name).collect();
        let choice = choice.unwrap_or_default().to_owned();
        return Err(GpuError::UnknownAdapter { choice, found: found.join(", ") });
    }
    Ok(candidates)
}

/// Adapters in order of preference. Without `WGPU_BACKEND`, GL is left out: it is what wgpu quietly falls
/// back to when a Vulkan driver is missing, and its compute support is not enough.
fn found() -> Vec<Adapter> {
    let backends = Backends::from_env().unwrap_or(Backends::PRIMARY);
    let mut descriptor = InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let instance = Instance::new(descriptor);
    let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    });
    adapters
}
