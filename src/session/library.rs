//! Reads the headers of a model for the list of those on this computer, with the memory that it would take.

use std::path::Path;

use super::load::LoadError;
use crate::formats;
use crate::gpu::{self, AdapterInfo, estimate_memory, least_memory};
use crate::library::{DeviceMemory, Facts, Need, USUAL_CONTEXT};
use crate::model::{CacheFormat, Fused, Weights, fuse, plan_decoder};

/// What the headers at a path say.
pub fn read_headers(path: &Path) -> Facts {
    let inspection = match formats::inspect(path) {
        Ok(inspection) => inspection,
        Err(problem) => return Facts::of_problem(problem.to_string()),
    };
    let mut facts = Facts::of(&inspection);
    if inspection.supported && facts.other.is_none() {
        match memory(path) {
            Ok(need) => facts.memory = Some(need),
            Err(problem) => facts.problem = Some(problem.to_string()),
        }
    }
    facts
}

/// An adapter's memory, where its driver tells: of this one, or of the best one.
pub fn adapter_memory(choice: Option<&str>) -> Option<DeviceMemory> {
    device_memory(&gpu::find(choice).ok()?)
}

/// An adapter's memory, where its driver tells.
pub fn device_memory(adapter: &AdapterInfo) -> Option<DeviceMemory> {
    let is_own = adapter.has_own_memory();
    adapter.memory_bytes.map(|bytes| DeviceMemory { bytes, is_own })
}

/// The memory for a usual context, without the tokenizer's being read.
fn memory(path: &Path) -> Result<Need, LoadError> {
    let mut file = formats::open(path)?;
    file.config.context = file.config.context.min(USUAL_CONTEXT);
    let context = file.config.context;
    let mut plan = plan_decoder(&file.config).with_orders(file.weights.tensors());
    let bound = plan.bind(file.weights);
    let weights = bound.map_err(|reason| LoadError::Bind { path: file.path, reason })?;
    plan.cache_format = CacheFormat::for_weights(weights.tensors());
    let Fused { plan, weights } = fuse(&plan, &weights);
    let bytes = estimate_memory(&plan, weights.tensors(), context).total();
    // What cannot be told of it is an adapter's matter.
    let least_bytes = least_memory(&plan, weights.tensors(), context).ok();
    Ok(Need { context, bytes, least_bytes })
}
