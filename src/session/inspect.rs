//! What a model's headers say, and the memory that it would take, before a byte of it is loaded.

use serde::Serialize;

use super::command::ModelSource;
use super::load::Opened;
use crate::formats::{self, FormatError, Inspection};
use crate::gpu::estimate_memory;
use crate::model::{CacheFormat, Fused, Weights, WeightsChoice};

/// Contexts for which the memory is told, beside the model's own.
const CONTEXTS: [usize; 4] = [2048, 8192, 32_768, 131_072];

/// The facts about a model that is not loaded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelCard {
    /// What its files say.
    #[serde(flatten)]
    pub facts: Inspection,
    /// GPU memory with a full context; `None` where the model cannot be opened.
    pub memory: Option<MemoryNeed>,
    /// The same for shorter contexts, the shortest first.
    #[serde(skip)]
    pub shorter: Vec<MemoryNeed>,
}

/// GPU memory with a full context, computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryNeed {
    /// Positions.
    pub context: usize,
    /// Bytes of weights.
    pub weight_bytes: u64,
    /// Bytes of activations and other scratch.
    pub scratch_bytes: u64,
    /// Bytes of the KV cache.
    pub cache_bytes: u64,
    /// All of them.
    pub total_bytes: u64,
}

impl ModelCard {
    /// Reads the headers. `weights` and `cache` are how it would be loaded, as in [`super::LoadRequest`]. Fails only
    /// where there is no model to speak of.
    pub fn read(
        source: &ModelSource,
        weights: WeightsChoice,
        cache: Option<CacheFormat>,
    ) -> Result<Self, FormatError> {
        let mut facts = match source {
            ModelSource::Path(path) => formats::inspect(path)?,
            ModelSource::BuiltIn => formats::inspect_built_in(),
        };
        let (mut memory, mut shorter) = (None, Vec::new());
        if facts.supported {
            match Opened::open(source, None, weights) {
                Ok(opened) => {
                    let opened = opened.with_cache(cache);
                    facts.cache_bytes_per_position = Some(opened.plan.cache_bytes_per_position());
                    let fewer = CONTEXTS.into_iter().filter(|context| *context < opened.context);
                    let mut needs = memory_needs(&opened, fewer.chain([opened.context]));
                    memory = needs.pop();
                    shorter = needs;
                }
                Err(problem) => {
                    facts.supported = false;
                    facts.problems.push(problem.to_string());
                }
            }
        }
        Ok(Self { facts, memory, shorter })
    }
}

fn memory_needs(opened: &Opened, contexts: impl Iterator<Item = usize>) -> Vec<MemoryNeed> {
    let Fused { plan, weights } = opened.fused();
    let bound: Vec<usize> = (0..plan.tensors.len()).collect();
    let need = |context| {
        let memory = estimate_memory(&plan, weights.tensors(), &bound, context);
        MemoryNeed {
            context,
            weight_bytes: memory.weight_bytes,
            scratch_bytes: memory.scratch_bytes,
            cache_bytes: memory.cache_bytes,
            total_bytes: memory.total(),
        }
    };
    contexts.map(need).collect()
}
