//! Facts about the model and the adapter of a run, as a reader of the trace needs them.

use serde::{Deserialize, Serialize};

use crate::units::{LayersKeep, Streaming};

/// The model of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Name for a person: the folder's or file's name, or the built-in model's.
    pub name: String,
    /// Where it was opened from; `built-in` for the demonstration model.
    pub path: String,
    /// Family, such as `llama`.
    pub family: String,
    /// Number of weights, tied ones counted once.
    pub parameters: u64,
    /// Storage formats of the weights, most bytes first, such as `bf16` or `f16 + f32`.
    pub weights: String,
    /// Layers.
    pub layers: usize,
    /// C: width of the residual stream.
    pub width: usize,
    /// H: query heads of a layer (of the first one, where they differ).
    pub heads: usize,
    /// G: key/value heads of a layer (of the first one, where they differ).
    pub key_value_heads: usize,
    /// D: elements of a head.
    pub head_width: usize,
    /// V: vocabulary entries.
    pub vocabulary: usize,
    /// Longest sequence used, in positions: the model's own, or what the user limited it to.
    pub context: usize,
    /// Bytes of weights on the GPU, as allocated (measured).
    pub weight_bytes: u64,
    /// Bytes that one position takes in the KV cache (computed).
    pub cache_bytes_per_position: u64,
    /// Bytes that the states of one sequence take, whatever its length (computed): 0 where no layer has one.
    #[serde(default)]
    pub state_bytes_per_sequence: u64,
    /// How many layers keep a KV cache, and how many a state; all 0 in traces from before it was recorded.
    #[serde(default)]
    pub layers_keep: LayersKeep,
    /// Which layers were in the computer's memory; left out where all were on the GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<Streaming>,
    /// The server that it was on; left out for a model on this computer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServedBy>,
}

/// A server that a model was on. The logits of such a run are log-probabilities, in nats, as the server sent them; what follows
/// from them was computed here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedBy {
    /// The engine and its version, such as `vLLM 0.32.0`.
    pub engine: String,
    /// Most log-probabilities of a row that it sends, the highest ones.
    pub most_listed: usize,
    /// Whether it sends whole rows where they are needed.
    pub whole_rows: bool,
}

/// Most log-probabilities of a row that a step asks a server for where it needs no whole row.
pub const MOST_ASKED: usize = 120;

impl ServedBy {
    /// How many log-probabilities of a row a step was told where it needed no whole row; `vocabulary` is V.
    pub fn told(&self, vocabulary: usize) -> usize {
        self.most_listed.min(MOST_ASKED).min(vocabulary)
    }
}

/// The adapter that computed a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// Position in the list of adapters, as `--adapter` takes it.
    pub index: usize,
    /// Name given by the driver.
    pub name: String,
    /// `Vulkan`, `Metal`, `Dx12` or `Gl`.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `CPU` or `other`.
    pub kind: String,
    /// Driver name and version.
    pub driver: String,
}
