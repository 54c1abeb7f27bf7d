//! The only place that names model families: one short file each, with a reader of its `config.json` and a
//! table from its tensors' names to ours.
//!
//! A family knows choices and names. Files, shapes and bytes are for the importer.

mod activation;
mod bloom;
mod classes;
mod cohere;
mod cohere2;
mod exaone4;
mod experts;
mod facts;
mod falcon;
mod gemma;
mod gemma2;
mod gemma3;
pub mod gguf;
mod glm4;
mod gpt2;
mod gpt_neo;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite;
mod llama;
mod mistral;
mod mixtral;
mod nemotron;
mod norm;
mod olmo;
mod olmo2;
mod olmo3;
mod opt;
mod phi;
mod phi3;
mod qwen2;
mod qwen2_moe;
mod qwen3;
mod qwen3_moe;
mod rope;
pub mod shapes;
mod smollm3;
mod stablelm;
mod starcoder2;
mod usual;
mod window;

use serde_json::Value;

use super::error::FormatError;
use super::fields::Fields;
use super::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::limits;

pub use classes::tokenizer_class;
pub use facts::ArchitectureFacts;

/// Every family that can be opened.
const FAMILIES: [Family; 33] = [
    bloom::FAMILY,
    cohere::FAMILY,
    cohere2::FAMILY,
    exaone4::FAMILY,
    falcon::FAMILY,
    gemma::FAMILY,
    gemma2::FAMILY,
    gemma3::TEXT,
    gemma3::WITH_IMAGES,
    glm4::FAMILY,
    gpt2::FAMILY,
    gpt_neo::FAMILY,
    gpt_neox::FAMILY,
    gpt_oss::FAMILY,
    gptj::FAMILY,
    granite::FAMILY,
    llama::FAMILY,
    mistral::FAMILY,
    mixtral::FAMILY,
    nemotron::FAMILY,
    olmo::FAMILY,
    olmo2::FAMILY,
    olmo3::FAMILY,
    opt::FAMILY,
    phi::FAMILY,
    phi3::FAMILY,
    qwen2::FAMILY,
    qwen2_moe::FAMILY,
    qwen3::FAMILY,
    qwen3_moe::FAMILY,
    smollm3::FAMILY,
    stablelm::FAMILY,
    starcoder2::FAMILY,
];

/// What there is to know about a family.
pub struct Family {
    /// Its `model_type`.
    pub name: &'static str,
    /// Reads the decoder from `config.json`.
    pub read: fn(&Fields, &dyn StoredNames) -> Result<ModelConfig, FormatError>,
    /// The field of `config.json` in which its decoder is described, where the rest describes more than that.
    pub part: Option<&'static str>,
    /// What files may write before the names of [`Self::tensors`]; the usual one first.
    pub prefixes: &'static [&'static str],
    /// From stored modules to canonical ones, in any number of lists.
    pub tensors: &'static [&'static [Mapping]],
    /// The stored module of the LM head's matrix, always without a prefix.
    pub head: &'static str,
    /// Names of stored tensors that real files carry and nothing needs; `#` stands for a layer's number.
    pub ignored: &'static [&'static str],
    /// What the names of tensors begin with that belong to other parts of the model than its decoder.
    pub other_parts: &'static [&'static str],
    /// Fields of `config.json` that change nothing in what is computed from a prompt.
    pub harmless_fields: &'static [&'static str],
}

impl Family {
    /// What describes the decoder, where that is only a part of `config.json`.
    pub fn part<'a>(&self, fields: &Fields<'a>) -> Result<Option<Fields<'a>>, FormatError> {
        let Some(name) = self.part else { return Ok(None) };
        refuse_active(fields)?;
        match fields.optional_object(name)? {
            None => Err(fields.error(name, "it has to describe the decoder")),
            part => Ok(part),
        }
    }

    /// Every row of [`Self::tensors`].
    pub fn mappings(&self) -> impl Iterator<Item = &'static Mapping> {
        self.tensors.iter().copied().flatten()
    }
}

/// One stored module (a name without `.weight` or `.bias`) and the canonical modules that it holds.
///
/// Where `holds` names tensors with their endings, `stored` is a whole name too.
///
/// `#` stands for the layer's number; `*`, in a stored module, for an expert's, whose matrices are stacked, or
/// for a head's. A stored table or vector that is canonically called just `embed.tokens`
/// has the ending `.weight` in the file.
pub struct Mapping {
    /// The stored module, without prefix.
    pub stored: &'static str,
    /// How its matrix is laid out.
    pub layout: Layout,
    /// The canonical modules whose rows it stacks, in order.
    pub holds: &'static [&'static str],
}

/// Which tensors a file stores, for configurations that leave it to the file whether there is a bias.
pub trait StoredNames {
    /// Whether there is a tensor of this name, with any of the family's prefixes.
    fn has(&self, name: &str) -> bool;
}

