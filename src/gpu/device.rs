//! The engine's own wgpu device: opened, checked, and with every error turned into a value.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wgpu::{BufferUsages, DeviceType, DownlevelFlags, Features, PollType, SubmissionIndex};

use super::adapter::{self, AdapterInfo};
use super::canary;
use super::kernels::{KernelChoice, LinearVariant, MOST_LANES, Reduction};
use super::matrices::{self, MatrixUnits};
use super::shader::{self, Variant};
use super::trials::{Trial, Trials};
use crate::model::ModelError;

/// Longest that a submission may take before the device counts as lost. Submissions are cut to tens of
/// milliseconds on a GPU; the software driver on a busy machine needs the room.
const PATIENCE: Duration = Duration::from_secs(60);

/// Features that are used where the adapter has them.
const WANTED_FEATURES: Features = Features::TIMESTAMP_QUERY
    .union(Features::TIMESTAMP_QUERY_INSIDE_PASSES)
    .union(Features::SUBGROUP)
    .union(Features::SHADER_INT64);

/// A device that passed the checks, with its pipelines.
pub struct Device {
    /// The adapter it came from.
    pub info: AdapterInfo,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) class: AdapterClass,
    /// The lanes that a subgroup can have, as the driver tells.
    pub(super) subgroup_sizes: RangeInclusive<u32>,
    /// Matrix units that kernels can use, the likeliest to be fast first.
    matrix_units: Vec<MatrixUnits>,
    failure: Arc<Mutex<Option<ModelError>>>,
    pipelines: Mutex<HashMap<PipelineKey, wgpu::ComputePipeline>>,
    submissions: AtomicU64,
    waits: AtomicU64,
    read_bytes: AtomicU64,
    dispatches: AtomicU64,
    recorded_ahead: AtomicU64,
}

/// What passed between CPU and GPU since the device was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Command buffers submitted.
    pub submissions: u64,
    /// Times that the CPU blocked until the GPU was done with something.
    pub waits: u64,
    /// Bytes read back.
    pub read_bytes: u64,
    /// Dispatches of passes.
    pub dispatches: u64,
    /// Passes whose commands were recorded while the one before was computed.
    pub recorded_ahead: u64,
}

/// The two kinds of hardware that kernels are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AdapterClass {
    /// Many lanes, cheap barriers, memory that wants neighbouring lanes at neighbouring addresses.
    Gpu,
    /// A software driver: few lanes, and each barrier costs as much as hundreds of multiplications.
    Cpu,
}

type PipelineKey = (Variant, Vec<(&'static str, u64)>);

/// Why no device could be had.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No driver offers an adapter.
    #[error(
        "no GPU was found: no Vulkan, Metal or DirectX 12 driver answered. Install your GPU's driver; without a GPU, a software Vulkan driver works (on Linux: package mesa-vulkan-drivers, Mesa 23 or newer)"
    )]
    NoAdapter,
    /// The choice matches none of the adapters.
    #[error("adapter {choice}: there is no such adapter. Found: {found}")]
    UnknownAdapter {
        /// What was asked for.
        choice: String,
        /// What there is.
        found: String,
    },
    /// The adapter lacks something that the kernels need.
    #[error("adapter {name} cannot run the kernels: {lacks}. Choose another adapter, or update its driver")]
    Unfit {
        /// Its name.
        name: String,
        /// What it lacks.
        lacks: String,
    },
    /// The driver cannot count.
    #[error(
        "the driver ({driver}) computes wrongly: a loop of {turns} turns ended after {counted}. Mesa's software driver before version 23 does this; install Mesa 23 or newer (Debian 12: from the backports suite), or a GPU driver"
    )]
    MiscountingDriver {
        /// Driver name and version.
        driver: String,
        /// Turns made.
        counted: u32,
        /// Turns asked for.
        turns: u32,
    },
    /// The adapter refused to open a device.
    #[error("adapter {name} could not be opened: {reason}")]
    Refused {
        /// Its name.
        name: String,
        /// The driver's words.
        reason: String,
    },
    /// Something failed on the open device.
    #[error(transparent)]
    Device(#[from] ModelError),
}

