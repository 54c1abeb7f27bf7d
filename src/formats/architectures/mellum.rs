//! Mellum 2 (JetBrains 2026): Qwen3-MoE with a window in most layers, and rotary frequencies of their own in these.

use super::family::{Family, StoredNames};
use super::rope::{self, Rope};
use super::window::{self, Sight};
use super::{experts, layer_kinds, llama_like, norm, qwen3_moe};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::HeadNormExtent;

pub(super) const FAMILY: Family = Family {
    name: "mellum",
    read,
    ignored: &["mtp.*"],
    harmless_fields: &[
        "output_router_logits",
        "router_aux_loss_coef",
        // A block that only drafts.
        "num_mtp_layers",
        "num_nextn_predict_layers",
        "mtp_layer_types",
        "mtp_mlp_layer_types",
    ],
    ..qwen3_moe::FAMILY
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let norm = norm::rms(fields, "rms_norm_eps")?;
    let rope = Rope { theta: 500_000.0, ..Rope::default() };
    let mut config = llama_like::read(fields, names, norm, rope)?;
    let layers = config.layers.len();
    let size = window::size(fields, 1024)?;
    let sights = window::sights(fields, layers, |_| Sight::Full)?;
    let head_width = config.first_attention().map_or(0, |attention| attention.head_width);
    let local = rope::of_windows(fields, config.context, head_width, None, |fields| {
        Ok(fields.optional_number("_rope_theta_of_windows")?.unwrap_or(10_000.0))
    })?;
    for (attention, sight) in config.attentions().zip(sights) {
        attention.head_norm = Some(norm::of_heads(norm, HeadNormExtent::Head));
        if sight == Sight::Windowed {
            attention.scores.window = size;
            attention.rotary = Some(local.clone());
        }
    }
    let dense = config.layers.clone();
    experts::read_routed(fields, &mut config, None, experts::router_or(fields, true)?)?;
    let known = [("dense", false), ("sparse", true)];
    let has_experts = layer_kinds::read(fields, "mlp_layer_types", layers, &known)?;
    for (index, layer) in config.layers.iter_mut().enumerate() {
        if has_experts.as_ref().is_some_and(|has_experts| !has_experts[index]) {
            layer.feed_forward = dense[index].feed_forward;
        }
    }
    Ok(config)
}
