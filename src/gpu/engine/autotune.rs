//! Loading with the fastest kernels.
//!
//! The trial: a loaded model's own matrices, read once by the kernels of each candidate, to find the fastest.
//!
//! Some milliseconds at load, and only where an adapter has more than one candidate; what came out is remembered
//! by [`super::tuning_cache`].

use std::sync::Arc;

use wgpu::ComputePass;

use super::contest::{Contest, FirstKernels, TunedModel, TunedOps};
use super::core::Engine;
use super::tuning_cache::{Trial, TuningCache};
use crate::gpu::device::{Device, Stopwatch};
use crate::gpu::error::LoadError;
use crate::gpu::kernels::{KernelChoice, LinearVariant};
use crate::gpu::pass::PassShape;
use crate::gpu::progress::{LoadPart, Progress, Share, tell};
use crate::gpu::weights::{GpuLayout, SharedTensors};
use crate::model::batch::RowOutput;
use crate::model::plan::Plan;
use crate::model::{Batch, LanguageModel, ModelError, Weights};

/// Runs of each candidate; the fastest counts. One more before them pays for the driver's compiler.
const RUNS: usize = 4;

impl Engine {
    /// Uploads the weights and compiles the plan for this device; tensor i of `weights` is the plan's
    /// tensor i. A context longer than the adapter can hold in one binding is shortened;
    /// [`LanguageModel::context`] tells.
    pub fn load(
        device: impl Into<Arc<Device>>,
        plan: Plan,
        context: usize,
        weights: &dyn Weights,
        progress: &mut Progress<'_>,
    ) -> Result<Self, LoadError> {
        Self::load_beside(device, plan, context, weights, &SharedTensors::default(), progress)
    }

    /// As [`Self::load`], with what another engine on the same device [shares](Self::shared): of the plan's tensors those
    /// that are among them, and lie there as they are needed, are not uploaded again.
    pub fn load_beside(
        device: impl Into<Arc<Device>>,
        plan: Plan,
        context: usize,
        weights: &dyn Weights,
        shared: &SharedTensors,
        progress: &mut Progress<'_>,
    ) -> Result<Self, LoadError> {
        let device = device.into();
        let candidates = KernelChoice::candidates(&device.capabilities);
        let created = device.created_bytes();
        let mut trials = TuningCache::of_user();
        let first = FirstKernels::of_trials(&device, &plan, context, weights, &trials)?;
        let mut load =
            |plan| Self::load_sharing(Arc::clone(&device), plan, context, weights, shared, progress, &first);
        let mut engine = match load(plan.clone()) {
            // The driver promised more than there is, or told nothing: what there was tells.
            Err(LoadError::Model(ModelError::OutOfMemory { .. })) if device.has_no_limit() => {
                let had = device.created_bytes() - created;
                log::info!("the GPU took {had} bytes and no more: layers stay in the computer's memory");
                device.limit_to(had / 5 * 4);
                load(plan)?
            }
            loaded => loaded?,
        };
        if candidates.len() > 1 {
            tell(progress, LoadPart::Trying, Share::of(0, 0))?;
        }
        if engine.streaming().is_some() {
            // What was expected was of a model that is all on the GPU.
            engine.set_choice(candidates[0])?;
        }
        engine.choose(&candidates, &mut trials)?;
        engine.choose_for_prefill(&candidates[0].prefill_candidates(&device.capabilities), &mut trials)?;
        engine.measure_bus(&mut trials)?;
        device.keep_kernels();
        Ok(engine)
    }

    /// Takes the fastest of the candidates for passes of one row, as remembered or by a trial. Without timestamps
    /// it stays with what it has.
    pub fn choose(
        &mut self,
        candidates: &[KernelChoice],
        trials: &mut TuningCache,
    ) -> Result<(), ModelError> {
        let contest = self.tuned(|model| Contest::for_steps(model, candidates));
        self.choose_by(contest, trials)
    }