impl Device {
    /// Opens the adapter of this index, or with this text in its name, or the best one; runs the loop canary.
    pub fn open(choice: Option<&str>) -> Result<Self, GpuError> {
        let (info, adapter) = adapter::choose(choice)?;
        let limits = adapter.limits();
        if let Some(lacks) = lacking(adapter.get_downlevel_capabilities().flags, &limits) {
            return Err(GpuError::Unfit { name: info.name, lacks });
        }
        let matrix_units = MatrixUnits::of(&adapter);
        let for_matrices = matrix_units.iter().fold(Features::empty(), |all, units| all | units.features());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("logitscope engine"),
            required_features: (adapter.features() & WANTED_FEATURES) | for_matrices,
            required_limits: limits,
            experimental_features: experiments(&matrix_units),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| GpuError::Refused { name: info.name.clone(), reason: error.to_string() })?;
        let failure = Arc::new(Mutex::new(None));
        watch(&device, &failure);
        let facts = adapter.get_info();
        let class = match facts.device_type {
            DeviceType::Cpu => AdapterClass::Cpu,
            _ => AdapterClass::Gpu,
        };
        let subgroup_sizes = facts.subgroup_min_size..=facts.subgroup_max_size;
        let device = Self {
            info,
            device,
            queue,
            class,
            subgroup_sizes,
            matrix_units,
            failure,
            pipelines: Mutex::default(),
            submissions: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            dispatches: AtomicU64::new(0),
            recorded_ahead: AtomicU64::new(0),
        };
        canary::run(&device)?;
        Ok(device)
    }

    /// Which kernels a model gets here, in words: those it begins with, and what trials found.
    pub fn variants(&self) -> Vec<String> {
        let choice = KernelChoice::candidates(self)[0];
        let mut variants = choice.describe();
        let others = choice.prompt_candidates(self).into_iter().skip(1);
        variants
            .extend(others.map(|other| format!("linear map, more rows, to be tried: {}", other.describe())));
        let trials = Trials::of_user();
        variants.extend(trials.about(&self.info.full_name(), &self.info.driver).filter_map(Trial::words));
        variants
    }

    /// What passed between CPU and GPU so far.
    pub fn traffic(&self) -> Traffic {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            submissions: count(&self.submissions),
            waits: count(&self.waits),
            read_bytes: count(&self.read_bytes),
            dispatches: count(&self.dispatches),
            recorded_ahead: count(&self.recorded_ahead),
        }
    }

    /// Counts dispatches of a pass.
    pub(super) fn count_dispatches(&self, count: usize) {
        self.dispatches.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts a pass whose commands were there already.
    pub(super) fn count_recorded_ahead(&self) {
        self.recorded_ahead.fetch_add(1, Ordering::Relaxed);
    }

    /// Kills the device, as a driver crash would: for tests of what the program does then.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Whether the adapter has what [`super::kernels::LinearVariant::Shuffle`] takes: words of 64 bits, and every
    /// subgroup of this many lanes.
    pub(super) fn can_shuffle(&self, lanes: u32) -> bool {
        self.device.features().contains(Features::SUBGROUP | Features::SHADER_INT64)
            && self.subgroup_sizes == (lanes..=lanes)
    }

    /// How lanes can add up by subgroups; `None` where the adapter has none.
    pub fn subgroup_reduction(&self) -> Option<Reduction> {
        let least = (*self.subgroup_sizes.start()).max(1);
        self.device.features().contains(Features::SUBGROUP).then_some(Reduction::Subgroups { least })
    }

    /// How matrix units can compute a linear map of many rows; empty where the adapter has none of those that
    /// the kernels have a form for.
    pub fn matrix_variants(&self) -> Vec<LinearVariant> {
        let lanes = matrices::lanes(*self.subgroup_sizes.end());
        self.matrix_units.iter().map(|&units| LinearVariant::Matrices { units, lanes }).collect()
    }

    /// The largest buffer that one binding can show to a kernel, in bytes.
    pub(super) fn binding_limit(&self) -> u64 {
        self.info.binding_bytes
    }

    /// A buffer; out of memory is an error that names what it was for.
    pub(super) fn buffer(
        &self,
        what: &str,
        bytes: u64,
        usage: BufferUsages,
    ) -> Result<wgpu::Buffer, ModelError> {
        let out_of_memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let invalid = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: bytes.max(4).next_multiple_of(4),
            usage,
            mapped_at_creation: false,
        });
        // A buffer above the device's limit is a validation error: for the user it is the same lack of room.
        let failed = pollster::block_on(invalid.pop()).is_some();
        let failed = pollster::block_on(out_of_memory.pop()).is_some() || failed;
        self.check()?;
        if failed {
            return Err(ModelError::OutOfMemory { what: format!("{what} ({} MiB)", bytes >> 20) });
        }
        Ok(buffer)
    }

    /// The kernel, specialised; compiled once for each set of constants.
    pub(super) fn pipeline(
        &self,
        variant: impl Into<Variant>,
        constants: &[(&'static str, f64)],
    ) -> Result<wgpu::ComputePipeline, ModelError> {
        let variant = variant.into();
        let bits = constants.iter().map(|(name, value)| (*name, value.to_bits())).collect();
        let key: PipelineKey = (variant, bits);
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pipelines.get(&key) {
            return Ok(known.clone());
        }
        let source = shader::kernel_source(variant);
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(variant.kernel.name()),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        };
        // SAFETY: the sources are our own, validated by a test; every index is bounded by constants and row
        // counts that the program computes, and every loop ends.
        #[expect(unsafe_code, reason = "bounds checks and loop limits in every kernel cost up to 100 times")]
        let module = unsafe {
            self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        };
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(variant.kernel.name()),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        self.check()?;
        pipelines.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// How many kernels were made so far.
    pub(super) fn pipelines(&self) -> usize {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A bind group of whole buffers, each with its binding.
    pub(super) fn bind_group(
        &self,
        pipeline: &wgpu::ComputePipeline,
        buffers: &[(u32, &wgpu::Buffer)],
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = buffers
            .iter()
            .map(|&(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Ends commands and hands them to the GPU.
    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> SubmissionIndex {
        self.submit_commands(encoder.finish())
    }

    /// Hands commands to the GPU.
    pub(super) fn submit_commands(&self, commands: wgpu::CommandBuffer) -> SubmissionIndex {
        self.submissions.fetch_add(1, Ordering::Relaxed);
        self.queue.submit([commands])
    }

    /// Submits, waits, and returns the `bytes` of `source` from `offset` on.
    pub(super) fn submit_and_read(
        &self,
        mut encoder: wgpu::CommandEncoder,
        source: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
    ) -> Result<Vec<u8>, ModelError> {
        let staging = self.buffer("readback", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        encoder.copy_buffer_to_buffer(source, offset, &staging, 0, bytes);
        let submission = self.submit(encoder);
        self.read_mapped(&staging, bytes, submission, <[u8]>::to_vec)
    }

    /// Waits for a submission, maps a staging buffer that it filled, and hands its bytes to `take`.
    pub(super) fn read_mapped<T>(
        &self,
        staging: &wgpu::Buffer,
        bytes: u64,
        submission: SubmissionIndex,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, ModelError> {
        staging.map_async(wgpu::MapMode::Read, 0..bytes, |_| {});
        self.wait_for(Some(submission))?;
        let taken = match staging.get_mapped_range(0..bytes) {
            Ok(mapped) => take(&mapped),
            Err(error) => return Err(ModelError::Device { reason: error.to_string() }),
        };
        staging.unmap();
        self.read_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(taken)
    }

    /// Waits until a submission is done; for `None`, takes in what is done by now.
    pub(super) fn wait_for(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), ModelError> {
        let poll = match submission {
            None => PollType::Poll,
            submission => PollType::Wait { submission_index: submission, timeout: Some(PATIENCE) },
        };
        self.polled(poll)
    }

    /// Waits until everything submitted is done.
    pub(super) fn wait(&self) -> Result<(), ModelError> {
        self.polled(PollType::Wait { submission_index: None, timeout: Some(PATIENCE) })
    }

    fn polled(&self, poll: PollType) -> Result<(), ModelError> {
        if matches!(poll, PollType::Wait { .. }) {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
        let waited = self.device.poll(poll);
        self.check()?;
        waited.map(drop).map_err(|error| ModelError::DeviceLost { reason: error.to_string() })
    }

    /// The first failure that a callback reported, if any.
    pub(super) fn check(&self) -> Result<(), ModelError> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }
}

/// Leave to use cooperative matrices, where there are any that kernels use.
fn experiments(units: &[MatrixUnits]) -> wgpu::ExperimentalFeatures {
    if units.is_empty() {
        return wgpu::ExperimentalFeatures::disabled();
    }
    // SAFETY: cooperative matrices are the one experiment that is asked for; their kernel runs on those alone that
    // the adapter lists, is held to its twin by a test, and reads and writes within its own tiles.
    #[expect(unsafe_code, reason = "wgpu marks its experimental features so")]
    unsafe {
        wgpu::ExperimentalFeatures::enabled()
    }
}

/// Keeps the first error that arrives outside of any call: without these handlers wgpu panics.
fn watch(device: &wgpu::Device, failure: &Arc<Mutex<Option<ModelError>>>) {
    let keep = |failure: &Mutex<Option<ModelError>>, error: ModelError| {
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let slot = Arc::clone(failure);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let error = match error {
            wgpu::Error::OutOfMemory { .. } => ModelError::OutOfMemory { what: "the model".to_owned() },
            other => ModelError::Device { reason: other.to_string() },
        };
        keep(&slot, error);
    }));
    let slot = Arc::clone(failure);
    device.set_device_lost_callback(move |reason, message| {
        let reason = if message.is_empty() { format!("{reason:?}") } else { message };
        keep(&slot, ModelError::DeviceLost { reason });
    });
}

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
    at_least("storage buffers a kernel", limits.max_storage_buffers_per_shader_stage, shader::MOST_BINDINGS)
        .or_else(|| {
            let has = limits.max_compute_invocations_per_workgroup;
            at_least("invocations a workgroup", has, MOST_LANES)
        })
        .or_else(|| {
            let has = limits.max_storage_buffer_binding_size >> 20;
            at_least("MiB a storage binding", u32::try_from(has).unwrap_or(u32::MAX), 128)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_than_there_is_names_what_it_was_for() {
        let device = Device::open(None).unwrap();
        let error = device.buffer("the KV cache", 1 << 50, BufferUsages::STORAGE).unwrap_err().to_string();
        assert!(error.contains("the KV cache") && error.contains("shorter context"), "{error}");
        assert_eq!(device.check(), Ok(()), "the device goes on");
    }

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
        assert!(told(all, &narrow).contains("64 MiB a storage binding"));
    }

    #[test]
    fn an_unknown_adapter_is_refused_with_those_there_are() {
        let error = Device::open(Some("Voodoo 2")).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("Voodoo 2") && error.contains("0: "), "{error}");
    }
}
