//! Loading with the fastest kernels: those remembered, or found by a [trial](super::trial); and what adapters get, in words.

use std::sync::Arc;

use super::attention_trial::ATTENTION_WORK;
use super::core::Engine;
use super::tuning_cache::{Trial, TuningCache};
use crate::gpu::device::Device;
use crate::gpu::error::LoadError;
use crate::gpu::kernels::{FEW_ROWS, KernelChoice, LinearKernel, RowCount, summary};
use crate::gpu::progress::{LoadPart, Progress, Share, tell};
use crate::gpu::weights::SharedTensors;
use crate::model::plan::Plan;
use crate::model::{ModelError, Weights};

/// Rows of the passes of a trial: a step, some beams, a prompt.
const ROWS: [usize; 3] = [1, FEW_ROWS / 2, 256];

impl Engine {
    /// Uploads the weights and compiles the plan for this device; tensor i of `weights` is the plan's
    /// tensor i. A context longer than the adapter can hold in one binding is shortened;
    /// [`LanguageModel::context`](crate::model::LanguageModel::context) tells.
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
        for rows in ROWS {
            let kernels = KernelChoice::linear_candidates(&engine.device.capabilities, RowCount::of(rows));
            engine.choose(rows, &kernels, &mut trials)?;
        }
        let kernels = candidates[0].attention_candidates(&engine.device.capabilities);
        engine.choose_attention(ROWS[2], &kernels, &mut trials)?;
        engine.measure_bus(&mut trials)?;
        engine.device.keep_kernels();
        Ok(engine)
    }
}

/// Which kernels a model gets on a device, in words: those it begins with, and what trials found.
fn variants_of(device: &Device) -> Vec<String> {
    let capabilities = &device.capabilities;
    let first = KernelChoice::candidates(capabilities)[0];
    let mut variants = first.describe();
    let others = first.prefill_candidates(capabilities).into_iter().skip(1);
    variants.extend(others.map(|other| format!("linear map, more rows, to be tried: {}", other.describe())));
    let attention = first.attention_candidates(capabilities);
    let to_try = attention.iter().skip(1).map(|kernel| kernel.describe());
    variants.extend(to_try.map(|kernel| format!("{ATTENTION_WORK}, to be tried: {kernel}")));
    let trials = TuningCache::of_user();
    let (adapter, driver) = (device.info.full_name(), &device.info.driver);
    variants.extend(RowCount::CHOSEN.into_iter().filter_map(|row_count| {
        let kernels = KernelChoice::linear_candidates(capabilities, row_count);
        let found: Vec<_> =
            trials.about(&adapter, driver).filter_map(|trial| words(trial, row_count, &kernels)).collect();
        (!found.is_empty()).then(|| format!("{}, by trial: {}", row_count.describe(), summary(&found)))
    }));
    variants.extend(trials.about(&adapter, driver).filter_map(|trial| {
        let shapes = trial.key.work.strip_prefix(ATTENTION_WORK)?;
        let kernel = attention.iter().find(|kernel| trial.fastest() == Some(&kernel.id()))?;
        Some(format!("{ATTENTION_WORK}, by trial: {}{shapes}", kernel.describe()))
    }));
    variants.extend(trials.about(&adapter, driver).flat_map(|trial| {
        let work = &trial.key.work;
        trial
            .wrong()
            .map(move |id| format!("{work}: {id} computed something else than the others, and is not used"))
    }));
    variants
}

/// The kernels that a model gets on the adapter of this index, or why it gets none.
pub fn variants_on(index: usize) -> Result<Vec<String>, String> {
    let device = Device::open(Some(&index.to_string()));
    device.map(|device| variants_of(&device)).map_err(|error| error.problem())
}

/// The kernel that a trial found for so many rows, and the kind of linear map that it is for, in words; nothing of
/// candidates that there are no more.
fn words(trial: &Trial, row_count: RowCount, kernels: &[LinearKernel]) -> Option<(String, String)> {
    let kind = trial.key.work.strip_prefix(&row_count.describe())?.strip_prefix(": ")?;
    let fastest = trial.fastest()?;
    let kernel = kernels.iter().find(|kernel| kernel.id() == fastest)?;
    Some((kernel.describe(), kind.to_owned()))
}
