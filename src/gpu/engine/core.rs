//! The engine: a plan's weights, activations and cache on one device, driven as a
//! [`crate::model::LanguageModel`].
//!
//! Bind groups are made at load; [`super::passes`] submits passes and reads their results. Nothing of a failed
//! pass is kept: what it took of the cache is given back.

use std::sync::Arc;

use super::in_flight::Passes;
use super::recorder::Recorder;
use crate::gpu::cache::{PagesMissing, cache_widths, most_positions};
use crate::gpu::device::{Device, Making, Promise, free_host_memory};
use crate::gpu::error::LoadError;
use crate::gpu::kernels::{KernelChoice, KernelUse, LinearVariant, RowCount, TunedKernels};
use crate::gpu::pass::{self, BatchShape, Fixed, MOST_TABLES, Placement, Rows};
use crate::gpu::program::{Program, Resources, Selection, pass_uses, selection_uses};
use crate::gpu::progress::{LoadPart, Progress, tell};
use crate::gpu::sizing::{Memory, Residency, SizedModel};
use crate::gpu::weights::{GpuLayout, GpuTensor, SharedTensor, SharedTensors, Uploaded, upload};
use crate::model::plan::{Plan, TensorId, TensorSpec};
use crate::model::{Batch, ModelError, Weights};
use crate::units::Streaming;

/// A model on a GPU.
pub struct Engine {
    /// The device, for its facts.
    pub device: Arc<Device>,
    /// Weight tensors with non-finite elements, and how many: their model computes nonsense.
    pub non_finite: Vec<(String, usize)>,
    /// Positions that a sequence can have.
    pub(super) context: usize,
    /// Rows that were computed again because a state was not there.
    pub(super) recomputed: u64,
    pub(super) rows: Rows,
    /// The tokens of which summaries tell where they stand.
    pub(super) pinned: Vec<u32>,
    pub(super) program: Program,
    pub(super) resources: Resources,
    pub(super) recorder: Recorder,
    pub(super) passes: Passes,
    /// Which layers are in the computer's memory; `None` where all is on the GPU.
    pub(super) streaming: Option<Streaming>,
    /// What the device keeps for this model.
    _promise: Promise,
}

impl Engine {
    /// Uploads the weights and compiles the plan for this device, with these kernels; tensor i of
    /// `weights` is the plan's tensor i. A context longer than the adapter can hold in one binding is shortened;
    /// [`crate::model::LanguageModel::context`] tells.
    ///
    /// [`Self::load`] chooses the kernels itself; this is for tests of variants that the adapter at hand would not
    /// get.
    pub fn load_with(
        device: impl Into<Arc<Device>>,
        plan: Plan,
        context: usize,
        weights: &dyn Weights,
        progress: &mut Progress<'_>,
        choice: KernelChoice,
    ) -> Result<Self, LoadError> {
        Self::load_sharing(device.into(), plan, context, weights, &SharedTensors::default(), progress, choice)
    }

    /// As [`Self::load_with`], with the tensors of the plan that are among `shared` as they lie on this device already.
    pub(super) fn load_sharing(
        device: Arc<Device>,
        plan: Plan,
        context: usize,
        weights: &dyn Weights,
        shared: &SharedTensors,
        progress: &mut Progress<'_>,
        choice: KernelChoice,
    ) -> Result<Self, LoadError> {
        let (count, most) = (plan.rotary_tables.len(), MOST_TABLES);
        if count > most {
            return Err(LoadError::TooManyRotaryTables { count, most });
        }
        let context = context.min(most_positions(device.binding_limit(), &cache_widths(&plan))).max(1);
        let residency = find_place(&device, &plan, weights, shared, context)?;
        let Residency { streamed, streaming, context, limits, bytes } = residency;
        let promise = device.promise(bytes);
        let rows = Rows::of(&plan, context);
        let kernels = first_kernels(&device, &plan, weights, choice)?;
        let (resources, non_finite) = std::thread::scope(|scope| {
            let making = Making::start(scope, &device, kernels);
            let Uploaded { tensors, host, non_finite } =
                upload(&device, &plan, weights, shared, &streamed, progress)?;
            let resources = Resources::new(&device, &plan, (tensors, host), rows, context, limits)?;
            making.finish(|share| tell(progress, LoadPart::Making, share))?;
            Ok::<_, LoadError>((resources, non_finite))
        })?;
        let program = Program::compile(&device, plan, &resources, choice)?;
        let recorder = Recorder::new(&device, rows.outputs, program.crossing.most_segments())?;
        let passes = Passes::default();
        let pinned = Vec::new();
        Ok(Self {
            device,
            non_finite,
            context,
            recomputed: 0,
            rows,
            pinned,
            program,
            resources,
            recorder,
            passes,
            streaming,
            _promise: promise,
        })
    }

