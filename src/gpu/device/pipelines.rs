//! The kernels that were made on a device, each compiled once for each set of constants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use wgpu::{Features, PipelineCacheDescriptor};

use super::dump::dump_if_asked;
use super::kernel_file::KernelFile;
use crate::gpu::kernels::{KernelUse, Variant, kernel_source};

type PipelineKey = (Variant, Vec<(&'static str, u64)>);

/// A kernel, once it is made.
type Made = Arc<OnceLock<wgpu::ComputePipeline>>;

/// The kernels made so far, and those that are being made.
pub(super) struct Pipelines {
    made: Mutex<HashMap<PipelineKey, Made>>,
    kept: Option<Kept>,
}

/// What the driver compiled, in this run and before.
struct Kept {
    cache: wgpu::PipelineCache,
    file: KernelFile,
    /// What the file has of it.
    written: Mutex<Option<Extent>>,
}

/// How many bytes of a driver's cache there are, and the first of them, which tell whose they are. Drivers only add to it, so
/// nothing is new where these are the same.
#[derive(PartialEq)]
struct Extent(usize, Vec<u8>);

impl Extent {
    fn of(bytes: &[u8]) -> Self {
        /// More than the headers of wgpu and of Vulkan have together.
        const HEADER_BYTES: usize = 96;
        Self(bytes.len(), bytes[..bytes.len().min(HEADER_BYTES)].to_vec())
    }
}

impl Pipelines {
    /// None as yet; what the driver compiles is kept in a file, if there is one and the driver hands it out.
    pub(super) fn new(device: &wgpu::Device, file: Option<KernelFile>) -> Self {
        let file = file.filter(|_| device.features().contains(Features::PIPELINE_CACHE));
        let kept = file.and_then(|file| {
            let known = file.read();
            let written = Mutex::new(known.as_deref().map(Extent::of));
            let cache =
                known.and_then(|known| cache(device, Some(&known))).or_else(|| cache(device, None))?;
            Some(Kept { cache, file, written })
        });
        Self { made: Mutex::default(), kept }
    }

    /// Writes what the driver compiled to the file, unless it is there already.
    pub(super) fn keep(&self) {
        let Some(Kept { cache, file, written }) = &self.kept else { return };
        let Some(compiled) = cache.get_data() else { return };
        let extent = Some(Extent::of(&compiled));
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written != extent {
            *written = extent;
            file.write(&compiled);
        }
    }

    /// The kernel, specialised; made if there is none yet. A thread that wants one that another thread is making waits for it.
    pub(super) fn get(&self, device: &wgpu::Device, kernel: &KernelUse) -> wgpu::ComputePipeline {
        let made = Arc::clone(self.lock().entry(key(kernel)).or_default());
        let cache = self.kept.as_ref().map(|kept| &kept.cache);
        made.get_or_init(|| make(device, kernel, cache)).clone()
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
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(kernel: &KernelUse) -> PipelineKey {
    let bits = kernel.constants().iter().map(|(name, value)| (*name, value.to_bits())).collect();
    (kernel.variant, bits)
}

/// The driver's cache, beginning with what it handed out before; `None` where it refuses that.
fn cache(device: &wgpu::Device, known: Option<&[u8]>) -> Option<wgpu::PipelineCache> {
    let invalid = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let out_of_memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let descriptor = PipelineCacheDescriptor { label: Some("kernels"), data: known, fallback: true };
    // SAFETY: what is known came from `get_data` on a device of the same adapter and driver; the file's sum tells that it is
    // whole, and wgpu and the driver compare what is in its header with theirs.
    #[expect(unsafe_code, reason = "wgpu cannot prove where the bytes come from")]
    let cache = unsafe { device.create_pipeline_cache(&descriptor) };
    let failed = [out_of_memory, invalid].map(|scope| pollster::block_on(scope.pop()));
    failed.iter().all(Option::is_none).then_some(cache)
}

/// Compiles a kernel, or finds it in the driver's cache.
fn make(
    device: &wgpu::Device,
    kernel: &KernelUse,
    cache: Option<&wgpu::PipelineCache>,
) -> wgpu::ComputePipeline {
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
        cache,
    })
}

#[cfg(test)]
mod tests {
    use super::super::handle::Device;
    use super::*;
    use crate::gpu::kernels::{Kernel, Override};

    #[test]
    fn a_file_that_the_driver_cannot_use_changes_nothing_and_is_replaced() {
        /// Where wgpu has what it tells adapters apart by.
        const ADAPTER_AT: usize = 17;
        let device = Device::open(None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = || KernelFile::within(folder.path(), "an adapter", "a driver");
        let overrides = vec![Override::Workgroup(8), Override::Columns4(5), Override::Factor(0.5)];
        let kernel = KernelUse { variant: Kernel::Scale.into(), overrides };
        let run = || {
            let pipelines = Pipelines::new(&device.device, Some(file()));
            pipelines.get(&device.device, &kernel);
            assert_eq!((pipelines.len(), device.check()), (1, Ok(())));
            pipelines.keep();
        };
        run();
        let whole = file().read();
        assert_eq!(whole.is_some(), device.device.features().contains(Features::PIPELINE_CACHE));
        let Some(whole) = whole else { return };
        let mut foreign = whole.clone();
        foreign[ADAPTER_AT] ^= 1;
        for known in [&[], &b"no cache"[..], &whole[..40], &whole[..whole.len() - 1], &foreign] {
            file().write(known);
            run();
            let kept = file().read().unwrap();
            assert_eq!(
                kept.get(..ADAPTER_AT + 1),
                whole.get(..ADAPTER_AT + 1),
                "after {} bytes",
                known.len()
            );
        }
    }
}