    /// Likewise the fastest of these kernels for the linear maps of many rows, as far as they suit the weights.
    pub fn choose_for_prefill(
        &mut self,
        candidates: &[LinearVariant],
        trials: &mut TuningCache,
    ) -> Result<(), ModelError> {
        let contest = self.tuned(|model| Contest::for_prefill(model, self.program.choice, candidates));
        self.choose_by(contest, trials)
    }

    /// Makes something of what is tuned.
    fn tuned<T>(&self, make: impl FnOnce(&TunedModel<'_>) -> T) -> T {
        let layouts: Vec<GpuLayout> =
            self.resources.tensors.iter().map(|tensor| tensor.shape.layout).collect();
        make(&TunedModel {
            plan: self.plan(),
            layouts: &layouts,
            is_apart: &|op| self.resources.host.streamed.is_apart(op),
            most_rows: self.rows.batch.min(self.context()),
        })
    }

    fn choose_by(&mut self, contest: Option<Contest>, trials: &mut TuningCache) -> Result<(), ModelError> {
        let Some(contest) = contest else { return Ok(()) };
        let device = self.device.clone();
        let Some(stopwatch) = Stopwatch::new(&device)? else { return Ok(()) };
        let Contest { work, choices, ids } = &contest;
        let fastest = trials.fastest(contest.key(&device), ids, |index| {
            let seconds = self.seconds(&stopwatch, choices[index], work)?;
            log::info!("{}: {} in {seconds:.6} s", work.name, ids[index]);
            Ok(seconds)
        })?;
        self.set_choice(choices[fastest])
    }

    /// Seconds that the work takes on the GPU with these kernels.
    fn seconds(
        &mut self,
        stopwatch: &Stopwatch<'_>,
        choice: KernelChoice,
        work: &TunedOps,
    ) -> Result<f64, ModelError> {
        let sequence = self.new_sequence();
        let begun = self.begin(&Batch::chain(sequence, 0, &vec![0; work.rows], RowOutput::Logits));
        self.release(sequence);
        begun?;
        let steps = self.compile_ops(choice, &work.ops)?;
        let all = |pass: &mut ComputePass<'_>| {
            steps.iter().for_each(|step| step.encode(pass, PassShape::of_rows(work.rows)))
        };
        let seconds = stopwatch.time(&[all; 1 + RUNS])?;
        Ok(seconds[1..].iter().copied().fold(f64::INFINITY, f64::min))
    }
}

/// Which kernels a model gets on a device, in words: those it begins with, and what trials found.
fn variants_of(device: &Device) -> Vec<String> {
    let steps = KernelChoice::candidates(&device.capabilities);
    let prompts = steps[0].prefill_candidates(&device.capabilities);
    let mut variants = steps[0].describe();
    let others = prompts.iter().skip(1);
    variants.extend(others.map(|other| format!("linear map, more rows, to be tried: {}", other.describe())));
    let trials = TuningCache::of_user();
    let (adapter, driver) = (device.info.full_name(), &device.info.driver);
    variants.extend(trials.about(&adapter, driver).filter_map(|trial| words(trial, &steps, &prompts)));
    variants
}

/// The kernels that a model gets on the adapter of this index, or why it gets none.
pub fn variants_on(index: usize) -> Result<Vec<String>, String> {
    let device = Device::open(Some(&index.to_string()));
    device.map(|device| variants_of(&device)).map_err(|error| error.problem())
}

/// What a trial found, for a person; nothing of candidates that there are no more.
fn words(trial: &Trial, steps: &[KernelChoice], prompts: &[LinearVariant]) -> Option<String> {
    let fastest = trial.fastest()?;
    let step = || steps.iter().find(|choice| choice.step_id() == fastest).map(KernelChoice::describe_step);
    let prompt = || prompts.iter().find(|variant| variant.id() == fastest).map(|variant| variant.describe());
    let found = step().or_else(prompt)?;
    Some(format!("by trial, {}: {found} ({} candidates)", trial.key.work, trial.seconds.len()))
}