    /// Which layers are in the computer's memory; `None` where all is on the GPU.
    pub fn streaming(&self) -> Option<Streaming> {
        self.streaming
    }

    /// GPU memory as allocated now.
    pub fn memory(&self) -> Memory {
        let selection = self.recorder.selection.as_ref();
        Memory {
            weight_bytes: self.resources.weight_bytes(),
            scratch_bytes: self.resources.scratch_bytes() + selection.map_or(0, Selection::bytes),
            cache_bytes: self.resources.cache.bytes(),
            state_bytes: self.resources.cache.states.bytes(),
        }
    }

    /// Those of the plan's tensors that have these names, for another engine on the same device.
    pub fn shared(&self, names: &[&str]) -> SharedTensors {
        let host = &self.resources.host.streamed;
        let tensors = self.program.plan.tensors.iter().zip(&self.resources.tensors).enumerate();
        let on_gpu = tensors.filter(|(index, _)| host.place(TensorId(*index)).is_none());
        let named = on_gpu.map(|(_, tensor)| tensor).filter(|(spec, _)| names.contains(&spec.name.as_str()));
        let shared = |(spec, tensor): (&TensorSpec, &GpuTensor)| SharedTensor {
            spec: spec.clone(),
            tensor: tensor.clone(),
        };
        SharedTensors(named.map(shared).collect())
    }

    /// The kernel variants in use, in words.
    pub fn variants(&self) -> Vec<String> {
        self.program.tuned.describe(&self.program.choice)
    }

    /// The plan that the engine runs.
    pub fn plan(&self) -> &Plan {
        &self.program.plan
    }

    /// The kernels for linear maps of many rows that need no matrix units.
    pub fn plain_prefill_kernels(&self) -> LinearVariant {
        KernelChoice::candidates(&self.device.capabilities)[0].many_rows
    }

    /// Computes linear maps of many rows with these kernels from now on.
    pub fn set_prefill_kernels(&mut self, many_rows: LinearVariant) -> Result<(), ModelError> {
        self.program.choice.many_rows = many_rows;
        self.program.tuned.forget(RowCount::Many);
        self.recompile()
    }

    /// Computes linear maps with these kernels from now on.
    pub(super) fn set_tuned(&mut self, tuned: TunedKernels) -> Result<(), ModelError> {
        if self.program.tuned == tuned {
            return Ok(());
        }
        self.program.tuned = tuned;
        self.recompile()
    }

    /// Makes every bind group again: buffers were replaced, or other kernels were chosen.
    pub(super) fn recompile(&mut self) -> Result<(), ModelError> {
        let Self { device, program, resources, recorder, .. } = self;
        recorder.forget_prerecorded();
        program.recompile(device, resources)?;
        recorder.rebind(device, program, resources)
    }

