//! What a model's headers say, and the memory that it would take on an adapter, before a byte of it is loaded.

use serde::Serialize;

use super::command::{LoadRequest, ModelSource};
use super::load::LoadError;
use super::opened::Opened;
use crate::formats::{self, BuiltIn, FormatError, Inspection};
use crate::gpu::{self, AdapterInfo, GpuError, estimate_memory};
use crate::model::{Fused, Weights};
use crate::units::{self, Streaming};

pub use crate::gpu::{Fit, TooLarge};

/// Contexts for which the memory is told, beside the one that is asked for.
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
    #[serde(rename = "memory_of_shorter")]
    pub shorter: Vec<MemoryNeed>,
    /// Why the tokenizer in its files cannot be used; `None` where it can, and where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer_problem: Option<String>,
    /// What the adapter can hold of it.
    pub adapter: AdapterMatch,
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
    /// Bytes of the states of one sequence, with all checkpoints that it may keep; 0 where no layer has a state.
    pub state_bytes: u64,
    /// All of them.
    pub total_bytes: u64,
}

/// A model beside an adapter.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AdapterMatch {
    /// The adapter that would take the model.
    Adapter(AdapterRoom),
    /// There is none.
    Nothing {
        /// Why.
        problem: String,
    },
}

/// What an adapter can hold, by the limits that its driver reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdapterRoom {
    /// Its name.
    pub name: String,
    /// `Vulkan`, `Metal`, `Dx12` or `Gl`.
    pub backend: String,
    /// The largest buffer that one binding can show to a kernel, in bytes.
    pub binding_bytes: u64,
    /// Size of the device's memory in bytes; `None` where the driver does not tell.
    pub memory_bytes: Option<u64>,
    /// How much of the model that is; `None` where the model cannot be opened.
    pub fit: Option<Fit>,
    /// How it would run where not all of its layers are on the GPU; left out where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streamed: Option<StreamedLayers>,
    /// Why it cannot run there, where memory is what it lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_room: Option<String>,
}

/// A model that would run with some layers in the computer's memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StreamedLayers {
    /// Which layers, and how much crosses the bus.
    #[serde(flatten)]
    pub streaming: Streaming,
    /// Positions that a text could have.
    pub context: usize,
    /// Bytes a second that the bus brings.
    pub bus_bytes_per_s: f64,
    /// Whether that was measured with this adapter; otherwise it is assumed.
    pub measured: bool,
    /// Tokens a second that the bus allows, one a pass, all of whose experts come anew: computed from the two.
    pub most_tokens_per_s: f64,
}

/// What is taken for a bus that was not measured, in bytes a second: PCI Express 3.0 with 16 lanes brings a little more.
const ASSUMED_RATE: f64 = 12e9;

impl StreamedLayers {
    fn of(streaming: Streaming, context: usize, rate: Option<f64>) -> Self {
        let bus_bytes_per_s = rate.unwrap_or(ASSUMED_RATE);
        Self {
            streaming,
            context,
            bus_bytes_per_s,
            measured: rate.is_some(),
            most_tokens_per_s: bus_bytes_per_s / streaming.bytes_of_a_step().max(1) as f64,
        }
    }

    /// `at most 3.20 tokens/s, by a bus of 12.0 GB/s (measured)`, or `about` where experts that are still there need not come again.
    pub fn speed(&self) -> String {
        let known = if self.measured { "measured" } else { "assumed, not measured yet" };
        let rate = units::bytes(self.bus_bytes_per_s as u64);
        let speed = units::three_digits(self.most_tokens_per_s);
        format!("{} {speed} tokens/s, by a bus of {rate}/s ({known})", self.bound())
    }

    /// What the tokens a second are: `at most`, or `about` where experts that are still there from earlier tokens need not
    /// cross the bus again.
    pub fn bound(&self) -> &'static str {
        if self.streaming.step_bytes.is_some() { "about" } else { "at most" }
    }
}

/// What ends a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// One layer's keys are larger than a binding.
    Binding,
    /// All together is larger than the device's memory.
    Memory,
    /// It runs, with some layers in the computer's memory.
    Layers,
}

impl ModelCard {
    /// Reads the headers of a model that would be loaded like this, and compares it with the adapter. Fails only where
    /// there is no model to speak of.
    pub fn read(request: &LoadRequest) -> Result<Self, FormatError> {
        Self::beside(request, gpu::find(request.adapter.as_deref()))
    }

