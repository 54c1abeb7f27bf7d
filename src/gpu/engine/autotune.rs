//! Loading with the fastest kernels.
//!
//! The trial: a loaded model's own matrices, read once by the kernels of each candidate, to find the fastest.
//!
//! Some milliseconds at load, and only where an adapter has more than one candidate; what came out is remembered
//! by [`super::tuning_cache`].

use std::sync::Arc;

use wgpu::ComputePass;

use super::core::Engine;
use super::tuning_cache::{PROGRAM, Trial, TuningCache, TuningKey};
use crate::gpu::device::{Device, Stopwatch};
use crate::gpu::error::LoadError;
use crate::gpu::kernels::{KernelChoice, LinearVariant};
use crate::gpu::pass::PassShape;
use crate::gpu::progress::{LoadPart, Progress, Share, tell};
use crate::gpu::weights::{GpuLayout, SharedTensors};
use crate::gpu::yardsticks::wake;
use crate::model::batch::RowOutput;
use crate::model::plan::{Op, Plan, RowSet};
use crate::model::{Batch, LanguageModel, ModelError, WeightFormat, Weights};

/// Bytes of weights that a run of one row reads at most: far more than caches hold, and a millisecond or less on a
/// GPU.
const MOST_BYTES: u64 = 256 << 20;
/// Rows of a run of many, and bytes of weights that it reads at most: some milliseconds of arithmetic on a GPU.
const MANY_ROWS: usize = 256;
const MOST_BYTES_OF_MANY: u64 = 16 << 20;
/// Rounds in which every candidate runs once; the fastest run of each counts.
const ROUNDS: usize = 5;

/// The ops that are run.
struct TunedOps {
    /// Linear maps of one shape and format, in the plan's order.
    ops: Vec<usize>,
    format: WeightFormat,
    /// Rows of the batch.
    rows: usize,
    /// Format, shape and rows, in words.
    name: String,
}

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
        let mut load = |plan| {
            Self::load_sharing(Arc::clone(&device), plan, context, weights, shared, progress, candidates[0])
        };
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
        let mut trials = TuningCache::of_user();
        engine.choose(&candidates, &mut trials)?;
        engine.choose_for_prefill(
            &engine.program.choice.prefill_candidates(&engine.device.capabilities),
            &mut trials,
        )?;
        engine.measure_bus(&mut trials)?;
        Ok(engine)
    }

    /// Takes the fastest of the candidates for passes of one row, as remembered or by a trial. Without timestamps
    /// it stays with what it has.
    pub fn choose(
        &mut self,
        candidates: &[KernelChoice],
        trials: &mut TuningCache,
    ) -> Result<(), ModelError> {
        let Some(work) = TunedOps::of(self, 1, MOST_BYTES) else { return Ok(()) };
        let ids: Vec<String> = candidates.iter().map(KernelChoice::step_id).collect();
        self.choose_for(&work, candidates, &ids, trials)
    }

    /// Likewise the fastest of these kernels for the linear maps of many rows, as far as they suit the weights.
    pub fn choose_for_prefill(
        &mut self,
        candidates: &[LinearVariant],
        trials: &mut TuningCache,
    ) -> Result<(), ModelError> {
        let rows = MANY_ROWS.min(self.rows.batch).min(self.context());
        let Some(work) = TunedOps::of(self, rows, MOST_BYTES_OF_MANY) else { return Ok(()) };
        let suited = candidates.iter().filter(|variant| variant.suits(work.format));
        let (ids, choices): (Vec<String>, Vec<KernelChoice>) = suited
            .map(|&variant| (variant.id(), KernelChoice { many_rows: variant, ..self.program.choice }))
            .unzip();
        self.choose_for(&work, &choices, &ids, trials)
    }

    fn choose_for(
        &mut self,
        work: &TunedOps,
        choices: &[KernelChoice],
        ids: &[String],
        trials: &mut TuningCache,
    ) -> Result<(), ModelError> {
        if choices.len() < 2 {
            return Ok(());
        }
        let device = self.device.clone();
        let Some(stopwatch) = Stopwatch::new(&device)? else { return Ok(()) };
        let key = TuningKey {
            adapter: device.info.full_name(),
            driver: device.info.driver.clone(),
            program: PROGRAM.to_owned(),
            work: work.name.clone(),
        };
        let fastest = trials.fastest(key, ids, || {
            let seconds = self.seconds(&stopwatch, choices, work)?;
            ids.iter()
                .zip(&seconds)
                .for_each(|(id, seconds)| log::info!("{}: {id} in {seconds:.6} s", work.name));
            Ok(seconds)
        })?;
        self.set_choice(choices[fastest])
    }

    /// Seconds that the work takes on the GPU with each of these kernels.
    fn seconds(
        &mut self,
        stopwatch: &Stopwatch<'_>,
        choices: &[KernelChoice],
        work: &TunedOps,
    ) -> Result<Vec<f64>, ModelError> {
        let sequence = self.new_sequence();
        let begun = self.begin(&Batch::chain(sequence, 0, &vec![0; work.rows], RowOutput::Logits));
        self.release(sequence);
        begun?;
        let compile = |&choice| self.compile_ops(choice, &work.ops);
        let candidates = choices.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let shape = PassShape::of_rows(work.rows);
        let runs: Vec<_> = candidates
            .iter()
            .map(|steps| {
                move |pass: &mut ComputePass<'_>| steps.iter().for_each(|step| step.encode(pass, shape))
            })
            .collect();
        // The first run of each pays for the driver's compiler. Then they take turns, so that whatever the clocks do, they
        // do it to all.
        stopwatch.time(&runs)?;
        wake(&self.device)?;
        let rounds = (0..ROUNDS).map(|_| stopwatch.time(&runs)).collect::<Result<Vec<_>, _>>()?;
        Ok(least_of_each(&rounds))
    }
}

