//! The engine: a plan's weights, activations and cache on one device, driven as a [`LanguageModel`].
//!
//! Bind groups are made at load; [`super::passes`] submits passes and reads their results. Nothing of a failed
//! pass is kept: what it took of the cache is given back.

use std::sync::Arc;

use wgpu::BufferUsages;

use super::passes::{Branches, Flight};
use super::recording::{Commands, Readbacks, Timestamps};
use super::tuning_cache::Trials;
use crate::gpu::cache::{Cache, most_positions};
use crate::gpu::cache::{PAGE_POSITIONS, PagesMissing};
use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::gpu::kernels::FEW_ROWS;
use crate::gpu::kernels::{KernelChoice, LinearVariant};
use crate::gpu::pass::{self, MOST_TABLES, Placement, Shape, Work};
use crate::gpu::program::Selection;
use crate::gpu::program::{self, Step};
use crate::gpu::progress::{LoadPart, Progress, Share, tell};
use crate::gpu::sizing::{Memory, Rows, cache_widths};
use crate::gpu::weights::{self, GpuTensor, Shard, Uploaded};
use crate::gpu::weights::{Form, padded};
use crate::model::language_model::{CacheUsage, ChainedModel, LanguageModel, ModelError, Outputs};
use crate::model::plan::{BufferId, Op, Plan, RowSet};
use crate::model::selection::RowHandle;
use crate::model::{Batch, SequenceId, Weights};

/// A model on a GPU.
pub struct Engine {
    /// The device, for its facts.
    pub device: Arc<Device>,
    /// Weight tensors with elements that are no finite number, and how many: their model computes nonsense.
    pub non_finite: Vec<(String, usize)>,
    pub(crate) plan: Plan,
    context: usize,
    pub(crate) rows: Rows,
    pub(crate) tensors: Vec<GpuTensor>,
    pub(crate) buffers: Vec<wgpu::Buffer>,
    nothing: wgpu::Buffer,
    pub(crate) cache: Cache,
    pub(crate) pass_words: wgpu::Buffer,
    pub(crate) timestamps: Option<Timestamps>,
    pub(crate) choice: KernelChoice,
    pub(crate) steps: Vec<Step>,
    /// Made by the first pass that needs it, or by [`Self::prepare`].
    pub(crate) selection: Option<Selection>,
    pub(crate) readbacks: Readbacks,
    /// The commands of the next pass, if it is as the last one was.
    pub(crate) ahead: Option<Commands>,
    /// Passes on their way.
    pub(crate) flights: Vec<Flight>,
    /// The number of the next one.
    pub(crate) next_pass: u64,
    /// What the last pass computed beside its sequences.
    pub(crate) branches: Branches,
    /// The first step of the LM head: those from here on make logits of hidden states.
    pub(crate) head_from: usize,
    /// What the pass that [`Engine::begin`] began has to compute, and where its rows are cached.
    work: Work,
    slots: Vec<u32>,
}

impl Engine {
    /// Uploads the weights and compiles the plan for this device. `bound[i]` is the index in `weights` of the
    /// plan's tensor i. A context longer than the adapter can hold in one binding is shortened;
    /// [`LanguageModel::context`] tells.
    pub fn load(
        device: impl Into<Arc<Device>>,
        plan: Plan,
        context: usize,
        weights: &dyn Weights,
        bound: &[usize],
        progress: &mut Progress<'_>,
    ) -> Result<Self, LoadError> {
        let device = device.into();
        let candidates = KernelChoice::candidates(&device.capabilities);
        let mut engine = Self::load_with(device, plan, context, weights, bound, progress, candidates[0])?;
        if candidates.len() > 1 {
            tell(progress, LoadPart::Trying, Share::of(0, 0))?;
        }
        let mut trials = Trials::of_user();
        engine.choose(&candidates, &mut trials)?;
        engine
            .choose_for_prompts(&engine.choice.prompt_candidates(&engine.device.capabilities), &mut trials)?;
        Ok(engine)
    }

