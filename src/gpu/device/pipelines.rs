//! The kernels that were made on a device, each compiled once for each set of constants.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::dump::dump_if_asked;
use super::waiting::FirstFailure;
use crate::gpu::kernels::{KernelUse, Variant, kernel_source};
use crate::model::ModelError;

type PipelineKey = (Variant, Vec<(&'static str, u64)>);

/// The kernels made so far.
#[derive(Default)]
pub(super) struct Pipelines(Mutex<HashMap<PipelineKey, wgpu::ComputePipeline>>);

impl Pipelines {
    /// The kernel, specialised; made if there is none yet.
    pub(super) fn get(
        &self,
        device: &wgpu::Device,
        failure: &FirstFailure,
        kernel: &KernelUse,
    ) -> Result<wgpu::ComputePipeline, ModelError> {
        let (variant, constants) = (kernel.variant, kernel.constants());
        let bits = constants.iter().map(|(name, value)| (*name, value.to_bits())).collect();
        let key: PipelineKey = (variant, bits);
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(&key) {
            return Ok(known.clone());
        }
        let source = kernel_source(variant);
        dump_if_asked(kernel, &source);
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(variant.kernel.name()),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        };
        // SAFETY: the sources are our own, validated by a test; every index is bounded by constants and row
        // counts that the program computes, and every loop ends.
        #[expect(unsafe_code, reason = "bounds checks and loop limits in every kernel cost up to 100 times")]
        let module = unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(variant.kernel.name()),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        failure.check()?;
        made.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
