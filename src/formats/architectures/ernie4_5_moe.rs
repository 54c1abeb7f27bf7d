//! ERNIE 4.5 (Baidu 2025) with experts, chosen by the softmax over all of them and a bias, beside one that computes every
//! row.

use super::family::{Family, Mapping, StoredNames, stored};
use super::{ernie4_5, experts, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    Bias, ExpertsConfig, FeedForwardConfig, FeedForwardKind, RouterConfig, SharedExpert, SharedGate,
};

pub(super) const FAMILY: Family = Family {
    name: "ernie4_5_moe",
    read,
    tensors: &[
        ernie4_5::TURNED,
        llama_like::ATTENTION,
        llama_like::FEED_FORWARD,
        BIAS,
        experts::SIGMOIDS,
        llama_like::NORMS,
    ],
    // Blocks that draft a token more.
    ignored: &["mtp_block.*", "mtp_emb_norm.*", "mtp_hidden_norm.*", "mtp_linear_proj.*"],
    harmless_fields: &[
        "num_nextn_predict_layers",
        // Training.
        "output_router_logits",
        "router_aux_loss_coef",
        "moe_capacity",
        "moe_gate",
        "moe_use_aux_free",
    ],
    ..llama_like::USUAL
};

const BIAS: &[Mapping] =
    &[stored("layers.#.mlp.moe_statics.e_score_correction_bias", &["layers.#.feed_forward.selection.bias"])];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_key_value_heads", 4),
    ("moe_intermediate_size", 1536),
    ("moe_k", 6),
    ("moe_num_experts", 64),
    ("moe_layer_interval", 1),
];

/// The width of the block that computes every row, in files that have it in place of a number of experts.
const SHARED_WIDTH: &str = "_shared_width";

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let fields = &fields.or_sizes(SIZES);
    let mut config = ernie4_5::read_with(fields, names)?;
    // The head too, unlike that of the family without experts.
    if fields.optional_flag("use_bias")?.unwrap_or(false) {
        config.head_bias = Bias::Present;
    }
    let width = fields.size("moe_intermediate_size")?;
    let experts = experts(fields, width)?;
    let interval = fields.size("moe_layer_interval")?;
    let first = fields.optional_count("moe_layer_start_index")?.unwrap_or(1);
    let last = match fields.optional_number("moe_layer_end_index")? {
        None | Some(-1.0) => config.layers.len(),
        Some(_) => fields.optional_count("moe_layer_end_index")?.unwrap_or(config.layers.len()),
    };
    for (index, layer) in config.layers.iter_mut().enumerate() {
        let Some(block) = &mut layer.feed_forward else { continue };
        if (index + 1).is_multiple_of(interval) && (first..=last).contains(&index) {
            // The experts have no biases, but the block beside them has.
            let kind = FeedForwardKind::Experts(ExpertsConfig { shared_bias: block.bias, ..experts });
            *block = FeedForwardConfig { width, kind, bias: Bias::Absent, ..*block };
        }
    }
    Ok(config)
}

fn experts(fields: &Fields, width: usize) -> Result<ExpertsConfig, FormatError> {
    const LEAST_SUM: &str = "moe_norm_min";
    // Shares are divided by their sum or by this number, if it is larger: no sum is as small as the published one.
    if fields.optional_number(LEAST_SUM)?.is_some_and(|least| least.is_nan() || least > 1e-9) {
        return Err(fields.error(LEAST_SUM, "no published model has more than 1e-12"));
    }
    let shared = match fields.optional_size(SHARED_WIDTH)? {
        Some(width) => Some(width),
        None if fields.are_metadata() => None,
        None => match fields.optional_count("moe_num_shared_experts")?.unwrap_or(2) {
            0 => None,
            count => Some(width.saturating_mul(count)),
        },
    };
    Ok(ExpertsConfig {
        selection_bias: Bias::Present,
        shared: shared.map(|width| SharedExpert { width, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(
            fields.size("moe_num_experts")?,
            fields.size("moe_k")?,
            RouterConfig::SOFTMAX_OF_CHOSEN,
        )
    })
}
