//! Granite 4 (Granite Team, IBM 2025) where all its layers have attention and none has experts: Granite 3 with gate and
//! up in one matrix, with rotary positions or with none.

use super::family::{Family, Mapping, StoredNames, stored};
use super::{granite, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "granitemoehybrid",
    read,
    tensors: &[TENSORS, llama_like::ATTENTION, llama_like::NORMS],
    harmless_fields: &[
        "init_method",
        "normalization_function",
        // Sizes of what such a model does not have.
        "num_experts_per_tok",
        "output_router_logits",
        "router_aux_loss_coef",
        "mamba_chunk_size",
        "mamba_conv_bias",
        "mamba_d_conv",
        "mamba_d_head",
        "mamba_d_state",
        "mamba_expand",
        "mamba_n_groups",
        "mamba_n_heads",
        "mamba_proj_bias",
        "time_step_limit",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("layers.#.shared_mlp.input_linear", &["layers.#.feed_forward.gate", "layers.#.feed_forward.up"]),
    stored("layers.#.shared_mlp.output_linear", &["layers.#.feed_forward.down"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    refuse_other_layers(fields)?;
    let mut config = granite::read(fields, names)?;
    let width = fields.optional_size("shared_intermediate_size")?.unwrap_or(1024);
    let rotates = fields.optional_text("position_embedding_type")? == Some("rope");
    for layer in &mut config.layers {
        let (Some(attention), Some(feed_forward)) = (&mut layer.attention, &mut layer.feed_forward) else {
            continue;
        };
        feed_forward.width = width;
        if !rotates {
            attention.rotary = None;
        }
    }
    Ok(config)
}

/// Refuses what this family has besides attention and feed-forward blocks. Where the configuration lists no layers, none
/// has attention, and where it does not say how many experts there are, there are some.
fn refuse_other_layers(fields: &Fields) -> Result<(), FormatError> {
    const REASON: &str = "of this family only models can be opened that have attention in every layer and no experts; this program does not have Mamba layers and this family's experts yet";
    const KINDS: [&str; 2] = ["layer_types", "layers_block_type"];
    let named = KINDS.into_iter().find(|name| fields.get(name).is_some()).unwrap_or(KINDS[0]);
    let is_attention = |kind: &&str| ["attention", "full_attention"].contains(kind);
    match fields.optional_texts(named)? {
        Some(kinds) if kinds.iter().all(is_attention) => {}
        _ => return Err(fields.error(named, REASON)),
    }
    match fields.optional_number("num_local_experts")? {
        Some(0.0) => Ok(()),
        _ => Err(fields.error("num_local_experts", REASON)),
    }
}