/// A module stored as it is needed.
const fn stored(stored: &'static str, holds: &'static [&'static str]) -> Mapping {
    Mapping { stored, layout: Layout::OutputsByInputs, holds }
}

/// A module stored in another layout.
const fn laid_out(layout: Layout, stored: &'static str, holds: &'static [&'static str]) -> Mapping {
    Mapping { stored, layout, holds }
}

/// The indices of as many layers as field `name` says, if that is a number to build a model with.
fn layer_indices(fields: &Fields, name: &str) -> Result<std::ops::Range<usize>, FormatError> {
    let layers = fields.size(name)?;
    if layers > limits::LAYERS {
        return Err(fields.error(name, format!("at most {} make sense", limits::LAYERS)));
    }
    Ok(0..layers)
}

/// The family that `config.json` names.
pub fn family(fields: &Fields) -> Result<&'static Family, FormatError> {
    let name = fields
        .optional_text("model_type")?
        .ok_or_else(|| fields.error("model_type", "it has to name the model's family"))?;
    FAMILIES.iter().find(|family| family.name == name).ok_or_else(|| FormatError::UnsupportedFamily {
        file: fields.file().to_owned(),
        family: name.chars().take(60).collect(),
        supported: FAMILIES.map(|family| family.name).join(", "),
    })
}

/// Reads and checks the decoder that `config.json` describes.
pub fn read_config(
    family: &Family,
    fields: &Fields,
    names: &dyn StoredNames,
) -> Result<ModelConfig, FormatError> {
    let config = (family.read)(fields, names)?;
    refuse_active(fields)?;
    config.check().map_err(|reason| FormatError::Config { file: fields.file().to_owned(), reason })?;
    Ok(config)
}

/// A warning about the fields of `config.json`, or the keys of metadata, that nobody here knows, after [`read_config`].
pub fn unknown_fields_warning(family: &Family, fields: &Fields) -> Option<String> {
    let is_known = |name: &&str| {
        HARMLESS_FIELDS.contains(name) || family.harmless_fields.contains(name) || name.starts_with('_')
    };
    let unknown: Vec<String> =
        fields.unread().filter(|name| !is_known(name)).take(20).map(|name| fields.spelled(name)).collect();
    if unknown.is_empty() {
        return None;
    }
    let place = if fields.are_metadata() { "its metadata has keys" } else { "config.json has fields" };
    Some(format!("{place} that are unknown here and ignored: {}", unknown.join(", ")))
}

/// Fields that change what a decoder computes, each with the number at which it has no effect. Where the family's
/// reader has not asked for one, absent, `null`, `false` or empty is fine too; anything else would silently give
/// other numbers than the model's own.
const REFUSED_FIELDS: [(&str, f64, &str); 24] = [
    ("quantization_config", 0.0, "quantised weights of this kind cannot be read; use the original weights"),
    ("sliding_window", 0.0, "attention windows are not supported"),
    ("layer_types", 0.0, "layers of different kinds are not supported"),
    ("no_rope_layers", 0.0, "layers without rotary embeddings are not supported"),
    ("rope_interleaved", 0.0, "heads whose neighbouring elements rotate together are not supported"),
    ("attn_logit_softcapping", 0.0, "soft caps on attention are not supported"),
    ("final_logit_softcapping", 0.0, "soft caps on logits are not supported"),
    ("clip_qkv", 0.0, "limits on queries, keys and values are not supported"),
    ("qk_norm", 0.0, "norms of queries and keys are not supported"),
    ("use_qk_norm", 0.0, "norms of queries and keys are not supported"),
    ("qk_layernorm", 0.0, "norms of queries and keys are not supported"),
    ("logit_scale", 1.0, "scaled logits are not supported"),
    ("logits_scaling", 1.0, "scaled logits are not supported"),
    ("embedding_multiplier", 1.0, "scaled embeddings are not supported"),
    ("residual_multiplier", 1.0, "scaled residuals are not supported"),
    ("attention_multiplier", 1.0, "another attention scale is not supported"),
    ("scale_emb", 1.0, "scaled embeddings are not supported"),
    ("scale_depth", 1.0, "scaled residuals are not supported"),
    ("alibi", 0.0, "attention with linear biases is not supported"),
    ("use_parallel_residual", 0.0, "parallel attention and feed-forward are not supported"),
    ("num_local_experts", 0.0, "mixtures of experts are not supported"),
    ("num_experts", 0.0, "mixtures of experts are not supported"),
    ("is_encoder_decoder", 0.0, "only decoders without an encoder can be opened"),
    ("add_cross_attention", 0.0, "only decoders without an encoder can be opened"),
];

fn refuse_active(fields: &Fields) -> Result<(), FormatError> {
    let is_idle = |value: &Value, neutral: f64| match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(neutral),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(|item| item == "full_attention"),
        Value::Object(map) => map.is_empty(),
    };
    let unread: Vec<&str> = fields.unread().collect();
    for (name, neutral, reason) in REFUSED_FIELDS.into_iter().filter(|(name, ..)| unread.contains(name)) {
        if fields.get(name).is_some_and(|value| !is_idle(value, neutral)) {
            return Err(fields.error(name, reason));
        }
    }
    Ok(())
}

/// Fields of every family that say nothing about what is computed: training, the file's history, and how
/// another program should run it.
const HARMLESS_FIELDS: [&str; 40] = [
    "architectures",
    "auto_map",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "sep_token_id",
    "decoder_start_token_id",
    "torch_dtype",
    "dtype",
    "transformers_version",
    "transformers.js_config",
    "use_cache",
    "initializer_range",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "return_dict",
    "torchscript",
    "use_bfloat16",
    "pruned_heads",
    "chunk_size_feed_forward",
    "is_decoder",
    "cross_attention_hidden_size",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "finetuning_task",
    "task_specific_params",
    "prefix",
    "tokenizer_class",
    "do_sample",
    "max_length",
    "temperature",
    "top_k",
    "top_p",
    "repetition_penalty",
    "unsloth_version",
    "attention_dropout",
    "hidden_dropout",
];
