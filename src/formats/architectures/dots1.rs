//! dots.llm1 (rednote-hilab 2025): Qwen3 with experts, chosen by their sigmoids and a bias, beside one that computes every
//! row.

use super::experts::Absent;
use super::family::{Family, StoredNames};
use super::window::{self, Sight};
use super::{experts, llama_like, norm};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::HeadNormExtent;

pub(super) const FAMILY: Family = Family {
    name: "dots1",
    read,
    tensors: &[
        llama_like::ATTENTION,
        llama_like::HEAD_NORMS,
        llama_like::FEED_FORWARD,
        experts::SIGMOIDS,
        llama_like::NORMS,
    ],
    // The last two say what is always done.
    harmless_fields: &["output_router_logits", "scoring_func", "topk_method"],
    ..llama_like::USUAL
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read_plain(fields, names)?;
    let size = window::size(fields, 4096)?;
    let first = fields.optional_number("max_window_layers")?.unwrap_or(62.0);
    let usual = |index: usize| if index as f64 >= first { Sight::Windowed } else { Sight::Full };
    let sights = window::sights(fields, config.layers.len(), usual)?;
    let head_norm = norm::of_heads(config.final_norm, HeadNormExtent::Head);
    for (attention, sight) in config.attentions().zip(sights) {
        attention.head_norm = Some(head_norm);
        attention.scores.window = size.filter(|_| sight == Sight::Windowed);
    }
    experts::read_sigmoids(fields, &mut config, Absent { renormalised: false, dense_layers: 0 })?;
    Ok(config)
}
