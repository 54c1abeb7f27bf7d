//! Command A with experts (Cohere 2026): after the first layers experts, whose results are averaged with those of one that
//! computes every row.

use super::family::{Family, StoredNames};
use super::window::{self, Sight};
use super::{cohere, experts, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{
    BlockNorms, ExpertsConfig, FeedForwardKind, RouterConfig, SharedExpert, SharedGate,
};

pub(super) const FAMILY: Family = Family {
    name: "cohere2_moe",
    read,
    tensors: &[
        cohere::TURNED,
        llama_like::ATTENTION,
        llama_like::FEED_FORWARD,
        cohere::NORMS,
        experts::SIGMOIDS,
    ],
    // A layer that drafts a token more.
    drafting_layers: 1,
    harmless_fields: &[
        "cache_implementation",
        "num_nextn_predict_layers",
        "output_router_logits",
        "router_aux_loss_coef",
    ],
    ..llama_like::USUAL
};

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[("head_dim", 128), ("num_experts", 8), ("num_experts_per_tok", 2)];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let mut config = cohere::read(fields, names)?;
    if fields.optional_number("rms_norm_eps")?.is_some() {
        let norm = norm::rms(fields, "rms_norm_eps")?;
        config.final_norm = norm;
        config.layers.iter_mut().for_each(|layer| layer.attention_norms = BlockNorms::before(norm));
    }
    let width = fields.size("intermediate_size")?;
    let dense_width = fields.optional_size("prefix_dense_intermediate_size")?.unwrap_or(width);
    config.feed_forwards().for_each(|block| block.width = dense_width);
    let (experts, factor) = read_experts(fields, width)?;
    experts::in_sparse_layers(fields, &mut config, 0, width, experts)?;
    put_windows(fields, &mut config)?;
    for layer in &mut config.layers {
        if matches!(layer.feed_forward, Some(block) if matches!(block.kind, FeedForwardKind::Experts(_))) {
            layer.residual.factors.feed_forward = factor;
        }
    }
    Ok(config)
}

/// Layers with a window rotate, and dense ones that see all, where all of these do.
fn put_windows(fields: &Fields, config: &mut ModelConfig) -> Result<(), FormatError> {
    let size = window::size(fields, 4096)?;
    let dense = fields.optional_count("first_k_dense_replace")?.unwrap_or(0);
    let of_dense = fields.optional_size("prefix_dense_sliding_window_pattern")?.unwrap_or(1);
    let pattern = fields.optional_size("sliding_window_pattern")?.unwrap_or(4);
    let sight = |index: usize| {
        let sees_all = match index.checked_sub(dense) {
            None => (index + 1).is_multiple_of(of_dense),
            Some(index) => (index + 1).is_multiple_of(pattern),
        };
        if sees_all { Sight::Full } else { Sight::Windowed }
    };
    let sights = window::sights(fields, config.layers.len(), sight)?;
    for (layer, sight) in config.layers.iter_mut().zip(sights) {
        let Some(attention) = &mut layer.attention else { continue };
        let is_dense = layer.feed_forward.is_some_and(|block| block.kind == FeedForwardKind::Gated);
        match sight {
            Sight::Windowed => attention.scores.window = size,
            Sight::Full if is_dense && of_dense == 1 => {}
            Sight::Full => attention.rotary = None,
        }
    }
    Ok(())
}

/// The experts, and the factor on what they and the shared one make.
fn read_experts(fields: &Fields, width: usize) -> Result<(ExpertsConfig, f32), FormatError> {
    const SCORES: &str = "expert_selection_fn";
    const COMBINATION: &str = "shared_expert_combination_strategy";
    let is_renormalised = fields.optional_flag("norm_topk_prob")?.unwrap_or(true);
    let router = match fields.optional_text(SCORES)? {
        None | Some("softmax") => RouterConfig::SOFTMAX_OF_CHOSEN,
        Some("sigmoid") => {
            RouterConfig { renormalised: is_renormalised.then_some(0.0), ..RouterConfig::SIGMOID }
        }
        Some(_) => return Err(fields.error(SCORES, "only \"softmax\" and \"sigmoid\" are supported")),
    };
    let shared = fields.optional_count("num_shared_experts")?.unwrap_or(0).saturating_mul(width);
    let factor = match fields.optional_text(COMBINATION)? {
        _ if shared == 0 => 1.0,
        None | Some("average") => 0.5,
        Some("sum") => 1.0,
        Some(_) => return Err(fields.error(COMBINATION, "only \"average\" and \"sum\" are supported")),
    };
    let (count, active) = (experts::count(fields)?, fields.size("num_experts_per_tok")?);
    let experts = ExpertsConfig {
        shared: (shared > 0).then_some(SharedExpert { width: shared, gate: SharedGate::Absent }),
        ..ExpertsConfig::new(count, active, router)
    };
    Ok((experts, factor))
}
