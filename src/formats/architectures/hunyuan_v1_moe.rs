//! Hunyuan's models with experts (Tencent 2025): attention of the dense ones, and in all layers experts chosen by the softmax
//! over all of them, of which those chosen share what they make, beside one that computes every row.

use super::family::{Family, Mapping, StoredNames, stored};
use super::hunyuan_v1_dense::{self, HARMLESS_FIELDS, HEAD_NORMS};
use super::{experts, llama_like, per_layer};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::{ExpertsConfig, RouterConfig, SharedExpert, SharedGate};

pub(super) const FAMILY: Family = Family {
    name: "hunyuan_v1_moe",
    read,
    tensors: &[llama_like::ATTENTION, HEAD_NORMS, BESIDE, experts::QWEN, llama_like::NORMS],
    harmless_fields: HARMLESS_FIELDS,
    ..llama_like::USUAL
};

/// The router, and the block that computes every row.
const BESIDE: &[Mapping] = &[
    stored("layers.#.mlp.gate.wg", &["layers.#.feed_forward.router"]),
    stored("layers.#.mlp.shared_mlp.gate_proj", &["layers.#.feed_forward.shared.gate"]),
    stored("layers.#.mlp.shared_mlp.up_proj", &["layers.#.feed_forward.shared.up"]),
    stored("layers.#.mlp.shared_mlp.down_proj", &["layers.#.feed_forward.shared.down"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    refuse_others(fields)?;
    let mut config = hunyuan_v1_dense::read(fields, names)?;
    let layers = config.layers.len();
    let by_layer = |name| per_layer::sizes(fields, name, layers);
    let or = |name, usual| match fields.get(name) {
        Some(_) => by_layer(name),
        None => Ok(vec![usual; layers]),
    };
    let (counts, active) = (by_layer("num_experts")?, by_layer("moe_topk")?);
    let own = fields.size("intermediate_size")?;
    let widths = or("moe_intermediate_size", own)?;
    // GGUF files have the width of all of them.
    let shared: Vec<usize> = match fields.optional_size("_shared_width")? {
        Some(width) => vec![width; layers],
        None => or("num_shared_expert", 1)?.iter().map(|count| own.saturating_mul(*count)).collect(),
    };
    for (layer, block) in config.feed_forwards().enumerate() {
        let shared = SharedExpert { width: shared[layer], gate: SharedGate::Absent };
        let router = RouterConfig::SOFTMAX_OF_CHOSEN;
        let experts = ExpertsConfig {
            shared: Some(shared),
            ..ExpertsConfig::new(counts[layer], active[layer], router)
        };
        experts::put(block, widths[layer], experts);
    }
    Ok(config)
}

/// Refuses what the family's code can do besides.
fn refuse_others(fields: &Fields) -> Result<(), FormatError> {
    const DENSE: &str = "moe_layer_num_skipped";
    if fields.optional_count(DENSE)?.is_some_and(|layers| layers > 0) {
        return Err(fields.error(DENSE, "no published model has layers without experts"));
    }
    for (flag, usual, reason) in [
        ("use_mixed_mlp_moe", true, "every published model has a block that computes every row"),
        ("use_cla", false, "no published model has layers that share keys and values"),
        ("use_mla", false, "no published model has latent attention"),
        ("group_limited_greedy", false, "no published model has experts in groups"),
        ("position_embedding_xdrope", false, "no published model has positions of several dimensions"),
        ("mlp_bias", false, "no published model has biases there"),
    ] {
        if fields.optional_flag(flag)?.is_some_and(|value| value != usual) {
            return Err(fields.error(flag, reason));
        }
    }
    Ok(())
}
