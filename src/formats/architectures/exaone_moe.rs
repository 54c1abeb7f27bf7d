//! K-EXAONE (LG AI Research 2026): EXAONE 4 with norms before blocks, and after the first layers experts, chosen by their
//! sigmoids and a bias, beside one that computes every row.

use super::family::{Family, Mapping, StoredNames, stored};
use super::{exaone4, experts, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{Bias, BlockNorms, ExpertsConfig, RouterConfig, SharedExpert, SharedGate};

pub(super) const FAMILY: Family = Family {
    name: "exaone_moe",
    read,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::HEAD_NORMS,
        llama_like::FEED_FORWARD,
        BIAS,
        experts::SIGMOIDS,
        llama_like::NORMS,
    ],
    // Blocks that draft tokens.
    ignored: &["mtp.*"],
    harmless_fields: &[
        "num_nextn_predict_layers",
        "output_router_logits",
        "router_aux_loss_coef",
        "scoring_func",
    ],
    ..llama_like::USUAL
};

const BIAS: &[Mapping] =
    &[stored("layers.#.mlp.e_score_correction_bias", &["layers.#.feed_forward.selection.bias"])];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_key_value_heads", 32),
    ("moe_intermediate_size", 1024),
    ("num_experts", 64),
    ("num_experts_per_tok", 8),
    ("num_shared_experts", 1),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    experts::refuse_other_scores(fields)?;
    let mut config = exaone4::read(fields, names)?;
    let norms = BlockNorms::before(config.final_norm);
    for layer in &mut config.layers {
        (layer.attention_norms, layer.feed_forward_norms) = (norms, norms);
    }
    let width = fields.size("moe_intermediate_size")?;
    let shared = SharedExpert {
        width: width.saturating_mul(fields.size("num_shared_experts")?),
        gate: SharedGate::Absent,
    };
    let router = RouterConfig {
        factor: fields.optional_number("routed_scaling_factor")?.unwrap_or(2.5) as f32,
        ..experts::sigmoids(fields, true)?
    };
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig {
        selection_bias: Bias::Present,
        shared: Some(shared),
        ..ExpertsConfig::new(count, active, router)
    };
    experts::in_sparse_layers(fields, &mut config, 1, width, experts)?;
    Ok(config)
}
