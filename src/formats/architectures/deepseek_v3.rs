//! DeepSeek-V3 (2024) and what is built like it (GigaChat 3, Kanana 2): latent attention and, after the first layers, experts
//! chosen by their sigmoids and a bias, beside one that computes every row.

use super::experts::Absent;
use super::family::{Family, StoredNames};
use super::{experts, latent, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "deepseek_v3",
    read,
    tensors: &[latent::ATTENTION, llama_like::FEED_FORWARD, experts::SIGMOIDS, llama_like::NORMS],
    // A layer that drafts a token more.
    drafting_layers: 1,
    harmless_fields: HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// What is always so, or follows from other fields, and what is about training.
pub(super) const HARMLESS_FIELDS: &[&str] = &[
    "aux_loss_alpha",
    "ep_size",
    "head_dim",
    "moe_layer_freq",
    "num_key_value_heads",
    "num_mtp_layers",
    "num_nextn_predict_layers",
    "output_router_logits",
    "pretraining_tp",
    "qk_head_dim",
    "seq_aux",
    "topk_method",
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("kv_lora_rank", 512),
    ("moe_intermediate_size", 2048),
    ("n_group", 8),
    ("n_routed_experts", 256),
    ("n_shared_experts", 1),
    ("num_experts_per_tok", 8),
    ("qk_nope_head_dim", 128),
    ("qk_rope_head_dim", 64),
    ("topk_group", 4),
    ("v_head_dim", 128),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let mut config = latent::read(fields, names, norm, latent::stored_pairs(fields)?)?;
    refuse_softmax(fields)?;
    experts::read_sigmoids(fields, &mut config, Absent { renormalised: true, dense_layers: 3 })?;
    Ok(config)
}

/// Refuses scores that the families' reference does not know.
pub(super) fn refuse_softmax(fields: &Fields) -> Result<(), FormatError> {
    const SCORES: &str = "scoring_func";
    match fields.optional_text(SCORES)? {
        None | Some("sigmoid") => Ok(()),
        Some(_) => Err(fields.error(SCORES, "only sigmoid is supported in this family")),
    }
}
