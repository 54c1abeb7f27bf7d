//! The way of weights to the GPU: threads convert pieces of tensors right into mapped staging memory, while the
//! GPU copies what was staged before.
//!
//! Memory on the way is [`STAGES`] staging buffers and a piece a thread, however large the model is.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use wgpu::{BufferUsages, MapMode, SubmissionIndex};

use super::layout::{GpuLayout, Packer};
use super::tensor::Shard;
use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::gpu::progress::{LoadPart, Progress, Share, tell};
use crate::model::weights::TensorInfo;
use crate::model::{ModelError, Weights};

/// Staging buffers: one is filled while others are copied.
const STAGES: usize = 3;
/// Bytes of one, unless a single piece is larger.
const STAGE_BYTES: u64 = 32 << 20;
/// Most threads that convert: more than these wait for memory, and not for each other.
const MOST_THREADS: usize = 8;
/// Fewer bytes than this are not worth a second thread.
const ALONE_BYTES: u64 = 256 << 10;
/// Where parts begin in staging memory: a multiple of what buffer copies ask for.
const ALIGNMENT: u64 = 16;

/// Some rows of a tensor, and where they go.
pub(super) struct Piece {
    tensor: usize,
    layout: GpuLayout,
    rows: Range<usize>,
    /// The rows, and their scales if there are any.
    parts: Vec<Part>,
}

/// Consecutive bytes of a buffer.
struct Part {
    buffer: wgpu::Buffer,
    offset: u64,
    bytes: u64,
}

/// Takes pieces, and brings them to the GPU a staging buffer at a time.
pub(super) struct Uploader<'a> {
    device: &'a Device,
    weights: &'a dyn Weights,
    progress: &'a mut Progress<'a>,
    done: u64,
    total: u64,
    /// Non-finite elements of each tensor.
    non_finite: Vec<usize>,
    stages: Vec<Stage>,
    /// The stage to be filled next.
    next: usize,
    waiting: Vec<Piece>,
    waiting_bytes: u64,
}

/// A staging buffer; it is being mapped unless its pieces are.
struct Stage {
    buffer: wgpu::Buffer,
    /// The last copy from it.
    submission: Option<SubmissionIndex>,
}

impl Piece {
    /// `rows` of a tensor, by its index among the weights and what is known of it; they lie in a shard whose first
    /// row is `first`.
    pub(super) fn new(
        (tensor, info): (usize, &TensorInfo),
        layout: GpuLayout,
        (first, shard): (usize, &Shard),
        rows: Range<usize>,
    ) -> Self {
        let part = |buffer: &wgpu::Buffer, begin: u64, row_bytes: u64| Part {
            buffer: buffer.clone(),
            offset: begin + (rows.start - first) as u64 * row_bytes,
            // The padding of rows to whole blocks is there in the buffer, as zeros; scales need it here, because
            // copies are of whole words.
            bytes: (rows.len() as u64 * row_bytes).next_multiple_of(4),
        };
        let mut parts = vec![part(&shard.buffer, 0, layout.row_bytes(info.columns))];
        let row_scale_bytes = layout.row_scale_bytes(info.columns);
        parts.extend(shard.scales.as_ref().map(|scales| part(scales, layout.table_bytes(), row_scale_bytes)));
        Self { tensor, layout, rows, parts }
    }

    /// Bytes in staging memory.
    fn bytes(&self) -> u64 {
        self.parts.iter().map(Part::staged_bytes).sum()
    }
}

impl Part {
    fn staged_bytes(&self) -> u64 {
        self.bytes.next_multiple_of(ALIGNMENT)
    }
}

impl<'a> Uploader<'a> {
    /// For `total` bytes of weights.
    pub(super) fn new(
        device: &'a Device,
        weights: &'a dyn Weights,
        total: u64,
        progress: &'a mut Progress<'a>,
    ) -> Result<Self, LoadError> {
        let mut uploader = Self {
            device,
            weights,
            progress,
            done: 0,
            total,
            non_finite: vec![0; weights.tensors().len()],
            stages: Vec::new(),
            next: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
        };
        uploader.tell()?;
        Ok(uploader)
    }

    /// Takes a piece in; brings those before it on their way when there is no room for it.
    pub(super) fn add(&mut self, piece: Piece) -> Result<(), LoadError> {
        if self.waiting_bytes + piece.bytes() > STAGE_BYTES {
            self.flush()?;
        }
        self.waiting_bytes += piece.bytes();
        self.waiting.push(piece);
        Ok(())
    }