    /// As [`Self::read`], for an adapter that was looked for already.
    pub fn beside(
        request: &LoadRequest,
        adapter: Result<AdapterInfo, GpuError>,
    ) -> Result<Self, FormatError> {
        let mut facts = match &request.source {
            ModelSource::Path(path) => formats::inspect(path)?,
            ModelSource::BuiltIn => formats::inspect_built_in(BuiltIn::Model),
            ModelSource::BuiltInDraft => formats::inspect_built_in(BuiltIn::Draft),
            ModelSource::Server(address) => return Err(FormatError::Elsewhere(address.to_string())),
        };
        let opened = if facts.supported { open(request, &mut facts) } else { None };
        let (mut memory, mut shorter) = (None, Vec::new());
        if let Some(opened) = &opened {
            facts.cache_bytes_per_position = Some(opened.plan.cache_bytes_per_position());
            // Without a KV cache all contexts take the same.
            let has_cache = opened.plan.cache_bytes_per_position() > 0;
            let fewer = CONTEXTS.into_iter().filter(|context| has_cache && *context < opened.context);
            shorter = memory_needs(opened, fewer.chain([opened.context]));
            memory = shorter.pop();
        }
        let adapter = match adapter {
            Ok(adapter) => {
                AdapterMatch::Adapter(AdapterRoom::of(adapter, opened.as_ref(), request.gpu_memory))
            }
            Err(problem) => AdapterMatch::Nothing { problem: problem.to_string() },
        };
        let tokenizer_problem = opened.and_then(|opened| opened.tokenizer_problem);
        Ok(Self { facts, memory, shorter, tokenizer_problem, adapter })
    }

    /// The tokenizer for a person: its algorithm, or that and why there is none.
    pub fn tokenizer(&self) -> String {
        match (&self.tokenizer_problem, &self.facts.tokenizer) {
            (Some(problem), _) => format!("none that can be used ({problem}): token ids only"),
            (None, Some(algorithm)) => algorithm.clone(),
            (None, None) => "none: token ids only".to_owned(),
        }
    }
}

/// Opens what the headers describe; what is wrong becomes a problem among the facts.
fn open(request: &LoadRequest, facts: &mut Inspection) -> Option<Opened> {
    let opened = Opened::open(&request.source, request.context, request.weights);
    let noted = |problem: LoadError| {
        facts.supported = false;
        facts.problems.push(problem.to_string());
    };
    let opened = opened.map_err(noted).ok()?.with_cache(request.cache);
    // What only opening tells, such as of a tokenizer that cannot be made.
    for warning in &opened.file.warnings {
        if !facts.warnings.contains(warning) {
            facts.warnings.push(warning.clone());
        }
    }
    Some(opened)
}

fn memory_needs(opened: &Opened, contexts: impl Iterator<Item = usize>) -> Vec<MemoryNeed> {
    let Fused { plan, weights } = opened.fused();
    let need = |context| {
        let memory = estimate_memory(&plan, weights.tensors(), context);
        MemoryNeed {
            context,
            weight_bytes: memory.weight_bytes,
            scratch_bytes: memory.scratch_bytes,
            cache_bytes: memory.cache_bytes,
            state_bytes: memory.state_bytes,
            total_bytes: memory.total(),
        }
    };
    contexts.map(need).collect()
}

impl AdapterRoom {
    fn of(adapter: AdapterInfo, opened: Option<&Opened>, limit: Option<u64>) -> Self {
        let (mut fit, mut streamed, mut no_room) = (None, None, None);
        if let Some(opened) = opened {
            let Fused { plan, weights } = opened.fused();
            fit = Some(Fit::of(&plan, weights.tensors(), opened.context, &adapter));
            match gpu::place(&plan, weights.tensors(), opened.context, &adapter, limit) {
                Ok(placed) => {
                    // A limit that a person set shortens texts as the memory itself does.
                    if let (Some(_), None, Some(fit)) = (limit, placed.streaming, &mut fit) {
                        let whole = fit.memory_positions.unwrap_or(placed.context);
                        fit.memory_positions = Some(whole.min(placed.context));
                    }
                    streamed = placed.streaming.map(|streaming| {
                        StreamedLayers::of(streaming, placed.context, gpu::bus_rate(&adapter))
                    });
                }
                // What is too large for a binding is among what does not fit.
                Err(gpu::LoadError::TensorTooLarge { .. }) => {}
                Err(problem) => no_room = Some(problem.to_string()),
            }
        }
        let AdapterInfo { name, backend, binding_bytes, memory_bytes, .. } = adapter;
        Self { name, backend, binding_bytes, memory_bytes, fit, streamed, no_room }
    }

    /// What keeps a context of so many positions from being held; `None` where it can be.
    pub fn limit_of(&self, context: usize) -> Option<Limit> {
        let fit = self.fit.as_ref()?;
        if context > fit.binding_positions {
            Some(Limit::Binding)
        } else if self.streamed.is_some_and(|streamed| context <= streamed.context) {
            Some(Limit::Layers)
        } else if fit.memory_positions.is_some_and(|positions| context > positions) {
            Some(Limit::Memory)
        } else {
            None
        }
    }
}
