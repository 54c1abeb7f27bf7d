//! Selection on the GPU: rows of logits become summaries of 1 KiB, a token is chosen from each, and the
//! newest rows are kept until someone asks for them.
//!
//! `shaders/lib/summary.wgsl` shares the layout; the selection kernels' test holds both sides together.

use wgpu::BufferUsages;

use super::compiled::Program;
use super::resources::Resources;
use crate::gpu::device::Device;
use crate::gpu::kernels::{Kernel, KernelChoice, Reduction, Variant};
use crate::gpu::weights::{padded, row_bytes};
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

/// The selection from one buffer of logits.
pub(crate) struct Selection {
    buffers: Buffers,
    kernels: [SelectionKernel; 3],
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
}

/// What the kernels share, and what they were made for.
struct Buffers {
    vocabulary: usize,
    highest: wgpu::Buffer,
    sums: wgpu::Buffer,
    summaries: wgpu::Buffer,
    recent: wgpu::Buffer,
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

/// Bytes of each buffer, for up to so many rows of logits.
struct Sizes {
    highest: u64,
    sums: u64,
    summaries: u64,
    recent: u64,
}

impl Selection {
    /// For passes with up to `rows` rows that want logits.
    pub fn new(
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
    pub fn rebind(
        &mut self,
        device: &Device,
        program: &Program,
        resources: &Resources,
    ) -> Result<(), ModelError> {
        self.kernels = self.buffers.kernels(device, program, resources)?;
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
        let SelectionKernel { pipeline, group, grid } = &self.kernels[kernel];
        let (x, y) = match *grid {
            Grid::Blocks(groups) => (groups, rows),
            Grid::Rows => (rows, 1),
        };
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
        encoder.copy_buffer_to_buffer(&self.buffers.summaries, 0, target, at, rows * SUMMARY_BYTES);
    }

    /// Copies the token that was chosen for a row to `target`.
    pub fn copy_chosen(&self, encoder: &mut wgpu::CommandEncoder, row: u64, target: &wgpu::Buffer, at: u64) {
        let from = row * SUMMARY_BYTES + 4 * CHOSEN as u64;
        encoder.copy_buffer_to_buffer(&self.buffers.summaries, from, target, at, 4);
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
    pub fn kept(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    /// Reads a row that was kept, unless newer ones took its place.
    pub fn read(&self, device: &Device, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        if row.0 >= self.rows || row.0 + (RECENT_ROWS as u64) < self.rows {
            return Ok(None);
        }
        let bytes = 4 * self.buffers.vocabulary as u64;
        let read = device.submit_and_read(device.encoder(), &self.buffers.recent, self.place(row), bytes)?;
        Ok(Some(bytemuck::pod_collect_to_vec(&read)))
    }

    /// A summary as the GPU wrote it.
    pub fn summary(&self, row: RowHandle, bytes: &[u8]) -> Summary {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        let number = |word: usize| f64::from(f32::from_bits(words[word]));
        let count = MOST_CANDIDATES.min(self.buffers.vocabulary);
        let logits = HEADER_WORDS + MOST_CANDIDATES;
        Summary {
            row,
            vocabulary: self.buffers.vocabulary,
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
        let Buffers { highest, sums, summaries, recent, .. } = &self.buffers;
        let buffers = [highest, sums, summaries, recent];
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
        let Sizes { highest, sums, summaries, recent } = Sizes::of(vocabulary, rows, blocks);
        let storage =
            |what, bytes| device.buffer(what, bytes, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        let copies = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        Ok(Self {
            vocabulary,
            highest: storage("the highest logits of blocks", highest)?,
            sums: storage("sums over blocks of logits", sums)?,
            summaries: storage("summaries of logits", summaries)?,
            recent: device.buffer("recent logits", recent, copies)?,
            blocks,
            // Barriers are dear on software drivers, and lanes are few.
            reduction: choice.reduction,
            lanes: if choice.reduce_lanes < 32 { choice.reduce_lanes } else { 256 },
        })
    }

    fn kernels(
        &self,
        device: &Device,
        program: &Program,
        resources: &Resources,
    ) -> Result<[SelectionKernel; 3], ModelError> {
        let Self { highest, sums, summaries, .. } = self;
        let (pass, logits) = (&resources.pass, resources.activation(program.plan.logits));
        let Blocks { vec4s, stride, count } = self.blocks;
        let shape = [
            ("VOCABULARY", self.vocabulary as f64),
            ("COLUMNS4", (padded(self.vocabulary) / 4) as f64),
            ("BLOCK4", f64::from(vec4s)),
            ("STRIDE", f64::from(stride)),
            ("BLOCKS", f64::from(count)),
        ];
        let kernel = |kernel: Kernel, grid, buffers: &[&wgpu::Buffer], constants: &[(&'static str, f64)]| {
            let reduction = kernel.reduces().then_some(self.reduction);
            let pipeline = device.pipeline(Variant { reduction, ..kernel.into() }, constants)?;
            let bound: Vec<_> = (0..).zip(buffers.iter().copied()).collect();
            let group = device.bind_group(&pipeline, &bound);
            Ok::<_, ModelError>(SelectionKernel { pipeline, group, grid })
        };
        let with_lanes = |lanes: u32| [shape.as_slice(), &[("WORKGROUP", f64::from(lanes))]].concat();
        let summands = [("SUMMANDS", f64::from(self.reduction.summands(1, self.lanes)))];
        Ok([
            kernel(
                Kernel::SelectBlocks,
                Grid::Blocks(count / stride),
                &[pass, logits, highest, sums],
                &with_lanes(stride),
            )?,
            kernel(
                Kernel::SelectTop,
                Grid::Rows,
                &[pass, logits, highest, sums, summaries],
                &[with_lanes(self.lanes), summands.to_vec()].concat(),
            )?,
            kernel(Kernel::Choose, Grid::Rows, &[pass, summaries], &shape[..1])?,
        ])
    }
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
    let Sizes { highest, sums, summaries, recent } = Sizes::of(vocabulary, rows, Blocks::of(vocabulary, 1));
    highest + sums + summaries + recent
}
