//! GPT-J (Wang and Komatsuzaki 2021): GPT-2's fields, blocks side by side behind one LayerNorm, neighbouring
//! elements of a part of each head that rotate together.

use super::family::{Family, Mapping, StoredNames, laid_out, stored};
use super::{gpt2, llama_like};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::rewrite::Layout;
use crate::model::ModelConfig;
use crate::model::config::{Bias, BlockNorms, HeadWeights, Positions, Residual};
use crate::model::rotary::{RotaryConfig, RotaryScaling};

pub(super) const FAMILY: Family = Family {
    name: "gptj",
    read,
    prefixes: gpt2::FAMILY.prefixes,
    tensors: &[TENSORS],
    ignored: gpt2::FAMILY.ignored,
    harmless_fields: gpt2::FAMILY.harmless_fields,
    ..llama_like::USUAL
};

const TENSORS: &[Mapping] = &[
    stored("wte", &["embed.tokens"]),
    stored("h.#.ln_1", &["layers.#.attention.norm"]),
    laid_out(Layout::NeighboursRotate, "h.#.attn.q_proj", &["layers.#.attention.query"]),
    laid_out(Layout::NeighboursRotate, "h.#.attn.k_proj", &["layers.#.attention.key"]),
    stored("h.#.attn.v_proj", &["layers.#.attention.value"]),
    stored("h.#.attn.out_proj", &["layers.#.attention.output"]),
    stored("h.#.mlp.fc_in", &["layers.#.feed_forward.up"]),
    stored("h.#.mlp.fc_out", &["layers.#.feed_forward.down"]),
    stored("ln_f", &["final_norm"]),
];

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = gpt2::read(fields, names)?;
    config.positions = Positions::InLayers;
    config.head = llama_like::head(fields, HeadWeights::Separate)?;
    config.head_bias = Bias::Present;
    let width = match fields.optional_size("rotary_dim")? {
        Some(width) => width,
        None if fields.names("rotary_dim") => {
            return Err(fields.error("rotary_dim", "it has to say how many elements of each head rotate"));
        }
        None => 64,
    };
    for layer in &mut config.layers {
        let Some(attention) = &mut layer.attention else { continue };
        layer.residual.kind = Residual::Parallel;
        layer.feed_forward_norms = BlockNorms::NONE;
        attention.rotary = Some(RotaryConfig { width, theta: 10_000.0, scaling: RotaryScaling::Plain });
        (attention.query_key_value_bias, attention.output_bias) = (Bias::Absent, Bias::Absent);
    }
    Ok(config)
}
