//! The engine's own wgpu device: opened, checked, and with every error turned into a value.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wgpu::{BufferUsages, DeviceType, DownlevelFlags, Features, PollError, PollType, SubmissionIndex};

use super::adapter_info::{self, AdapterInfo};
use super::canary;
use super::failures::{self, Asked, FailedAdapter, Problem};
use crate::gpu::engine::{Trial, Trials};
use crate::gpu::kernels::{self, KernelChoice, LinearVariant, MOST_LANES, MatrixUnits, Reduction, Variant};
use crate::model::ModelError;

/// Longest that a submission may take before the device counts as lost. Submissions are cut to tens of
/// milliseconds on a GPU; the software driver on a busy machine needs the room.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same for an adapter's first work, which takes milliseconds: another adapter may be waiting for its turn.
pub(crate) const FIRST_PATIENCE: Duration = Duration::from_secs(20);

/// Features that are used where the adapter has them.
const WANTED_FEATURES: Features = Features::TIMESTAMP_QUERY
    .union(Features::TIMESTAMP_QUERY_INSIDE_PASSES)
    .union(Features::SUBGROUP)
    .union(Features::SHADER_INT64);

/// A device that passed the checks, with its pipelines.
pub struct Device {
    /// The adapter it came from.
    pub info: AdapterInfo,
    /// Adapters that would have come before it, but do not work.
    pub passed_over: Vec<FailedAdapter>,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) class: AdapterClass,
    /// The lanes that a subgroup can have, as the driver tells.
    pub(crate) subgroup_sizes: RangeInclusive<u32>,
    /// Matrix units that kernels can use, the likeliest to be fast first.
    matrix_units: Vec<MatrixUnits>,
    failure: Arc<Mutex<Option<ModelError>>>,
    /// How long a submission may take.
    patience: Duration,
    /// Whether one took longer.
    silent: AtomicBool,
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
pub(crate) enum AdapterClass {
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
    /// What was chosen does not work.
    #[error("{}. {}", sentences(failed), others_of(others))]
    ChosenFails {
        /// The adapters that the choice stands for.
        failed: Vec<FailedAdapter>,
        /// The others, with their numbers, as far as they are not known to fail.
        others: Vec<String>,
    },
    /// Nothing was chosen, and nothing works.
    #[error(
        "no adapter of this machine works: {}. Update the GPU's driver; without a GPU, a software Vulkan driver works (on Linux: package mesa-vulkan-drivers, Mesa 23 or newer)",
        sentences(.0)
    )]
    NoneWorks(Vec<FailedAdapter>),
    /// Something failed on the open device.
    #[error(transparent)]
    Device(#[from] ModelError),
}

impl GpuError {
    /// What is wrong, without what to do.
    pub fn problem(&self) -> String {
        match self {
            Self::ChosenFails { failed, .. } | Self::NoneWorks(failed) if failed.len() == 1 => {
                failed[0].problem.to_string()
            }
            other => other.to_string(),
        }
    }
}

fn sentences(failed: &[FailedAdapter]) -> String {
    failed.iter().map(FailedAdapter::to_string).collect::<Vec<_>>().join("; ")
}

fn others_of(others: &[String]) -> String {
    match others {
        [] => "There is no other adapter: update its driver".to_owned(),
        others => {
            format!("Others: {}. Without a choice, the first one that works is taken", others.join("; "))
        }
    }
}

