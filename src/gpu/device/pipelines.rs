//! The kernels that were made on a device, each compiled once for each set of constants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::dump::dump_if_asked;
use crate::gpu::kernels::{KernelUse, Variant, kernel_source};

type PipelineKey = (Variant, Vec<(&'static str, u64)>);

/// A kernel, once it is made.
type Made = Arc<OnceLock<wgpu::ComputePipeline>>;

/// The kernels made so far, and those that are being made.
#[derive(Default)]
pub(super) struct Pipelines(Mutex<HashMap<PipelineKey, Made>>);

impl Pipelines {
    /// The kernel, specialised; made if there is none yet. A thread that wants one that another thread is making waits for it.
    pub(super) fn get(&self, device: &wgpu::Device, kernel: &KernelUse) -> wgpu::ComputePipeline {
        let made = Arc::clone(self.lock().entry(key(kernel)).or_default());
        made.get_or_init(|| make(device, kernel)).clone()
    }

    /// Whether the kernel is made.
    pub(super) fn has(&self, kernel: &KernelUse) -> bool {
        self.lock().get(&key(kernel)).is_some_and(|made| made.get().is_some())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().values().filter(|made| made.get().is_some()).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PipelineKey, Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(kernel: &KernelUse) -> PipelineKey {
    let bits = kernel.constants().iter().map(|(name, value)| (*name, value.to_bits())).collect();
    (kernel.variant, bits)
}

/// Compiles a kernel.
fn make(device: &wgpu::Device, kernel: &KernelUse) -> wgpu::ComputePipeline {
    let variant = kernel.variant;
    let source = kernel_source(variant);
    dump_if_asked(kernel, &source);
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(variant.kernel.name()),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    };
    // SAFETY: the sources are our own, validated by a test; every index is bounded by constants and row
    // counts that the program computes, and every loop ends.
    #[expect(unsafe_code, reason = "bounds checks and loop limits in every kernel cost up to 100 times")]
    let module =
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(variant.kernel.name()),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &kernel.constants(),
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}