    /// As [`Self::load`], with kernels of the caller's choice: for tests of variants that the adapter at hand
    /// would not get.
    pub fn load_with(
        device: impl Into<Arc<Device>>,
        plan: Plan,
        context: usize,
        weights: &dyn Weights,
        bound: &[usize],
        progress: &mut Progress<'_>,
        choice: KernelChoice,
    ) -> Result<Self, LoadError> {
        let device = device.into();
        if plan.rotary_tables.len() > MOST_TABLES {
            let (count, most) = (plan.rotary_tables.len(), MOST_TABLES);
            return Err(LoadError::TooManyRotaryTables { count, most });
        }
        let widths = cache_widths(&plan);
        let context = context.min(most_positions(device.binding_limit(), &widths)).max(1);
        let rows = Rows::of(&plan, context);
        let Uploaded { tensors, non_finite } = weights::upload(&device, &plan, weights, bound, progress)?;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffers = plan
            .buffers
            .iter()
            .map(|spec| {
                let bytes = 4 * (rows.count(spec.rows) * padded(spec.columns)) as u64;
                device.buffer(&format!("activations ({})", spec.name), bytes, usage)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let nothing = device.buffer("an absent tensor", 16, BufferUsages::STORAGE)?;
        let cache = Cache::new(&device, &widths, program::scratch_bytes(&plan, rows.batch), context)?;
        let pass_words = pass_buffer(&device, 4096)?;
        let timestamps = Timestamps::new(&device)?;
        let head_from = head_from(&plan);
        let mut engine = Self {
            device,
            non_finite,
            plan,
            context,
            rows,
            tensors,
            buffers,
            nothing,
            cache,
            pass_words,
            timestamps,
            choice,
            steps: Vec::new(),
            selection: None,
            readbacks: Readbacks::default(),
            ahead: None,
            flights: Vec::new(),
            next_pass: 0,
            branches: Branches::default(),
            head_from,
            work: Work::default(),
            slots: Vec::new(),
        };
        engine.make_steps(progress)?;
        Ok(engine)
    }

    /// GPU memory as allocated now.
    pub fn memory(&self) -> Memory {
        let attention = [&self.cache.partials, &self.cache.ready];
        let shards = self.tensors.iter().flat_map(|tensor| &tensor.shards);
        Memory {
            weight_bytes: shards.map(Shard::bytes).sum(),
            scratch_bytes: self.buffers.iter().chain(attention).map(wgpu::Buffer::size).sum::<u64>()
                + self.selection.as_ref().map_or(0, Selection::bytes),
            cache_bytes: self.cache.layers.iter().map(|layer| layer.keys.size() + layer.values.size()).sum(),
        }
    }

    /// The kernel variants in use, in words.
    pub fn variants(&self) -> Vec<String> {
        self.choice.describe()
    }

    /// The plan that the engine runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The kernels for linear maps of many rows that need no matrix units.
    pub fn plain_prompt_kernels(&self) -> LinearVariant {
        KernelChoice::candidates(&self.device.capabilities)[0].many_rows
    }

    /// Computes linear maps of many rows with these kernels from now on.
    pub fn set_prompt_kernels(&mut self, many_rows: LinearVariant) -> Result<(), ModelError> {
        self.set_choice(KernelChoice { many_rows, ..self.choice })
    }

    /// Runs every op with these kernels from now on.
    pub(crate) fn set_choice(&mut self, choice: KernelChoice) -> Result<(), ModelError> {
        self.choice = choice;
        self.compile()
    }

    /// As [`Self::compile`] the first time: tells how many kernels there are by now.
    fn make_steps(&mut self, progress: &mut Progress<'_>) -> Result<(), LoadError> {
        for op in 0..self.plan.ops.len() {
            tell(progress, LoadPart::Making, Share::of(self.device.pipelines(), 0))?;
            self.steps.extend(self.compiled(self.choice, &[op])?);
        }
        Ok(())
    }

    fn compile(&mut self) -> Result<(), ModelError> {
        self.forget_ahead();
        let all: Vec<usize> = (0..self.plan.ops.len()).collect();
        self.steps = self.compiled(self.choice, &all)?;
        if let Some(selection) = &mut self.selection {
            selection.bind(&self.device, &self.pass_words, &self.buffers[self.plan.logits.0])?;
        }
        Ok(())
    }

    /// Some of the plan's ops, by their indices, ready to run with these kernels.
    pub(crate) fn compiled(&self, choice: KernelChoice, ops: &[usize]) -> Result<Vec<Step>, ModelError> {
        let memory = program::Memory {
            pass: &self.pass_words,
            tensors: &self.tensors,
            buffers: &self.buffers,
            nothing: &self.nothing,
            cache: &self.cache,
        };
        let steps = program::compile(&self.device, &self.plan, ops, &memory, choice)?;
        self.device.check()?;
        Ok(steps)
    }

    /// Finds a place for every row; grows the cache when it is full.
    pub(crate) fn place(&mut self, batch: &Batch) -> Result<Placement, ModelError> {
        assert!(batch.rows.len() <= self.rows.batch, "at most {} rows a pass", self.rows.batch);
        self.forget_branches();
        let shape = Shape::of(batch, &self.cache.pages, self.vocabulary(), self.context)?;
        loop {
            match Placement::new(batch, &shape, &mut self.cache.pages, self.choice.attention.least_split) {
                Ok(placement) => {
                    placement.copies().for_each(|copy| self.cache.copy_page(&self.device, copy));
                    return Ok(placement);
                }
                Err(PagesMissing(missing)) => self.grow_cache(missing)?,
            }
        }
    }

    /// Makes room in the cache for at least `missing` more pages.
    pub(crate) fn grow_cache(&mut self, missing: usize) -> Result<(), ModelError> {
        // Commands and bind groups keep the buffers alive that are about to be replaced one by one.
        self.forget_ahead();
        self.steps.clear();
        let grown = self.cache.grow(&self.device, missing);
        self.compile()?;
        grown
    }

    /// Writes what varies, makes room for it where needed.
    pub(crate) fn write_pass(
        &mut self,
        batch: &Batch,
        placement: &Placement,
        outputs: &[usize],
    ) -> Result<(), ModelError> {
        let pages = &self.cache.pages;
        let words = pass::words(batch, placement, outputs, pages, &self.plan.rotary_tables);
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        if bytes.len() as u64 > self.pass_words.size() {
            self.pass_words = pass_buffer(&self.device, bytes.len() as u64 * 2)?;
            self.compile()?;
        }
        self.device.queue.write_buffer(&self.pass_words, 0, bytes);
        Ok(())
    }
}

impl LanguageModel for Engine {
    fn vocabulary(&self) -> usize {
        self.plan.buffer(self.plan.logits).columns
    }

    fn context(&self) -> usize {
        self.context
    }

    fn max_rows(&self) -> usize {
        self.rows.batch
    }

    fn new_sequence(&mut self) -> SequenceId {
        self.cache.pages.new_sequence()
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        loop {
            match self.cache.pages.fork(sequence) {
                Ok((fork, copy)) => {
                    copy.into_iter().for_each(|copy| self.cache.copy_page(&self.device, copy));
                    return Ok(fork);
                }
                Err(PagesMissing(missing)) => self.grow_cache(missing)?,
            }
        }
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.cache.pages.truncate(sequence, length);
    }

    fn release(&mut self, sequence: SequenceId) {
        self.cache.pages.release(sequence);
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.cache.pages.length(sequence)
    }

    fn forward(&mut self, batch: &Batch) -> Result<Outputs, ModelError> {
        if batch.rows.is_empty() {
            return Ok(Outputs::default());
        }
        self.run(batch)
    }

    fn accept(&mut self, sequence: SequenceId, rows: &[usize]) -> Result<(), ModelError> {
        self.accept_rows(sequence, rows)
    }

    fn read_row(&mut self, row: RowHandle) -> Result<Option<Vec<f32>>, ModelError> {
        self.selection.as_ref().map_or(Ok(None), |selection| selection.read(&self.device, row))
    }

    fn chained(&mut self) -> Option<&mut dyn ChainedModel> {
        Some(self)
    }

    fn cache_usage(&self) -> CacheUsage {
        let pages = self.cache.pages.used() - self.branches.scratch.len();
        CacheUsage {
            pages,
            page_positions: PAGE_POSITIONS,
            bytes: pages as u64 * self.cache.page_bytes(),
            allocated_bytes: self.cache.pages.capacity() as u64 * self.cache.page_bytes(),
        }
    }
}

/// Running single ops, to compare each with its twin.
impl Engine {
    /// Places the batch's rows and writes what the ops need to know of them. The rows are forgotten when the
    /// sequences are released.
    pub fn begin(&mut self, batch: &Batch) -> Result<(), ModelError> {
        let placement = self.place(batch)?;
        let outputs: Vec<usize> = batch.outputs().take(self.rows.outputs).collect();
        self.write_pass(batch, &placement, &outputs)?;
        (self.work, self.slots) = (placement.work, placement.slots);
        Ok(())
    }

    /// Runs one op of the plan, by its index, for `rows` rows of its set.
    pub fn run_op(&mut self, op: usize, rows: usize) -> Result<(), ModelError> {
        let mut encoder = self.device.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let step = &self.steps[op];
            step.encode(&mut pass, self.work_of(step, rows));
        }
        self.device.submit(encoder);
        self.device.wait()
    }

    /// What a step computes for `rows` rows of its set, as the pass that was begun has it.
    pub(crate) fn work_of(&self, step: &Step, rows: usize) -> Work {
        match step.rows {
            RowSet::Batch => Work { rows, ..self.work },
            RowSet::Outputs => Work::of_rows(rows),
        }
    }

    /// Whether an op, by its index, rounds what it multiplies to f16 when it is run for `rows` rows of its set.
    pub fn rounds_inputs(&self, op: usize, rows: usize) -> bool {
        let Op::Linear { weight, .. } = self.plan.ops[op] else { return false };
        let Form::Matrix(format) = self.tensors[weight.0].form else { return false };
        rows > FEW_ROWS && self.choice.many_rows.suited(format).rounds()
    }

    /// What a layer's cache holds for the rows of the pass that was begun: keys and values, rows of G·D.
    pub fn read_cached(&self, layer: usize) -> Result<[Vec<f32>; 2], ModelError> {
        let cache = &self.cache.layers[layer];
        let read = |buffer: &wgpu::Buffer| {
            let bytes = self.device.submit_and_read(self.device.encoder(), buffer, 0, buffer.size())?;
            let position = |&slot: &u32| {
                let width = cache.position_bytes as usize;
                &bytes[slot as usize * width..][..width]
            };
            let position = |slot| program::decode(&self.plan, layer, position(slot));
            Ok(self.slots.iter().flat_map(position).collect())
        };
        Ok([read(&cache.keys)?, read(&cache.values)?])
    }

    /// The first `rows` rows of a buffer, without padding.
    pub fn read_buffer(&self, buffer: BufferId, rows: usize) -> Result<Vec<f32>, ModelError> {
        let columns = self.plan.buffer(buffer).columns;
        let bytes = (4 * rows * padded(columns)) as u64;
        let read = self.device.submit_and_read(self.device.encoder(), &self.buffers[buffer.0], 0, bytes)?;
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(&read);
        Ok(values.chunks_exact(padded(columns)).flat_map(|row| &row[..columns]).copied().collect())
    }

    /// Replaces the first rows of a buffer by `values`, rows of the buffer's columns.
    pub fn write_buffer(&self, buffer: BufferId, values: &[f32]) {
        let columns = self.plan.buffer(buffer).columns;
        let mut padded_rows = Vec::with_capacity(values.len() / columns * padded(columns));
        for row in values.chunks_exact(columns) {
            padded_rows.extend_from_slice(row);
            padded_rows.resize(padded_rows.len() + padded(columns) - columns, 0.0);
        }
        self.device.queue.write_buffer(&self.buffers[buffer.0], 0, bytemuck::cast_slice(&padded_rows));
    }
}

/// The first op after the one that makes the final hidden states.
fn head_from(plan: &Plan) -> usize {
    let makes_hidden = |op: &Op| plan.hidden.is_some() && op.output() == plan.hidden;
    plan.ops.iter().rposition(makes_hidden).map_or(plan.ops.len(), |index| index + 1)
}

fn pass_buffer(device: &Device, bytes: u64) -> Result<wgpu::Buffer, ModelError> {
    device.buffer("the pass", bytes, BufferUsages::STORAGE | BufferUsages::COPY_DST)
}
