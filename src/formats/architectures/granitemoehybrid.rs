//! Granite 4 (Granite Team, IBM 2025): Granite 3 with gate and up in one matrix, with rotary positions or with none.
//! Layers have attention or Mamba 2's block, and a feed-forward block or experts beside one that computes every row.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::layer_kinds::{self, LAYER_TYPES};
use super::{experts, granite, llama_like, mamba};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{
    ExpertsConfig, FeedForwardConfig, FeedForwardKind, RouterConfig, SharedExpert, SharedGate,
};

pub(super) const FAMILY: Family = Family {
    name: "granitemoehybrid",
    read,
    tensors: &[TENSORS, EXPERTS, mamba::MAMBA, llama_like::ATTENTION, llama_like::NORMS],
    harmless_fields: &[
        "init_method",
        "normalization_function",
        // Sizes of what a model without such blocks does not have.
        "num_experts_per_tok",
        "mamba_conv_bias",
        "mamba_d_conv",
        "mamba_d_head",
        "mamba_d_state",
        "mamba_expand",
        "mamba_n_groups",
        "mamba_n_heads",
        "mamba_proj_bias",
        "time_step_limit",
        // Training.
        "mamba_chunk_size",
        "output_router_logits",
        "router_aux_loss_coef",
    ],
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("layers.#.shared_mlp.input_linear", &["layers.#.feed_forward.gate", "layers.#.feed_forward.up"]),
    stored("layers.#.shared_mlp.output_linear", &["layers.#.feed_forward.down"]),
];

/// Beside experts the same block is the shared one. The names are the published ones, and then those that transformers
/// writes.
pub(super) const EXPERTS: &[Mapping] = &[
    stored(
        "layers.#.shared_mlp.input_linear",
        &["layers.#.feed_forward.shared.gate", "layers.#.feed_forward.shared.up"],
    ),
    stored("layers.#.shared_mlp.output_linear", &["layers.#.feed_forward.shared.down"]),
    stored("layers.#.block_sparse_moe.router.layer", &["layers.#.feed_forward.router"]),
    laid_out(
        Layout::ByExpert,
        "layers.#.block_sparse_moe.input_linear",
        &["layers.#.feed_forward.experts.gate", "layers.#.feed_forward.experts.up"],
    ),
    laid_out(
        Layout::ByExpert,
        "layers.#.block_sparse_moe.output_linear",
        &["layers.#.feed_forward.experts.down"],
    ),
    stored("layers.#.block_sparse_moe.router", &["layers.#.feed_forward.router"]),
    laid_out(
        Layout::ByExpert,
        "layers.#.block_sparse_moe.experts.gate_up_proj",
        &["layers.#.feed_forward.experts.gate.weight", "layers.#.feed_forward.experts.up.weight"],
    ),
    laid_out(
        Layout::ByExpert,
        "layers.#.block_sparse_moe.experts.down_proj",
        &["layers.#.feed_forward.experts.down.weight"],
    ),
];

/// Sizes for files that leave them out.
const SIZES: &[(&str, usize)] = &[
    ("num_local_experts", 8),
    ("num_experts_per_tok", 2),
    ("shared_intermediate_size", 1024),
    ("mamba_n_heads", 128),
    ("mamba_n_groups", 1),
    ("mamba_d_state", 256),
    ("mamba_expand", 2),
];

/// What lets a layer's rows know of others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Attention,
    State,
}

const KINDS: [(&str, Kind); 4] = [
    ("attention", Kind::Attention),
    ("full_attention", Kind::Attention),
    ("mamba", Kind::State),
    ("linear_attention", Kind::State),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let defaults = fields.or_sizes(SIZES);
    let fields = if fields.are_metadata() { fields } else { &defaults };
    let mut config = granite::read(fields, names)?;
    let kinds = kinds(fields, config.layers.len())?;
    // Metadata say it in another way, which Granite 3 has too.
    let rotates = fields.are_metadata() || fields.optional_text("position_embedding_type")? == Some("rope");
    let state = match kinds.contains(&Kind::State) {
        false => None,
        true => {
            let inner = mamba::inner_width(fields, "mamba_expand", config.width)?;
            let epsilon = config.final_norm.epsilon;
            mamba::check_activation(fields, "hidden_act")?;
            let block = mamba::Block::read(fields, &mamba::BESIDE_OTHERS, Some(inner), epsilon)?;
            Some(block.with_time_step(mamba::time_step(fields)?))
        }
    };
    let blocks = feed_forward(fields)?;
    for ((index, layer), kind) in config.layers.iter_mut().enumerate().zip(kinds) {
        layer.feed_forward = layer.feed_forward.map(&blocks);
        match (kind, &mut layer.attention) {
            (Kind::State, attention) => {
                *attention = None;
                layer.recurrent = state.as_ref().map(|block| block.of_layer(index, names));
            }
            (Kind::Attention, Some(attention)) if !rotates => attention.rotary = None,
            (Kind::Attention, _) => {}
        }
    }
    Ok(config)
}

/// Which layers have attention. Where the configuration lists none, no layer has.
fn kinds(fields: &Fields, layers: usize) -> Result<Vec<Kind>, FormatError> {
    for name in [LAYER_TYPES, "layers_block_type"] {
        if let Some(kinds) = layer_kinds::read(fields, name, layers, &KINDS)? {
            return Ok(kinds);
        }
    }
    Ok(vec![Kind::State; layers])
}

/// What takes the place of the usual feed-forward block.
fn feed_forward(fields: &Fields) -> Result<impl Fn(FeedForwardConfig) -> FeedForwardConfig, FormatError> {
    let shared = fields.size("shared_intermediate_size")?;
    let width = fields.size("intermediate_size")?;
    let has_experts = fields.optional_number("num_local_experts")? != Some(0.0);
    let kind = match has_experts {
        false => FeedForwardKind::Gated,
        true => FeedForwardKind::Experts(ExpertsConfig {
            shared: Some(SharedExpert { width: shared, gate: SharedGate::Absent }),
            ..ExpertsConfig::new(
                experts::count(fields)?,
                fields.size("num_experts_per_tok")?,
                RouterConfig::SOFTMAX_OF_CHOSEN,
            )
        }),
    };
    let width = if has_experts { width } else { shared };
    Ok(move |usual| FeedForwardConfig { width, kind, ..usual })
}
