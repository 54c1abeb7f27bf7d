//! Selection on the GPU: rows of logits become summaries of 1 KiB, a token is chosen from each, and the
//! newest rows are kept until someone asks for them.
//!
//! `shaders/lib/summary.wgsl` shares the layout; the selection kernels' test holds both sides together.

use wgpu::BufferUsages;

use crate::gpu::device::Device;
use crate::gpu::kernels::{Kernel, Variant};
use crate::gpu::kernels::{KernelChoice, Reduction};
use crate::gpu::weights::padded;
use crate::model::ModelError;
use crate::model::selection::{MOST_CANDIDATES, RECENT_ROWS, RowHandle, Summary};

/// Bytes of a row's summary.
pub(crate) const SUMMARY_BYTES: u64 = 1024;
/// Words of a summary before the candidates.
const HEADER_WORDS: usize = 16;
/// Word of the token chosen.
const CHOSEN: usize = 6;
/// A row falls into about this many blocks, or fewer where it is short.
const MOST_BLOCKS: u32 = 4096;
/// Most vec4s of a block: its counts have to fit bytes.
const MOST_BLOCK4: u32 = 32;

/// Buffers and kernels of the selection from one buffer of logits.
pub(crate) struct Selection {
    vocabulary: usize,
    highest: wgpu::Buffer,
    sums: wgpu::Buffer,
    summaries: wgpu::Buffer,
    recent: wgpu::Buffer,
    /// Rows kept so far.
    rows: u64,
    kernels: Vec<(wgpu::ComputePipeline, wgpu::BindGroup)>,
    /// Workgroups that the blocks of a row take.
    block_groups: u32,
    blocks: Blocks,
    lanes: u32,
    /// How they add up.
    reduction: Reduction,
}

/// How a row falls into blocks.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    /// vec4s of a block.
    vec4s: u32,
    /// Blocks that are read side by side.
    stride: u32,
    /// Blocks of a row.
    count: u32,
}

