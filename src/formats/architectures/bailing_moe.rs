//! Ling (inclusionAI 2025), called Bailing in its files: fused queries, keys and values, and after the first layers experts
//! beside one that computes every row. The first models choose by the softmax over all, those from 2.0 on by sigmoids, a
//! bias and groups, and have norms of heads of which half rotates.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{experts, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Bias, ExpertsConfig, HeadNormExtent, RouterConfig, SharedExpert, SharedGate};

pub(super) const FAMILY: Family = Family {
    name: "bailing_moe",
    read,
    tensors: &[TENSORS, llama_like::FEED_FORWARD, experts::SIGMOIDS, llama_like::NORMS],
    // Layers that draft a token more.
    drafting_layers: 1,
    harmless_fields: &[
        "max_window_layers",
        "moe_router_enable_expert_bias",
        "mtp_loss_scaling_factor",
        "num_nextn_predict_layers",
        "use_rmsnorm",
        // Of numbers that are smaller.
        "router_dtype",
        // Training.
        "embedding_dropout",
        "output_dropout",
        "output_router_logits",
        "norm_softmax",
        "router_aux_loss_coef",
        "pretraining_tp",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("word_embeddings", &["embed.tokens"]),
    stored(
        "layers.#.attention.query_key_value",
        &["layers.#.attention.query", "layers.#.attention.key", "layers.#.attention.value"],
    ),
    stored("layers.#.attention.dense", &["layers.#.attention.output"]),
    stored("layers.#.attention.query_layernorm", &["layers.#.attention.query_norm"]),
    stored("layers.#.attention.key_layernorm", &["layers.#.attention.key_norm"]),
    stored("layers.#.mlp.gate.expert_bias", &["layers.#.feed_forward.selection.bias"]),
];

const NORM_OF_HEAD: &str = "norm_head";
const SCORES: &str = "score_function";

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    if !fields.are_metadata() && fields.optional_flag(NORM_OF_HEAD)?.unwrap_or(false) {
        let reason = "columns of the LM head have to be divided by their norms, as they are in GGUF files of the \
                      model; open one of these";
        return Err(fields.error(NORM_OF_HEAD, reason));
    }
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let rope = Rope { theta: 600_000.0, share: Some(1.0), ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let bias = |name| {
        let is_present = fields.optional_flag(name)?.unwrap_or(false);
        Ok::<_, FormatError>(if is_present { Bias::Present } else { Bias::Absent })
    };
    let (query_key_value_bias, output_bias) = (bias("use_qkv_bias")?, bias("use_bias")?);
    let has_head_norms = fields.optional_flag("use_qk_norm")?.unwrap_or(false);
    for attention in config.attentions() {
        attention.head_norm = has_head_norms.then(|| norm::of_heads(norm, HeadNormExtent::Head));
        (attention.query_key_value_bias, attention.output_bias) = (query_key_value_bias, output_bias);
    }
    let dense = fields.optional_count("first_k_dense_replace")?.unwrap_or(0);
    let width = fields.size("moe_intermediate_size")?;
    let experts = read_experts(fields, names, dense, width)?;
    experts::after(&mut config, dense, width, experts);
    Ok(config)
}

fn read_experts(
    fields: &Fields,
    names: &dyn StoredNames,
    dense: usize,
    width: usize,
) -> Result<ExpertsConfig, FormatError> {
    experts::refuse_other_scores(fields)?;
    let router = match fields.optional_text(SCORES)? {
        Some("sigmoid") => experts::sigmoids(fields, true)?,
        None | Some("softmax") => {
            let factor = fields.optional_number("routed_scaling_factor")?.unwrap_or(1.0) as f32;
            RouterConfig { factor, ..experts::router(fields)? }
        }
        Some(_) => return Err(fields.error(SCORES, "only \"sigmoid\" and \"softmax\" are supported")),
    };
    let own = fields.optional_size("moe_shared_expert_intermediate_size")?.unwrap_or(width);
    let shared = fields.optional_count("num_shared_experts")?.unwrap_or(0).saturating_mul(own);
    let is_biased = names.has(&format!("layers.{dense}.mlp.gate.expert_bias"));
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    Ok(ExpertsConfig {
        selection_bias: if is_biased { Bias::Present } else { Bias::Absent },
        shared: (shared > 0).then_some(SharedExpert { width: shared, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(count, active, router)
    })
}
