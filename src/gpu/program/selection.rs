//! Selection on the GPU: rows of logits become summaries of 1 KiB, a token is chosen from each, and the
//! newest rows are kept until someone asks for them.

use wgpu::BufferUsages;

use super::compiled::Program;
use super::resources::Resources;
use super::summary::{self, CHOSEN_AT, PINNED_BYTES, SUMMARY_BYTES};
use crate::gpu::device::Device;
use crate::gpu::kernels::{Kernel, KernelChoice, KernelUse, Override, Variant};
use crate::gpu::weights::{padded, row_bytes};
use crate::model::ModelError;
use crate::model::selection::{RECENT_ROWS, RowHandle, Summary};

/// A row falls into about this many blocks, or fewer where it is short.
const MOST_BLOCKS: u32 = 4096;
/// Most vec4s of a block: its counts have to fit bytes.
const MOST_BLOCK4: u32 = 32;

/// The selection from one buffer of logits.
pub(crate) struct Selection {
    buffers: Buffers,
    /// What every pass runs, and then what only one with pinned tokens does.
    kernels: [SelectionKernel; 4],
    /// Rows kept so far.
    rows: u64,
}

/// One of its kernels, with what it computes on.
struct SelectionKernel {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    grid: Grid,
}

/// The workgroups of a kernel.
enum Grid {
    /// So many along a row of logits, for each row.
    Blocks(u32),
    /// One a row.
    Rows,
    /// So many along a row, for each row and each pinned token.
    PinnedBlocks(u32),
}

/// What the kernels share, and what they were made for.
struct Buffers {
    vocabulary: usize,
    highest: wgpu::Buffer,
    sums: wgpu::Buffer,
    summaries: wgpu::Buffer,
    recent: wgpu::Buffer,
    pinned: wgpu::Buffer,
    blocks: Blocks,
    uses: [KernelUse; 4],
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

/// Bytes of each buffer, for up to so many rows of logits.
struct Sizes {
    highest: u64,
    sums: u64,
    summaries: u64,
    recent: u64,
    pinned: u64,
}

impl Selection {
    /// For passes with up to `rows` rows that want logits.
    pub(crate) fn new(
        device: &Device,
        program: &Program,
        resources: &Resources,
        rows: usize,
    ) -> Result<Self, ModelError> {
        let buffers = Buffers::new(device, program.vocabulary(), rows, program.choice)?;
        let kernels = buffers.kernels(device, program, resources)?;
        Ok(Self { buffers, kernels, rows: 0 })
    }

    /// Makes the kernels again, for other buffers of the pass and of logits.
    pub(crate) fn rebind(
        &mut self,
        device: &Device,
        program: &Program,
        resources: &Resources,
    ) -> Result<(), ModelError> {
        self.kernels = self.buffers.kernels(device, program, resources)?;
        Ok(())
    }

    /// Encodes the summaries of the first `rows` rows of logits, the choices, and where `pinned` tokens stand; returns
    /// how many dispatches that is.
    pub(crate) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, rows: u32, pinned: usize) -> usize {
        let kernels = if pinned > 0 { self.kernels.len() } else { self.kernels.len() - 1 };
        (0..kernels).for_each(|kernel| self.encode_kernel(pass, rows, pinned as u32, kernel));
        kernels
    }

    /// Clears what rows tell of pinned tokens; before a pass with some.
    pub(crate) fn clear_pinned(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.clear_buffer(&self.buffers.pinned, 0, None);
    }

    /// Copies what `rows` rows tell of pinned tokens to `target`.
    pub(crate) fn copy_pinned(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        rows: u64,
        target: &wgpu::Buffer,
        at: u64,
    ) {
        encoder.copy_buffer_to_buffer(&self.buffers.pinned, 0, target, at, rows * PINNED_BYTES);
    }

    /// How many kernels that takes.
    pub(crate) fn kernels(&self) -> usize {
        self.kernels.len()
    }

    /// Encodes one of the kernels.
    pub(crate) fn encode_one(&self, pass: &mut wgpu::ComputePass<'_>, rows: u32, kernel: usize) {
        self.encode_kernel(pass, rows, 1, kernel);
    }

    fn encode_kernel(&self, pass: &mut wgpu::ComputePass<'_>, rows: u32, pinned: u32, kernel: usize) {
        let SelectionKernel { pipeline, group, grid } = &self.kernels[kernel];
        let (x, y, z) = match *grid {
            Grid::Blocks(groups) => (groups, rows, 1),
            Grid::Rows => (rows, 1, 1),
            Grid::PinnedBlocks(groups) => (groups, rows, pinned),
        };
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }

    /// Copies the summaries of `rows` rows to `target`.
    pub(crate) fn copy_summaries(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        rows: u64,
        target: &wgpu::Buffer,
        at: u64,
    ) {
        encoder.copy_buffer_to_buffer(&self.buffers.summaries, 0, target, at, rows * SUMMARY_BYTES);
    }

    /// Copies the token that was chosen for a row to `target`.
    pub(crate) fn copy_chosen(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        row: u64,
        target: &wgpu::Buffer,
        at: u64,
    ) {
        let from = row * SUMMARY_BYTES + CHOSEN_AT;
        encoder.copy_buffer_to_buffer(&self.buffers.summaries, from, target, at, 4);
    }

    /// The handle of the row that is kept next.
    pub(crate) fn next_row(&self) -> RowHandle {
        RowHandle(self.rows)
    }

    /// Keeps row `row` of the logits among the recent ones, by this handle.
    pub(crate) fn keep(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        logits: &wgpu::Buffer,
        row: usize,
        handle: RowHandle,
    ) {
        let bytes = row_bytes(self.buffers.vocabulary);
        encoder.copy_buffer_to_buffer(
            logits,
            row as u64 * bytes,
            &self.buffers.recent,
            self.place(handle),
            bytes,
        );
    }