impl Selection {
    /// For passes with up to `rows` rows of `vocabulary` logits.
    pub fn new(
        device: &Device,
        vocabulary: usize,
        rows: usize,
        choice: KernelChoice,
    ) -> Result<Self, ModelError> {
        let blocks = Blocks::of(vocabulary, choice.plain_lanes);
        let storage =
            |what, bytes| device.buffer(what, bytes, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        let row_blocks = rows as u64 * u64::from(blocks.count);
        let recent_bytes = RECENT_ROWS as u64 * row_bytes(vocabulary);
        Ok(Self {
            vocabulary,
            highest: storage("the highest logits of blocks", 4 * row_blocks)?,
            sums: storage("sums over blocks of logits", 16 * row_blocks)?,
            summaries: storage("summaries of logits", SUMMARY_BYTES * rows as u64)?,
            recent: device.buffer(
                "recent logits",
                recent_bytes,
                BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
            )?,
            rows: 0,
            kernels: Vec::new(),
            block_groups: blocks.count / blocks.stride,
            blocks,
            // Barriers are dear on software drivers, and lanes are few.
            reduction: choice.reduction,
            lanes: if choice.reduce_lanes < 32 { choice.reduce_lanes } else { 256 },
        })
    }

    /// Makes the kernels for these buffers.
    pub fn bind(
        &mut self,
        device: &Device,
        pass: &wgpu::Buffer,
        logits: &wgpu::Buffer,
    ) -> Result<(), ModelError> {
        let Blocks { vec4s, stride, count } = self.blocks;
        let shape = [
            ("VOCABULARY", self.vocabulary as f64),
            ("COLUMNS4", (padded(self.vocabulary) / 4) as f64),
            ("BLOCK4", f64::from(vec4s)),
            ("STRIDE", f64::from(stride)),
            ("BLOCKS", f64::from(count)),
        ];
        let kernel = |kernel: Kernel, buffers: &[&wgpu::Buffer], constants: &[(&'static str, f64)]| {
            let reduction = (kernel == Kernel::SelectTop).then_some(self.reduction);
            let pipeline = device.pipeline(Variant { reduction, ..kernel.into() }, constants)?;
            let bound: Vec<_> = (0..).zip(buffers.iter().copied()).collect();
            let group = device.bind_group(&pipeline, &bound);
            Ok::<_, ModelError>((pipeline, group))
        };
        let with_lanes = |lanes: u32| [shape.as_slice(), &[("WORKGROUP", f64::from(lanes))]].concat();
        let summands = [("SUMMANDS", f64::from(self.reduction.summands(1, self.lanes)))];
        self.kernels = vec![
            kernel(Kernel::SelectBlocks, &[pass, logits, &self.highest, &self.sums], &with_lanes(stride))?,
            kernel(
                Kernel::SelectTop,
                &[pass, logits, &self.highest, &self.sums, &self.summaries],
                &[with_lanes(self.lanes), summands.to_vec()].concat(),
            )?,
            kernel(Kernel::Choose, &[pass, &self.summaries], &shape[..1])?,
        ];
        Ok(())
    }

    /// Encodes the summaries of the first `rows` rows of logits, and the choices; returns how many dispatches
    /// that is.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, rows: u32) -> usize {
        (0..self.kernels.len()).for_each(|kernel| self.encode_one(pass, rows, kernel));
        self.kernels.len()
    }

    /// How many kernels that takes.
    pub fn kernels(&self) -> usize {
        self.kernels.len()
    }

    /// Encodes one of the kernels.
    pub fn encode_one(&self, pass: &mut wgpu::ComputePass<'_>, rows: u32, kernel: usize) {
        let (pipeline, group) = &self.kernels[kernel];
        let (x, y) = [(self.block_groups, rows), (rows, 1), (rows, 1)][kernel];
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, group, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }

    /// Copies the summaries of `rows` rows to `target`.
    pub fn copy_summaries(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        rows: u64,
        target: &wgpu::Buffer,
        at: u64,
    ) {
        encoder.copy_buffer_to_buffer(&self.summaries, 0, target, at, rows * SUMMARY_BYTES);
    }

    /// Copies the token that was chosen for a row to `target`.
    pub fn copy_chosen(&self, encoder: &mut wgpu::CommandEncoder, row: u64, target: &wgpu::Buffer, at: u64) {
        let from = row * SUMMARY_BYTES + 4 * CHOSEN as u64;
        encoder.copy_buffer_to_buffer(&self.summaries, from, target, at, 4);
    }

    /// The handle of the row that is kept next.
    pub fn next_row(&self) -> RowHandle {
        RowHandle(self.rows)
    }

    /// Keeps row `row` of the logits among the recent ones, by this handle.
    pub fn keep(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        logits: &wgpu::Buffer,
        row: usize,
        handle: RowHandle,
    ) {
        let bytes = row_bytes(self.vocabulary);
        encoder.copy_buffer_to_buffer(logits, row as u64 * bytes, &self.recent, self.place(handle), bytes);
    }

    /// Counts rows whose keeping was submitted.
    pub fn kept(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// Reads a row that was kept, unless newer ones took its place.
    pub fn read(&self, device: &Device, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        if row.0 >= self.rows || row.0 + (RECENT_ROWS as u64) < self.rows {
            return Ok(None);
        }
        let bytes = 4 * self.vocabulary as u64;
        let read = device.submit_and_read(device.encoder(), &self.recent, self.place(row), bytes)?;
        Ok(Some(bytemuck::pod_collect_to_vec(&read)))
    }

    /// A summary as the GPU wrote it.
    pub fn summary(&self, row: RowHandle, bytes: &[u8]) -> Summary {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        let number = |word: usize| f64::from(f32::from_bits(words[word]));
        let count = MOST_CANDIDATES.min(self.vocabulary);
        let logits = HEADER_WORDS + MOST_CANDIDATES;
        Summary {
            row,
            vocabulary: self.vocabulary,
            tokens: words[HEADER_WORDS..][..count].to_vec(),
            logits: words[logits..][..count].iter().copied().map(f32::from_bits).collect(),
            sum: number(0),
            weighted_sum: number(1),
            tempered_sum: number(2),
            zeros: words[3] as usize,
            extremes: words[4] as usize,
            broken: words[5] as usize,
            chosen: words[CHOSEN],
        }
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        let buffers = [&self.highest, &self.sums, &self.summaries, &self.recent];
        buffers.into_iter().map(wgpu::Buffer::size).sum()
    }

    fn place(&self, row: RowHandle) -> u64 {
        row.0 % RECENT_ROWS as u64 * row_bytes(self.vocabulary)
    }
}

impl Blocks {
    fn of(vocabulary: usize, stride: u32) -> Self {
        let columns = vocabulary.div_ceil(4) as u32;
        let vec4s = columns.div_ceil(MOST_BLOCKS).next_power_of_two().min(MOST_BLOCK4);
        Self { vec4s, stride, count: columns.div_ceil(vec4s * stride) * stride }
    }
}

/// Bytes that the selection from up to `rows` rows of logits takes, but for the last few blocks of a row,
/// which depend on the adapter.
pub(crate) fn selection_bytes(vocabulary: usize, rows: usize) -> u64 {
    let blocks = u64::from(Blocks::of(vocabulary, 1).count);
    rows as u64 * (20 * blocks + SUMMARY_BYTES) + RECENT_ROWS as u64 * row_bytes(vocabulary)
}

fn row_bytes(vocabulary: usize) -> u64 {
    4 * padded(vocabulary) as u64
}
