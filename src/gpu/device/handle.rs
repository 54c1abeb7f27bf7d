//! The engine's own wgpu device: opened, checked, and with every error turned into a value.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use wgpu::{BufferUsages, PollType, SubmissionIndex};

use super::adapter_info::AdapterInfo;
use super::failures::{FailedAdapter, Problem};
use super::kernel_file::KernelFile;
use super::memory::MemoryLimit;
use super::pipelines::Pipelines;
use super::traffic::{Counters, Traffic};
use super::waiting::{FIRST_PATIENCE, FirstFailure, Unfinished, poll};
use crate::gpu::kernels::{Capabilities, KernelUse};
use crate::model::ModelError;
use crate::problems;

/// A device that passed the checks, with its pipelines.
pub struct Device {
    /// The adapter it came from.
    pub info: AdapterInfo,
    /// Adapters that would have come before it, but do not work.
    pub passed_over: Vec<FailedAdapter>,
    /// What kernels can use on it.
    pub capabilities: Capabilities,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    failure: FirstFailure,
    /// How long a submission may take.
    patience: Duration,
    /// Whether one took longer.
    pub(super) silent: AtomicBool,
    pipelines: Pipelines,
    counters: Counters,
    /// Bytes of buffers after which the next one fails.
    fails_beyond: AtomicU64,
    pub(super) memory: MemoryLimit,
}

impl Device {
    /// A device that has not worked yet: it is given little time for it. What it compiles is kept in a file, if there is one.
    pub(super) fn new(
        info: AdapterInfo,
        capabilities: Capabilities,
        (device, queue): (wgpu::Device, wgpu::Queue),
        kernels: Option<KernelFile>,
    ) -> Self {
        let failure = FirstFailure::watch(&device);
        let pipelines = Pipelines::new(&device, kernels);
        Self {
            info,
            passed_over: Vec::new(),
            capabilities,
            device,
            queue,
            failure,
            patience: FIRST_PATIENCE,
            silent: AtomicBool::new(false),
            pipelines,
            counters: Counters::default(),
            fails_beyond: AtomicU64::new(u64::MAX),
            memory: MemoryLimit::default(),
        }
    }

    /// Gives each submission this much time from now on.
    pub(super) fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// What an error says about the adapter, before any model is on it.
    pub(super) fn problem(&self, error: ModelError) -> Problem {
        match self.silent.load(Ordering::Relaxed) {
            true => Problem::Silent { seconds: self.patience.as_secs() },
            false => Problem::from(error),
        }
    }

    /// Whether kernels may compute in f16.
    pub fn computes_f16(&self) -> bool {
        self.device.features().contains(wgpu::Features::SHADER_F16)
    }

    /// What passed between CPU and GPU so far.
    pub fn traffic(&self) -> Traffic {
        self.counters.traffic()
    }

    /// Counts dispatches of a pass.
    pub(crate) fn count_dispatches(&self, count: usize) {
        self.counters.dispatches.add(count as u64);
    }

    /// Counts a pass whose commands were there already.
    pub(crate) fn count_recorded_ahead(&self) {
        self.counters.recorded_ahead.add(1);
    }

    /// Counts bytes of weights that cross the bus.
    pub(crate) fn count_bus_bytes(&self, bytes: u64) {
        self.counters.bus_bytes.add(bytes);
    }

    /// Kills the device, as a driver crash would: for tests of what the program does then.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Bytes of all buffers that were made so far, whether they are still there or not.
    pub(crate) fn created_bytes(&self) -> u64 {
        self.counters.created_bytes.get()
    }

    /// Lets one buffer fail, as if there were no memory left, once so many bytes more were made: for tests of what the
    /// program does then.
    pub fn fail_beyond(&self, bytes: u64) {
        self.fails_beyond.store(self.created_bytes().saturating_add(bytes), Ordering::Relaxed);
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
        if self.counters.created_bytes.get() > self.fails_beyond.load(Ordering::Relaxed) {
            self.fails_beyond.store(u64::MAX, Ordering::Relaxed);
            return Err(ModelError::OutOfMemory { what: format!("{what} ({})", crate::units::bytes(bytes)) });
        }
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
            return Err(ModelError::OutOfMemory { what: format!("{what} ({})", crate::units::bytes(bytes)) });
        }
        self.counters.created_bytes.add(bytes);
        Ok(buffer)
    }

    /// The kernel, ready to run; compiled once for each set of constants.
    pub(crate) fn pipeline(&self, kernel: &KernelUse) -> Result<wgpu::ComputePipeline, ModelError> {
        let pipeline = self.pipelines.get(&self.device, kernel);
        self.check()?;
        Ok(pipeline)
    }

    /// Whether the kernel is made.
    pub(super) fn has_pipeline(&self, kernel: &KernelUse) -> bool {
        self.pipelines.has(kernel)
    }

    /// How many kernels were made so far.
    pub fn pipelines(&self) -> usize {
        self.pipelines.len()
    }

    /// Keeps what the driver compiled for the next start, where it can be kept.
    pub(crate) fn keep_kernels(&self) {
        self.pipelines.keep();
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
        self.submit_commands([encoder.finish()])
    }

    /// Hands commands to the GPU, together.
    pub(crate) fn submit_commands(
        &self,
        commands: impl IntoIterator<Item = wgpu::CommandBuffer>,
    ) -> SubmissionIndex {
        self.counters.submissions.add(1);
        self.queue.submit(commands)
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
        self.counters.read_bytes.add(bytes);
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

    fn polled(&self, how: PollType) -> Result<(), ModelError> {
        if matches!(how, PollType::Wait { .. }) {
            self.counters.waits.add(1);
        }
        let waited = poll(&self.device, how);
        self.check()?;
        let silent = matches!(waited, Err(Unfinished::Silent(_)));
        self.silent.fetch_or(silent, Ordering::Relaxed);
        // What does not answer at first is told with the adapters.
        if silent && self.patience > FIRST_PATIENCE {
            problems::record(&format!("the GPU did not answer for {} s", self.patience.as_secs()));
        }
        waited.map_err(|unfinished| unfinished.error())
    }

    /// The first failure that a callback reported, if any.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        self.failure.check()
    }
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
}
