//! Mellum 2 (JetBrains 2026): Qwen3-MoE with windows, and rotary embeddings by kind of layer.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{experts, laguna, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{ExpertsConfig, HeadNormExtent, RouterConfig};

pub(super) const FAMILY: Family = Family {
    name: "mellum",
    read,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::HEAD_NORMS,
        llama_like::FEED_FORWARD,
        experts::QWEN,
        llama_like::NORMS,
    ],
    // A block that drafts a token more.
    ignored: &["mtp.*"],
    harmless_fields: &[
        "mtp_layer_types",
        "mtp_mlp_layer_types",
        "num_mtp_layers",
        "num_nextn_predict_layers",
        "output_router_logits",
        "router_aux_loss_coef",
        "use_sliding_window",
    ],
    ..llama_like::USUAL
};

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_key_value_heads", 4),
    ("head_dim", 128),
    ("moe_intermediate_size", 896),
    ("num_experts_per_tok", 8),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let rope = Rope { theta: laguna::THETA, share: Some(1.0), ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    for attention in config.attentions() {
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
    }
    laguna::put_windows(fields, &mut config, 1024)?;
    let router = match fields.optional_flag("norm_topk_prob")? {
        Some(false) => RouterConfig::SOFTMAX_OF_ALL,
        _ => RouterConfig::SOFTMAX_OF_CHOSEN,
    };
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig::new(count, active, router);
    experts::in_sparse_layers(fields, &mut config, 0, fields.size("moe_intermediate_size")?, experts)?;
    Ok(config)
}
