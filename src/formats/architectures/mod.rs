//! The only place that names model families: one short file each, with a reader of its `config.json` and a
//! table from its tensors' names to ours.
//!
//! A family knows choices and names. Files, shapes and bytes are for the importer.

mod activation;
mod afmoe;
mod apertus;
mod arcee;
mod baichuan;
mod bailing_moe;
mod bloom;
pub mod catalogue;
mod classes;
mod cohere;
mod cohere2;
mod cohere2_moe;
mod convolution;
mod deepseek_v2;
mod deepseek_v3;
mod dots1;
mod ernie4_5;
mod ernie4_5_moe;
mod exaone;
mod exaone4;
mod exaone_moe;
mod experts;
mod falcon;
mod falcon_h1;
mod family;
mod gemma;
mod gemma2;
mod gemma3;
mod gemma4;
pub mod gguf;
mod glm;
mod glm4;
mod glm4_moe;
mod glm4_moe_lite;
mod gpt2;
mod gpt_neo;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite;
mod granite_swa;
mod granitemoe;
mod granitemoehybrid;
mod hunyuan_v1_dense;
mod hunyuan_v1_moe;
mod internlm2;
mod internlm3;
mod laguna;
mod latent;
mod layer_kinds;
mod lfm2;
mod lfm2_moe;
mod lfm3;
mod llama;
mod llama4;
mod llama_like;
mod mamba;
mod mamba2;
mod mellum;
mod methods;
mod minicpm;
mod minicpm3;
mod minimax_m2;
mod ministral3;
mod mistral;
mod mixtral;
mod muse_glimmer;
mod nemotron;
mod nemotron_h;
mod norm;
mod olmo;
mod olmo2;
mod olmo3;
mod olmo_hybrid;
mod olmoe;
mod opt;
mod per_layer;
mod phi;
mod phi3;
mod phimoe;
mod qwen2;
mod qwen2_moe;
mod qwen3;
mod qwen3_5;
mod qwen3_5_moe;
mod qwen3_moe;
mod qwen3_next;
mod refused;
mod rope;
mod seed_oss;
mod sizes;
mod smollm3;
mod stablelm;
mod starcoder2;
mod window;
mod wrappers;

use super::error::FormatError;
use super::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::HeadWeights;
use refused::refuse_active;
use wrappers::{WRAPPERS, Wrapper};

pub use classes::tokenizer_class;
pub use family::{DraftingNames, Family, Mapping, StoredNames};
pub use sizes::ArchitectureSizes;

/// Every family that can be opened.
const FAMILIES: [Family; 80] = [
    afmoe::FAMILY,
    apertus::FAMILY,
    arcee::FAMILY,
    baichuan::FAMILY,
    bailing_moe::FAMILY,
    bloom::FAMILY,
    cohere::FAMILY,
    cohere2::FAMILY,
    cohere2_moe::FAMILY,
    deepseek_v2::FAMILY,
    deepseek_v3::FAMILY,
    dots1::FAMILY,
    ernie4_5::FAMILY,
    ernie4_5_moe::FAMILY,
    exaone::FAMILY,
    exaone4::FAMILY,
    exaone_moe::FAMILY,
    falcon::FAMILY,
    falcon_h1::FAMILY,
    gemma::FAMILY,
    gemma2::FAMILY,
    gemma3::TEXT,
    gemma3::WITH_IMAGES,
    gemma4::FAMILY,
    gemma4::UNIFIED,
    glm::FAMILY,
    glm4::FAMILY,
    glm4_moe::FAMILY,
    glm4_moe_lite::FAMILY,
    gpt2::FAMILY,
    gpt_neo::FAMILY,
    gpt_neox::FAMILY,
    gpt_oss::FAMILY,
    gptj::FAMILY,
    granite::FAMILY,
    granite_swa::FAMILY,
    granitemoe::FAMILY,
    granitemoe::SHARED,
    granitemoehybrid::FAMILY,
    hunyuan_v1_dense::FAMILY,
    hunyuan_v1_moe::FAMILY,
    internlm2::FAMILY,
    internlm3::FAMILY,
    laguna::FAMILY,
    lfm2::FAMILY,
    lfm2_moe::FAMILY,
    lfm3::FAMILY,
    llama::FAMILY,
    llama4::FAMILY,
    mamba2::FAMILY,
    mellum::FAMILY,
    minicpm::FAMILY,
    minicpm3::FAMILY,
    minimax_m2::FAMILY,
    ministral3::FAMILY,
    mistral::FAMILY,
    mixtral::FAMILY,
    muse_glimmer::FAMILY,
    nemotron::FAMILY,
    nemotron_h::FAMILY,
    olmo::FAMILY,
    olmo2::FAMILY,
    olmo3::FAMILY,
    olmo_hybrid::FAMILY,
    olmoe::FAMILY,
    opt::FAMILY,
    phi::FAMILY,
    phi3::FAMILY,
    phimoe::FAMILY,
    qwen2::FAMILY,
    qwen2_moe::FAMILY,
    qwen3::FAMILY,
    qwen3_5::FAMILY,
    qwen3_5_moe::FAMILY,
    qwen3_moe::FAMILY,
    qwen3_next::FAMILY,
    seed_oss::FAMILY,
    smollm3::FAMILY,
    stablelm::FAMILY,
    starcoder2::FAMILY,
];

/// What `config.json` says about the decoder, before it is read.
pub struct Described<'a> {
    /// The decoder's family.
    pub family: Family,
    /// The fields that describe it: all, or those of a part.
    pub fields: Fields<'a>,
    /// Where it is a part: the model that it is inside of.
    wrapper: Option<&'static Wrapper>,
}

/// Finds the decoder that `config.json` describes by the family that it names.
pub fn describe<'a>(whole: &Fields<'a>) -> Result<Described<'a>, FormatError> {
    let name = whole
        .optional_text("model_type")?
        .ok_or_else(|| whole.error("model_type", "it has to name the model's family"))?;
    if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) {
        let (family, fields) = wrapper.decoder(whole, &FAMILIES)?;
        return Ok(Described { family, fields, wrapper: Some(wrapper) });
    }
    let family = FAMILIES.into_iter().find(|family| family.name == name);
    let family = family.ok_or_else(|| refused_family(whole.file(), name))?;
    let part = family.part(whole)?;
    Ok(Described { family, fields: part.unwrap_or_else(|| whole.or_sizes(&[])), wrapper: None })
}

/// The error for a family that cannot be opened.
fn refused_family(file: &str, kind: &str) -> FormatError {
    let kind: String = kind.chars().take(60).collect();
    FormatError::UnsupportedFamily { file: file.to_owned(), reason: catalogue::refusal(&kind) }
}

impl Described<'_> {
    /// Reads and checks the decoder. `whole` is all of `config.json`.
    pub fn read(&self, whole: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
        let mut config = read_config(&self.family, &self.fields, names)?;
        if let Some(wrapper) = self.wrapper {
            let ties = wrapper.ties(whole, &self.fields)?;
            let is_tied = ties.unwrap_or_else(|| !names.has_head(self.family.head));
            config.head = if is_tied { HeadWeights::Tied } else { HeadWeights::Separate };
        }
        Ok(config)
    }
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

/// Fields of every family that say nothing about what is computed: training, the file's history, and how
/// another program should run it.
const HARMLESS_FIELDS: [&str; 42] = [
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
    // Read with the tensors.
    "quantization",
    "quantization_config",
    "attention_dropout",
    "hidden_dropout",
];