    /// Waits until everything is on the GPU. Returns for each of the weights' tensors how many elements are no
    /// finite number.
    pub(super) fn finish(mut self) -> Result<Vec<usize>, LoadError> {
        self.flush()?;
        self.device.wait()?;
        Ok(self.non_finite)
    }

    /// Converts the pieces that wait, and has the GPU copy them.
    fn flush(&mut self) -> Result<(), LoadError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (pieces, bytes) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.waiting_bytes));
        let staging = self.mapped_stage(bytes)?;
        let mut jobs = Vec::with_capacity(pieces.len());
        let mut offset = 0;
        for piece in &pieces {
            jobs.push((piece, offset));
            offset += piece.bytes();
        }
        let threads = if bytes < ALONE_BYTES { 1 } else { threads() };
        for (tensor, count) in convert(self.weights, &staging, jobs, threads)? {
            self.non_finite[tensor] += count;
        }
        staging.unmap();

        let mut encoder = self.device.encoder();
        let mut offset = 0;
        for part in pieces.iter().flat_map(|piece| &piece.parts) {
            encoder.copy_buffer_to_buffer(&staging, offset, &part.buffer, part.offset, part.bytes);
            offset += part.staged_bytes();
            self.done += part.bytes;
        }
        let submission = self.device.queue.submit([encoder.finish()]);
        staging.map_async(MapMode::Write, .., |_| {});
        self.stages[self.next].submission = Some(submission);
        self.next = (self.next + 1) % STAGES;
        self.tell()
    }

    fn tell(&mut self) -> Result<(), LoadError> {
        let share = Share { done: self.done.min(self.total), total: self.total };
        tell(self.progress, LoadPart::Uploading, share)
    }

    /// The next stage, mapped and with room for `bytes`.
    fn mapped_stage(&mut self, bytes: u64) -> Result<wgpu::Buffer, LoadError> {
        if self.stages.get(self.next).is_none_or(|stage| stage.buffer.size() < bytes) {
            let usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
            // A model smaller than a stage needs no whole one.
            let size = STAGE_BYTES.min(self.total - self.done.min(self.total)).max(bytes);
            let buffer = self.device.buffer("staging memory for weights", size, usage)?;
            buffer.map_async(MapMode::Write, .., |_| {});
            let stage = Stage { buffer, submission: None };
            match self.stages.get_mut(self.next) {
                Some(smaller) => *smaller = stage,
                None => self.stages.push(stage),
            }
        }
        let stage = &mut self.stages[self.next];
        self.device.wait_for(stage.submission.take())?;
        Ok(stage.buffer.clone())
    }
}

/// How many threads convert.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS))
}

/// Converts pieces into their places in a mapped buffer. Returns how many elements of which tensor are no finite
/// number.
fn convert(
    weights: &dyn Weights,
    staging: &wgpu::Buffer,
    jobs: Vec<(&Piece, u64)>,
    threads: usize,
) -> Result<Vec<(usize, usize)>, LoadError> {
    let jobs = Mutex::new(jobs);
    let work = || -> Result<Vec<(usize, usize)>, LoadError> {
        let mut packer = Packer::default();
        let mut counts = Vec::new();
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((piece, offset)) = job else { return Ok(counts) };
            let count = stage(weights, piece, staging, offset, &mut packer)?;
            if count > 0 {
                counts.push((piece.tensor, count));
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut counts = work()?;
        for other in others {
            match other.join() {
                Ok(others) => counts.extend(others?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(counts)
    })
}

/// Converts one piece; returns how many of its elements are not finite.
fn stage(
    weights: &dyn Weights,
    piece: &Piece,
    staging: &wgpu::Buffer,
    offset: u64,
    packer: &mut Packer,
) -> Result<usize, LoadError> {
    let info = &weights.tensors()[piece.tensor];
    let stored = weights.read(piece.tensor, piece.rows.clone())?;
    let (rows, scales) = packer.pack(&stored, info, piece.layout);
    let view = staging.get_mapped_range_mut(offset..offset + piece.bytes());
    let mut view = view.map_err(|error| ModelError::Device { reason: error.to_string() })?;
    let mut begin = 0;
    for (part, bytes) in piece.parts.iter().zip([rows, scales]) {
        let end = begin + part.staged_bytes() as usize;
        view.slice(begin..begin + bytes.len()).copy_from_slice(bytes);
        view.slice(begin + bytes.len()..end).fill(0);
        begin = end;
    }
    Ok(info.format.count_non_finite(&stored))
}