    /// Finds a place for every row, and a state for every sequence; grows the cache when it is full.
    pub(super) fn place(&mut self, batch: &Batch) -> Result<Placement, ModelError> {
        assert!(batch.rows.len() <= self.rows.batch, "at most {} rows a pass", self.rows.batch);
        self.passes.forget_branches(&mut self.resources.cache);
        let pages = &self.resources.cache.pages;
        let shape = BatchShape::of(batch, pages, self.program.vocabulary(), self.context)?;
        self.recompute_states(batch)?;
        let mut placement = self.place_rows(batch, &shape)?;
        match self.place_states(batch, &shape, &mut placement) {
            Ok(()) => Ok(placement),
            Err(error) => {
                placement.roll_back(&mut self.resources.cache);
                Err(error)
            }
        }
    }

    fn place_rows(&mut self, batch: &Batch, shape: &BatchShape) -> Result<Placement, ModelError> {
        let splits = self.program.splits;
        loop {
            let cache = &mut self.resources.cache;
            match Placement::new(batch, shape, &mut cache.pages, splits) {
                Ok(placement) => {
                    placement.copies().for_each(|copy| cache.copy_page(&self.device, copy));
                    return Ok(placement);
                }
                Err(PagesMissing(missing)) => self.grow_cache(missing)?,
            }
        }
    }

    /// Makes room in the cache for at least `missing` more pages.
    pub(super) fn grow_cache(&mut self, missing: usize) -> Result<(), ModelError> {
        // Commands and bind groups keep the buffers alive that are about to be replaced one by one.
        self.recorder.forget_prerecorded();
        self.program.steps.clear();
        let grown = self.resources.cache.grow(&self.device, missing);
        self.recompile()?;
        grown
    }

    /// Writes what varies, makes room for it where needed.
    pub(super) fn write_pass(
        &mut self,
        batch: &Batch,
        placement: &Placement,
        outputs: &[usize],
    ) -> Result<(), ModelError> {
        let fixed = Fixed { tables: &self.program.plan.rotary_tables, pinned: &self.pinned };
        let words = pass::words(batch, placement, outputs, &self.resources.cache.pages, fixed);
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        if bytes.len() as u64 > self.resources.pass.size() {
            self.resources.enlarge_pass(&self.device, bytes.len() as u64)?;
            self.recompile()?;
        }
        self.device.queue.write_buffer(&self.resources.pass, 0, bytes);
        if let Some(carried) = self.program.plan.carried {
            self.resources.write_rows(&self.device, carried, &batch.carried);
        }
        Ok(())
    }
}

/// The kernels that a plan's passes and the selection use, and that are not there yet.
fn first_kernels(
    device: &Device,
    plan: &Plan,
    weights: &dyn Weights,
    choice: KernelChoice,
) -> Result<Vec<KernelUse>, LoadError> {
    let uses = pass_uses(plan, weights.tensors(), choice, device.binding_limit(), &plan.ops)?;
    let selection = selection_uses(plan.buffer(plan.logits).columns, choice);
    Ok(device.missing(uses.iter().chain(&selection)))
}

/// Decides which of a plan's tensors go where.
fn find_place(
    device: &Device,
    plan: &Plan,
    weights: &dyn Weights,
    shared: &SharedTensors,
    context: usize,
) -> Result<Residency, LoadError> {
    let tensors = weights.tensors();
    let layouts = GpuLayout::of_all(plan, tensors);
    let is_shared = |(spec, layout): (&TensorSpec, &GpuLayout)| shared.find(spec, *layout).is_some();
    let shared = plan.tensors.iter().zip(&layouts).map(is_shared).collect();
    let sized = SizedModel { plan, tensors, shared, context, binding_bytes: device.binding_limit() };
    let residency = sized.residency(device.room())?;
    let Some(streaming) = residency.streaming else { return Ok(residency) };
    if !device.has_host_buffers() {
        return Err(LoadError::NoHostBuffers);
    }
    match free_host_memory() {
        Some(free) if free < streaming.bus_bytes => {
            Err(LoadError::NoHostMemory { needed: streaming.bus_bytes, free })
        }
        _ => Ok(residency),
    }
}