/// The least time of each candidate, of rounds that each candidate took part in.
fn least_of_each(rounds: &[Vec<f64>]) -> Vec<f64> {
    let least =
        |one: Vec<f64>, other: &Vec<f64>| one.iter().zip(other).map(|(one, other)| one.min(*other)).collect();
    let Some((first, others)) = rounds.split_first() else { return Vec::new() };
    others.iter().fold(first.clone(), least)
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

impl TunedOps {
    /// The linear maps of the shape that has most of the model's bytes, up to `most_bytes` and at least one, for so
    /// many rows; `None` for a plan without any.
    fn of(engine: &Engine, rows: usize, most_bytes: u64) -> Option<Self> {
        let mut shapes: Vec<(String, WeightFormat, Vec<usize>)> = Vec::new();
        for (index, op) in engine.plan().ops.iter().enumerate() {
            let Op::Linear { weight, output, .. } = op else { continue };
            if !engine.resources.host.streamed.is_apart(op) {
                continue;
            }
            if rows > 1 && engine.plan().buffer(*output).rows == RowSet::Outputs {
                // Of a prompt's rows hardly any want logits.
                continue;
            }
            let GpuLayout::Matrix(format) = engine.resources.tensors[weight.0].shape.layout else { continue };
            let spec = engine.plan().tensor(*weight);
            let name = format!("{} {} × {}", format.name(), spec.rows, spec.columns);
            match shapes.iter_mut().find(|(known, ..)| *known == name) {
                Some((.., ops)) => ops.push(index),
                None => shapes.push((name, format, vec![index])),
            }
        }
        let bytes = |ops: &[usize]| ops.iter().map(|&op| engine.weight_bytes(op)).sum::<u64>();
        let (mut name, format, mut ops) = shapes.into_iter().max_by_key(|(.., ops)| bytes(ops))?;
        let each = engine.weight_bytes(ops[0]).max(1);
        ops.truncate((most_bytes / each).max(1) as usize);
        if rows > 1 {
            name += &format!(", {rows} rows");
        }
        Some(Self { ops, format, rows, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_time_of_each_counts() {
        // Clocks that rise while candidates take turns.
        let rounds = [vec![4.0, 6.0, 2.5], vec![2.0, 3.0, 1.0], vec![2.1, 2.9, 1.5]];
        assert_eq!(least_of_each(&rounds), [2.0, 2.9, 1.0]);
        assert!(least_of_each(&[]).is_empty());
    }
}
