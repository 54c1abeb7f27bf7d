//! MiniMax-M2 (MiniMax 2025): whole rows of queries and keys are normalised, a part of each head rotates, and every layer has
//! experts, chosen by their sigmoids and a bias.

use super::family::{Family, Mapping, StoredNames, stored};
use super::rope::Rope;
use super::{experts, llama_like, mixtral, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Bias, ExpertsConfig, FeedForwardKind, HeadNormExtent, RouterConfig};

pub(super) const FAMILY: Family = Family {
    name: "minimax_m2",
    read,
    tensors: &[llama_like::ATTENTION, llama_like::HEAD_NORMS, BIAS, mixtral::EXPERTS, llama_like::NORMS],
    // Blocks that draft tokens.
    ignored: &["mtp.*"],
    harmless_fields: &[
        "mtp_transformer_layers",
        "num_mtp_modules",
        "use_mtp",
        // What is always done.
        "attn_type_list",
        "qk_norm_type",
        "scoring_func",
        "use_routing_bias",
        // Training.
        "output_router_logits",
        "router_aux_loss_coef",
        "router_jitter_noise",
        // 0 in every model.
        "layernorm_full_attention_beta",
        "layernorm_linear_attention_beta",
        "layernorm_mlp_beta",
        "shared_intermediate_size",
        "shared_moe_mode",
    ],
    ..llama_like::USUAL
};

const BIAS: &[Mapping] =
    &[stored("layers.#.block_sparse_moe.e_score_correction_bias", &["layers.#.feed_forward.selection.bias"])];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[("num_key_value_heads", 8), ("head_dim", 128), ("num_experts_per_tok", 8)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    const HEAD_NORMS: &str = "use_qk_norm";
    if fields.optional_flag(HEAD_NORMS)? == Some(false) {
        return Err(fields.error(HEAD_NORMS, "no published model is without norms of queries and keys"));
    }
    experts::refuse_other_scores(fields)?;
    let norm = norm::rms(fields, "rms_norm_eps")?;
    // The part that rotates as published; transformers writes it with the frequencies.
    let rotating = fields.optional_size("rotary_dim")?;
    let head_width = fields.size("head_dim")?;
    let share = rotating.map_or(1.0, |rotating| rotating as f64 / head_width as f64);
    let rope = Rope { theta: 5_000_000.0, share: Some(share), ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let router = RouterConfig { renormalised: Some(0.0), ..RouterConfig::SIGMOID };
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts =
        ExpertsConfig { selection_bias: Bias::Present, ..ExpertsConfig::new(count, active, router) };
    for attention in config.attentions() {
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Row));
    }
    config.feed_forwards().for_each(|block| block.kind = FeedForwardKind::Experts(experts));
    Ok(config)
}
