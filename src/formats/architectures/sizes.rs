//! A decoder's sizes for a person: exact where the family is supported, guessed from common field names where
//! it is not.

use serde::Serialize;
use serde_json::Value;

use crate::model::ModelConfig;

/// Sizes of a decoder; those of the first layer that has them where layers differ. `None` for what is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ArchitectureSizes {
    /// Number of layers.
    pub layers: Option<u64>,
    /// C: width of the residual stream.
    pub width: Option<u64>,
    /// H: query heads.
    pub heads: Option<u64>,
    /// G: key/value heads.
    pub key_value_heads: Option<u64>,
    /// D: elements of a head.
    pub head_width: Option<u64>,
    /// F: width of the feed-forward block.
    pub feed_forward_width: Option<u64>,
    /// V: vocabulary entries.
    pub vocabulary: Option<u64>,
    /// Positions.
    pub context: Option<u64>,
}

impl ArchitectureSizes {
    /// Those of a decoder that was read.
    pub fn of(config: &ModelConfig) -> Self {
        let size = |size: usize| Some(size as u64);
        let attention = config.first_attention();
        let feed_forward = config.layers.iter().find_map(|layer| layer.feed_forward.as_ref());
        Self {
            layers: size(config.layers.len()),
            width: size(config.width),
            heads: attention.and_then(|attention| size(attention.heads)),
            key_value_heads: attention.and_then(|attention| size(attention.key_value_heads)),
            head_width: attention.and_then(|attention| size(attention.head_width)),
            feed_forward_width: feed_forward.and_then(|block| size(block.width)),
            vocabulary: size(config.vocabulary),
            context: size(config.context),
        }
    }

    /// What the usual names of `config.json` say, for a family whose names are not known.
    pub fn guess(config: &Value) -> Self {
        let any = |names: &[&str]| {
            // Of a model with a decoder inside, those of that.
            let part = config.get("text_config").filter(|part| part.is_object()).unwrap_or(config);
            names.iter().find_map(|name| part.get(name).or_else(|| config.get(name))?.as_u64())
        };
        Self {
            layers: any(&["num_hidden_layers", "n_layer", "num_layers"]),
            width: any(&["hidden_size", "n_embd", "d_model"]),
            heads: any(&["num_attention_heads", "n_head", "num_heads"]),
            key_value_heads: any(&["num_key_value_heads", "n_head_kv"]),
            head_width: any(&["head_dim"]),
            feed_forward_width: any(&["intermediate_size", "n_inner", "ffn_dim"]),
            vocabulary: any(&["vocab_size"]),
            context: any(&["max_position_embeddings", "n_positions", "max_seq_len"]),
        }
    }
}