    /// Counts rows whose keeping was submitted.
    pub(crate) fn kept(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// Reads a row that was kept, unless newer ones took its place.
    pub(crate) fn read(&self, device: &Device, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        if row.0 >= self.rows || row.0 + (RECENT_ROWS as u64) < self.rows {
            return Ok(None);
        }
        let bytes = 4 * self.buffers.vocabulary as u64;
        let read = device.submit_and_read(device.encoder(), &self.buffers.recent, self.place(row), bytes)?;
        Ok(Some(bytemuck::pod_collect_to_vec(&read)))
    }

    /// A summary as the GPU wrote it.
    pub(crate) fn summary(&self, row: RowHandle, bytes: &[u8]) -> Summary {
        summary::read(row, self.buffers.vocabulary, bytes)
    }

    /// Bytes of all buffers.
    pub(crate) fn bytes(&self) -> u64 {
        let Buffers { highest, sums, summaries, recent, pinned, .. } = &self.buffers;
        let buffers = [highest, sums, summaries, recent, pinned];
        buffers.into_iter().map(wgpu::Buffer::size).sum()
    }

    fn place(&self, row: RowHandle) -> u64 {
        row.0 % RECENT_ROWS as u64 * row_bytes(self.buffers.vocabulary)
    }
}

impl Buffers {
    fn new(
        device: &Device,
        vocabulary: usize,
        rows: usize,
        choice: KernelChoice,
    ) -> Result<Self, ModelError> {
        let blocks = Blocks::of(vocabulary, choice.plain_lanes);
        let Sizes { highest, sums, summaries, recent, pinned } = Sizes::of(vocabulary, rows, blocks);
        let storage =
            |what, bytes| device.buffer(what, bytes, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        let copies = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let cleared = BufferUsages::STORAGE | copies;
        Ok(Self {
            vocabulary,
            highest: storage("the highest logits of blocks", highest)?,
            sums: storage("sums over blocks of logits", sums)?,
            summaries: storage("summaries of logits", summaries)?,
            recent: device.buffer("recent logits", recent, copies)?,
            pinned: device.buffer("pinned tokens", pinned, cleared)?,
            blocks,
            uses: selection_uses(vocabulary, choice),
        })
    }

    fn kernels(
        &self,
        device: &Device,
        program: &Program,
        resources: &Resources,
    ) -> Result<[SelectionKernel; 4], ModelError> {
        let Self { highest, sums, summaries, pinned, .. } = self;
        let (pass, logits) = (&resources.pass, resources.activation(program.plan.logits));
        let kernel = |kernel: &KernelUse, grid, buffers: &[&wgpu::Buffer]| {
            let pipeline = device.pipeline(kernel)?;
            let bound: Vec<_> = (0..).zip(buffers.iter().copied()).collect();
            let group = device.bind_group(&pipeline, &bound);
            Ok::<_, ModelError>(SelectionKernel { pipeline, group, grid })
        };
        let [blocks, top, sample, pins] = &self.uses;
        let Blocks { stride, count, .. } = self.blocks;
        Ok([
            kernel(blocks, Grid::Blocks(count / stride), &[pass, logits, highest, sums])?,
            kernel(top, Grid::Rows, &[pass, logits, highest, sums, summaries])?,
            kernel(sample, Grid::Rows, &[pass, summaries])?,
            kernel(pins, Grid::PinnedBlocks(count / stride), &[pass, logits, pinned])?,
        ])
    }
}

/// The kernels that select from rows of so many logits, each with what it is specialised by.
pub fn selection_uses(vocabulary: usize, choice: KernelChoice) -> [KernelUse; 4] {
    let Blocks { vec4s, stride, count } = Blocks::of(vocabulary, choice.plain_lanes);
    let shape = [
        Override::Vocabulary(vocabulary as u32),
        Override::Columns4(padded(vocabulary) as u32 / 4),
        Override::Block4(vec4s),
        Override::Stride(stride),
        Override::Blocks(count),
    ];
    // Barriers are dear on software drivers, and lanes are few.
    let lanes = if choice.reduce_lanes < 32 { choice.reduce_lanes } else { 256 };
    let summands = Override::Summands(choice.reduction.summands(1, lanes));
    let kernel = |kernel: Kernel, own: &[Override]| {
        let reduction = kernel.reduces().then_some(choice.reduction);
        KernelUse { variant: Variant { reduction, ..kernel.into() }, overrides: [&shape, own].concat() }
    };
    [
        kernel(Kernel::TopKBlocks, &[Override::Workgroup(stride)]),
        kernel(Kernel::TopKMerge, &[Override::Workgroup(lanes), summands]),
        kernel(Kernel::Sample, &[]),
        kernel(Kernel::Pinned, &[Override::Workgroup(stride)]),
    ]
}

impl Sizes {
    fn of(vocabulary: usize, rows: usize, blocks: Blocks) -> Self {
        let rows = rows as u64;
        let row_blocks = rows * u64::from(blocks.count);
        Self {
            highest: 4 * row_blocks,
            sums: 16 * row_blocks,
            summaries: rows * SUMMARY_BYTES,
            recent: RECENT_ROWS as u64 * row_bytes(vocabulary),
            pinned: rows * PINNED_BYTES,
        }
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
    let Sizes { highest, sums, summaries, recent, pinned } =
        Sizes::of(vocabulary, rows, Blocks::of(vocabulary, 1));
    highest + sums + summaries + recent + pinned
}
