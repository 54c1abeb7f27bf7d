//! GLM-4.5 (Zhipu AI 2025), GLM-4.5-Air: half of each head rotates, and after the first layers there are experts, chosen
//! by their sigmoids and a bias, beside one that computes every row.

use super::experts::Absent;
use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{experts, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Bias, HeadNormExtent};

pub(super) const FAMILY: Family = Family {
    name: "glm4_moe",
    read,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::HEAD_NORMS,
        llama_like::FEED_FORWARD,
        experts::SIGMOIDS,
        llama_like::NORMS,
    ],
    // A layer that drafts a token more.
    drafting_layers: 1,
    harmless_fields: &["num_mtp_layers", "num_nextn_predict_layers", "output_router_logits"],
    ..llama_like::USUAL
};

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_key_value_heads", 8),
    ("moe_intermediate_size", 1408),
    ("n_routed_experts", 128),
    ("n_shared_experts", 1),
    ("num_experts_per_tok", 8),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let norm = norm::rms_or(fields, "rms_norm_eps", 1e-5)?;
    let rope = Rope { share: Some(0.5), ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let has_head_norms = fields.optional_flag("use_qk_norm")?.unwrap_or(false);
    for attention in config.attentions() {
        attention.head_norm = has_head_norms.then(|| norm::of_heads(norm, HeadNormExtent::Head));
        attention.output_bias = Bias::Absent;
    }
    experts::read_sigmoids(fields, &mut config, Absent { renormalised: true, dense_layers: 1 })?;
    Ok(config)
}