impl Device {
    /// Opens the adapter of this index, or with this text in its name, or the best one; runs the loop canary. Of several
    /// that are meant, the first one that works: those before it are [`Self::passed_over`].
    pub fn open(choice: Option<&str>) -> Result<Self, GpuError> {
        let candidates = adapter_info::candidates(choice)?;
        let asked = if choice.is_some() { Asked::ByName } else { Asked::Nothing };
        let opened = failures::open_first(&candidates, asked, &failures::KNOWN, Self::open_adapter);
        match opened {
            Ok((device, passed_over)) => Ok(Self { passed_over, ..device }),
            Err(failed) if choice.is_none() => Err(GpuError::NoneWorks(failed)),
            Err(failed) => {
                let meant = |info: &AdapterInfo| failed.iter().any(|failed| failed.info.index == info.index);
                let others = adapter_info::adapters().into_iter().filter(|info| !meant(info));
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
        let matrix_units = MatrixUnits::of(adapter);
        let for_matrices = matrix_units.iter().fold(Features::empty(), |all, units| all | units.features());
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("logitscope engine"),
            required_features: (adapter.features() & WANTED_FEATURES) | for_matrices,
            required_limits: limits,
            experimental_features: experiments(&matrix_units),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Problem::Refused(error.to_string()))?;
        let failure = Arc::new(Mutex::new(None));
        watch(&device, &failure);
        let facts = adapter.get_info();
        let class = match facts.device_type {
            DeviceType::Cpu => AdapterClass::Cpu,
            _ => AdapterClass::Gpu,
        };
        let subgroup_sizes = facts.subgroup_min_size..=facts.subgroup_max_size;
        let mut device = Self {
            info: info.clone(),
            passed_over: Vec::new(),
            device,
            queue,
            class,
            subgroup_sizes,
            matrix_units,
            failure,
            patience: FIRST_PATIENCE,
            pipelines: Mutex::default(),
            silent: AtomicBool::new(false),
            submissions: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            dispatches: AtomicU64::new(0),
            recorded_ahead: AtomicU64::new(0),
        };
        match canary::run(&device) {
            Ok(()) => {
                device.patience = PATIENCE;
                Ok(device)
            }
            Err(problem) => {
                // Left alone: to close a device that hangs is to wait for it, perhaps for ever.
                std::mem::forget(device);
                Err(problem)
            }
        }
    }

    /// What an error says about the adapter, before any model is on it.
    pub(crate) fn problem(&self, error: ModelError) -> Problem {
        match self.silent.load(Ordering::Relaxed) {
            true => Problem::Silent { seconds: self.patience.as_secs() },
            false => Problem::from(error),
        }
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
    pub(crate) fn count_dispatches(&self, count: usize) {
        self.dispatches.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts a pass whose commands were there already.
    pub(crate) fn count_recorded_ahead(&self) {
        self.recorded_ahead.fetch_add(1, Ordering::Relaxed);
    }

    /// Kills the device, as a driver crash would: for tests of what the program does then.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Whether the adapter has what [`crate::gpu::kernels::LinearVariant::Shuffle`] takes: words of 64 bits, and every
    /// subgroup of this many lanes.
    pub(crate) fn can_shuffle(&self, lanes: u32) -> bool {
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
        let lanes = kernels::lanes(*self.subgroup_sizes.end());
        self.matrix_units.iter().map(|&units| LinearVariant::Matrices { units, lanes }).collect()
    }

    /// The largest buffer that one binding can show to a kernel, in bytes.
    pub(crate) fn binding_limit(&self) -> u64 {
        self.info.binding_bytes
    }

    /// A buffer; out of memory is an error that names what it was for.
    pub(crate) fn buffer(
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
    pub(crate) fn pipeline(
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
        let source = kernels::kernel_source(variant);
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
    pub(crate) fn pipelines(&self) -> usize {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A bind group of whole buffers, each with its binding.
    pub(crate) fn bind_group(
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

    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Ends commands and hands them to the GPU.
    pub(crate) fn submit(&self, encoder: wgpu::CommandEncoder) -> SubmissionIndex {
        self.submit_commands(encoder.finish())
    }

    /// Hands commands to the GPU.
    pub(crate) fn submit_commands(&self, commands: wgpu::CommandBuffer) -> SubmissionIndex {
        self.submissions.fetch_add(1, Ordering::Relaxed);
        self.queue.submit([commands])
    }

    /// Submits, waits, and returns the `bytes` of `source` from `offset` on.
    pub(crate) fn submit_and_read(
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
    pub(crate) fn read_mapped<T>(
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
    pub(crate) fn wait_for(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), ModelError> {
        let poll = match submission {
            None => PollType::Poll,
            submission => PollType::Wait { submission_index: submission, timeout: Some(self.patience) },
        };
        self.polled(poll)
    }

    /// Waits until everything submitted is done.
    pub(crate) fn wait(&self) -> Result<(), ModelError> {
        self.polled(PollType::Wait { submission_index: None, timeout: Some(self.patience) })
    }

    fn polled(&self, poll: PollType) -> Result<(), ModelError> {
        if matches!(poll, PollType::Wait { .. }) {
            self.waits.fetch_add(1, Ordering::Relaxed);
        }
        let waited = self::poll(&self.device, poll);
        self.check()?;
        let silent = matches!(waited, Err(Unfinished::Silent(_)));
        self.silent.fetch_or(silent, Ordering::Relaxed);
        waited.map_err(|unfinished| unfinished.error())
    }

    /// The first failure that a callback reported, if any.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
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

/// Why a wait came to nothing.
pub(crate) enum Unfinished {
    /// The time was up, in wgpu's words.
    Silent(PollError),
    /// The driver lost the device.
    Lost,
}

impl Unfinished {
    /// The error that it is.
    pub fn error(&self) -> ModelError {
        let reason = match self {
            Self::Silent(error) => error.to_string(),
            Self::Lost => "its driver lost it".to_owned(),
        };
        ModelError::DeviceLost { reason }
    }
}

/// Waits for a device. wgpu panics where a driver loses its device meanwhile.
pub(crate) fn poll(device: &wgpu::Device, poll: PollType) -> Result<(), Unfinished> {
    match catch_unwind(AssertUnwindSafe(|| device.poll(poll))) {
        Ok(waited) => waited.map(drop).map_err(Unfinished::Silent),
        Err(_) => Err(Unfinished::Lost),
    }
}

/// Keeps the first error that arrives outside of any call: without these handlers wgpu panics.
pub(crate) fn watch(device: &wgpu::Device, failure: &Arc<Mutex<Option<ModelError>>>) {
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
    at_least("storage buffers a kernel", limits.max_storage_buffers_per_shader_stage, kernels::MOST_BINDINGS)
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
    fn a_device_that_is_lost_before_its_first_work_is_a_problem_and_no_panic() {
        let device = Device::open(None).unwrap();
        device.destroy();
        let problem = canary::run(&device).unwrap_err();
        assert!(matches!(&problem, Problem::FailedAtOnce(reason) if !reason.is_empty()), "{problem:?}");
        device.silent.store(true, Ordering::Relaxed);
        let problem = canary::run(&device).unwrap_err();
        assert_eq!(problem, Problem::Silent { seconds: PATIENCE.as_secs() });
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_there_is_instead() {
        let info =
            AdapterInfo { name: "card".to_owned(), backend: "Dx12".to_owned(), ..AdapterInfo::default() };
        let failed = vec![FailedAdapter { info, problem: Problem::Silent { seconds: 20 } }];
        let chosen = |others| GpuError::ChosenFails { failed: failed.clone(), others };
        let told = chosen(vec!["1, card (Vulkan)".to_owned()]).to_string();
        assert!(
            told.contains("adapter 0, card (Dx12)") && told.contains("Others: 1, card (Vulkan)"),
            "{told}"
        );
        assert!(chosen(Vec::new()).to_string().contains("no other adapter"));
        let none = GpuError::NoneWorks(failed.clone());
        assert!(none.to_string().contains("no adapter of this machine works: adapter 0, card"), "{none}");
        assert_eq!(none.problem(), "it did not do its first work within 20 s");
    }

    #[test]
    fn an_unknown_adapter_is_refused_with_those_there_are() {
        let error = Device::open(Some("Voodoo 2")).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("Voodoo 2") && error.contains("0: "), "{error}");
    }
}
