//! Fields of `config.json` that change what a decoder computes, for families whose readers do not know them.

use serde_json::Value;

use super::methods;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::formats::quantised;

/// How weights are quantised, which is no family's matter.
const QUANTISED: &str = "quantization_config";

/// Fields that change what a decoder computes, each with the number at which it has no effect. Where the family's
/// reader has not asked for one, absent, `null`, `false` or empty is fine too; anything else would silently give
/// other numbers than the model's own.
const REFUSED_FIELDS: [(&str, f64, &str); 23] = [
    ("sliding_window", 0.0, "attention windows are not supported"),
    ("layer_types", 0.0, "layers of different kinds are not supported"),
    ("no_rope_layers", 0.0, "layers without rotary embeddings are not supported"),
    ("rope_interleaved", 0.0, "heads whose neighbouring elements rotate together are not supported"),
    ("attn_logit_softcapping", 0.0, "soft caps on attention are not supported"),
    ("final_logit_softcapping", 0.0, "soft caps on logits are not supported"),
    ("clip_qkv", 0.0, "limits on queries, keys and values are not supported"),
    ("qk_norm", 0.0, "norms of queries and keys are not supported"),
    ("use_qk_norm", 0.0, "norms of queries and keys are not supported"),
    ("qk_layernorm", 0.0, "norms of queries and keys are not supported"),
    ("logit_scale", 1.0, "scaled logits are not supported"),
    ("logits_scaling", 1.0, "scaled logits are not supported"),
    ("embedding_multiplier", 1.0, "scaled embeddings are not supported"),
    ("residual_multiplier", 1.0, "scaled residuals are not supported"),
    ("attention_multiplier", 1.0, "another attention scale is not supported"),
    ("scale_emb", 1.0, "scaled embeddings are not supported"),
    ("scale_depth", 1.0, "scaled residuals are not supported"),
    ("alibi", 0.0, "attention with linear biases is not supported"),
    ("use_parallel_residual", 0.0, "parallel attention and feed-forward are not supported"),
    ("num_local_experts", 0.0, "mixtures of experts are not supported"),
    ("num_experts", 0.0, "mixtures of experts are not supported"),
    ("is_encoder_decoder", 0.0, "only decoders without an encoder can be opened"),
    ("add_cross_attention", 0.0, "only decoders without an encoder can be opened"),
];

/// Refuses fields of [`REFUSED_FIELDS`] that have an effect and that the family's reader has not asked for.
pub(super) fn refuse_active(fields: &Fields) -> Result<(), FormatError> {
    let is_idle = |value: &Value, neutral: f64| match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(neutral),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(|item| item == "full_attention"),
        Value::Object(map) => map.is_empty(),
    };
    let unread: Vec<&str> = fields.unread().collect();
    if unread.contains(&QUANTISED)
        && !quantised::is_known(fields)
        && fields.get(QUANTISED).is_some_and(|value| !is_idle(value, 0.0))
    {
        return Err(fields.error(QUANTISED, methods::refusal(fields)));
    }
    for (name, neutral, reason) in REFUSED_FIELDS.into_iter().filter(|(name, ..)| unread.contains(name)) {
        if fields.get(name).is_some_and(|value| !is_idle(value, neutral)) {
            return Err(fields.error(name, reason));
        }
    }
    Ok(())
}
