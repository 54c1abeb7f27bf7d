//! Opening an adapter: what it is asked for, its first work, and which one comes next where that fails.

use std::sync::atomic::{AtomicBool, Ordering};

use wgpu::{DeviceType, DownlevelFlags, Features};

use super::adapter_info::AdapterInfo;
use super::error::GpuError;
use super::failures::{self, Asked, Problem};
use super::handle::Device;
use super::kernel_file::KernelFile;
use super::memory::HOST_COPIES;
use super::waiting::PATIENCE;
use super::{adapters, canary};
use crate::gpu::kernels::{Capabilities, MOST_BINDINGS, MOST_LANES};
use crate::problems;
use crate::units;

/// Features that are used where the adapter has them.
const WANTED_FEATURES: Features = Features::TIMESTAMP_QUERY
    .union(Features::TIMESTAMP_QUERY_INSIDE_PASSES)
    .union(Features::PIPELINE_CACHE)
    .union(Capabilities::FEATURES);

/// What software drivers are opened with besides, where they have it: tests emulate matrix units there.
const OF_SOFTWARE: Features = Features::SHADER_F16;

/// Whether devices are opened with what every adapter has, and nothing else.
static CONSERVATIVE: AtomicBool = AtomicBool::new(false);

/// Opens devices from now on with what every adapter has and nothing else, for drivers that do the rest wrongly: no subgroups,
/// no matrix units, no integers of 64 bits, no timestamps, no kept kernels.
pub fn be_conservative() {
    CONSERVATIVE.store(true, Ordering::Relaxed);
}

impl Device {
    /// Opens the adapter of this index, or with this text in its name, or the best one; runs the loop canary. Of several
    /// that are meant, the first one that works: those before it are [`Self::passed_over`].
    pub fn open(choice: Option<&str>) -> Result<Self, GpuError> {
        let candidates = adapters::candidates(choice)?;
        let asked = if choice.is_some() { Asked::ByName } else { Asked::Nothing };
        let opened = failures::open_first(&candidates, asked, &failures::KNOWN, Self::open_adapter);
        match opened {
            Ok((mut device, passed_over)) => {
                device.passed_over = passed_over;
                Ok(device)
            }
            Err(failed) if choice.is_none() => Err(GpuError::NoneWorks(failed)),
            Err(failed) => {
                let meant = |info: &AdapterInfo| failed.iter().any(|failed| failed.info.index == info.index);
                let others = adapters::adapters().into_iter().filter(|info| !meant(info));
                let others = others.filter(|info| failures::known_problem(info).is_none());
                let others = others.map(|info| info.numbered_name()).collect();
                Err(GpuError::ChosenFails { failed, others })
            }
        }
    }

    /// Opens an adapter, and lets it do its first work.
    fn open_adapter(info: &AdapterInfo, adapter: &wgpu::Adapter) -> Result<Self, Problem> {
        let limits = adapter.limits();
        if let Some(lacks) = lacking(adapter.get_downlevel_capabilities().flags, &limits) {
            return Err(Problem::Lacks(lacks));
        }
        let of_kind = match adapter.get_info().device_type {
            DeviceType::Cpu => OF_SOFTWARE,
            _ => Features::empty(),
        };
        let (capabilities, wanted) = match CONSERVATIVE.load(Ordering::Relaxed) {
            true => (Capabilities::of(adapter).least(), HOST_COPIES),
            false => (Capabilities::of(adapter), WANTED_FEATURES.union(HOST_COPIES).union(of_kind)),
        };
        let for_matrices = capabilities.matrix_features();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("logitscope engine"),
            required_features: (adapter.features() & wanted) | for_matrices,
            required_limits: limits,
            experimental_features: experiments(for_matrices),
            ..Default::default()
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Problem::Refused(error.to_string()))?;
        let kernels = wgpu::util::pipeline_cache_key(&adapter.get_info());
        let kernels = kernels.and_then(|key| KernelFile::of_user(info, &key));
        let mut device = Self::new(info.clone(), capabilities, opened, kernels);
        match canary::run(&device) {
            Ok(()) => {
                device.be_patient(PATIENCE);
                problems::use_adapter(format!("{}, driver {}", info.full_name(), info.driver));
                Ok(device)
            }
            Err(problem) => {
                // Left alone: to close a device that hangs is to wait for it, perhaps for ever.
                std::mem::forget(device);
                Err(problem)
            }
        }
    }
}

/// Permission to use cooperative matrices, if there are any that kernels use.
fn experiments(features: Features) -> wgpu::ExperimentalFeatures {
    if !features.contains(Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        return wgpu::ExperimentalFeatures::disabled();
    }
    // SAFETY: cooperative matrices are the one experiment that is asked for; their kernel runs on those alone that
    // the adapter lists, is held to its twin by a test, and reads and writes within its own tiles.
    #[expect(unsafe_code, reason = "wgpu marks its experimental features so")]
    unsafe {
        wgpu::ExperimentalFeatures::enabled()
    }
}

/// Least bytes of a storage binding: what WebGPU promises.
const LEAST_BINDING: u64 = 128 << 20;

/// What the adapter lacks for the kernels, in words.
fn lacking(flags: DownlevelFlags, limits: &wgpu::Limits) -> Option<String> {
    if !flags.contains(DownlevelFlags::COMPUTE_SHADERS) {
        return Some("it has no compute shaders".to_owned());
    }
    if !flags.contains(DownlevelFlags::SHADER_F16_IN_F32) {
        return Some("its shaders cannot unpack f16".to_owned());
    }
    let at_least = |what: &str, has: u32, needs: u32| {
        (has < needs).then(|| format!("it offers {has} {what}, and {needs} are needed"))
    };
    at_least("storage buffers a kernel", limits.max_storage_buffers_per_shader_stage, MOST_BINDINGS)
        .or_else(|| {
            let has = limits.max_compute_invocations_per_workgroup;
            at_least("invocations a workgroup", has, MOST_LANES)
        })
        .or_else(|| {
            let has = limits.max_storage_buffer_binding_size;
            let (offered, needed) = (units::bytes(has), units::bytes(LEAST_BINDING));
            (has < LEAST_BINDING)
                .then(|| format!("it offers {offered} a storage binding, and {needed} are needed"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_that_lacks_something_is_told_what() {
        let all = DownlevelFlags::all();
        let enough = wgpu::Limits { max_storage_buffers_per_shader_stage: 8, ..Default::default() };
        assert_eq!(lacking(all, &enough), None);
        let told = |flags, limits: &wgpu::Limits| lacking(flags, limits).unwrap_or_default();
        assert!(told(all - DownlevelFlags::COMPUTE_SHADERS, &enough).contains("compute shaders"));
        let few = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..Default::default() };
        assert!(told(all, &few).contains("4 storage buffers a kernel, and 8 are needed"));
        let narrow = wgpu::Limits { max_storage_buffer_binding_size: 64 << 20, ..Default::default() };
        assert!(told(all, &narrow).contains("67.1 MB a storage binding, and 134 MB are needed"));
    }

    #[test]
    fn an_unknown_adapter_is_refused_with_those_there_are() {
        let error = Device::open(Some("Voodoo 2")).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("Voodoo 2") && error.contains("0: "), "{error}");
    }
}
