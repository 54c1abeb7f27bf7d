//! The scaling of rotary frequencies, as GGUF files have it.

use serde_json::{Value, json};

use crate::formats::checkpoint::Checkpoint;
use crate::formats::error::FormatError;
use crate::formats::gguf::Metadata;
use crate::formats::json::number;

/// Divisors of the rotary frequencies for LongRoPE, with the fields of `config.json` that they are.
pub(super) const LONG_ROPE: [(&str, &str); 2] =
    [("rope_factors_short.weight", "short_factor"), ("rope_factors_long.weight", "long_factor")];
/// What the names of keys about the scaling of rotary frequencies begin with.
pub(super) const PREFIX: &str = "rope.scaling.";
/// Those of them that are read, with the fields of `rope_scaling` that they become.
pub(super) const KEYS: [(&str, &str); 9] = [
    ("factor", "factor"),
    ("original_context_length", "original_max_position_embeddings"),
    ("type", "rope_type"),
    ("attn_factor", ""),
    ("finetuned", ""),
    ("yarn_beta_fast", "beta_fast"),
    ("yarn_beta_slow", "beta_slow"),
    ("yarn_attn_factor", "attention_factor"),
    ("yarn_log_multiplier", "mscale_all_dim"),
];
/// `rope_scaling` of `config.json`.
pub(super) fn rope_scaling(
    metadata: &Metadata,
    checkpoint: &Checkpoint,
    prefix: &str,
) -> Result<Option<Value>, FormatError> {
    let key = |name: &str| format!("{prefix}{PREFIX}{name}");
    let original = metadata.whole(&key("original_context_length"))?;
    if checkpoint.find(LONG_ROPE[0].0).is_some() {
        let mut scaling = json!({"rope_type": "longrope", "original_max_position_embeddings": original});
        for (tensor, field) in LONG_ROPE {
            scaling[field] = json!(vector(checkpoint, tensor)?.map(|(_, divisors)| divisors));
        }
        if let Some(factor) = metadata.number(&key("attn_factor"))? {
            scaling["attention_factor"] = number(factor);
        }
        return Ok(Some(scaling));
    }
    if let Some(factor) = metadata.number(&key("attn_factor"))?.filter(|factor| *factor != 1.0) {
        return Err(metadata.error(&key("attn_factor"), format!("it is {factor}; only 1 is supported")));
    }
    let factor = scaling_factor(metadata, prefix)?;
    // A file with a factor alone means the first kind that there was.
    let mut scaling = match metadata.text(&key("type"))?.unwrap_or("linear") {
        "none" => return Ok(None),
        "linear" if factor == 1.0 => return Ok(None),
        kind @ ("linear" | "yarn") => json!({"rope_type": kind}),
        other => {
            return Err(
                metadata.error(&key("type"), format!("it is {other}; none, linear and yarn are supported"))
            );
        }
    };
    scaling["factor"] = number(factor);
    scaling["original_max_position_embeddings"] = json!(original);
    for (name, field) in [
        ("yarn_beta_fast", "beta_fast"),
        ("yarn_beta_slow", "beta_slow"),
        ("yarn_attn_factor", "attention_factor"),
        ("yarn_log_multiplier", "mscale_all_dim"),
    ] {
        if let Some(value) = metadata.number(&key(name))? {
            scaling[field] = number(value);
        }
    }
    Ok(Some(scaling))
}

/// The factor of a scaling, under its name or its older one; 0 means 1, as does none.
fn scaling_factor(metadata: &Metadata, prefix: &str) -> Result<f64, FormatError> {
    for key in [format!("{prefix}{PREFIX}factor"), format!("{prefix}rope.scale_linear")] {
        match metadata.number(&key)? {
            None => {}
            Some(0.0) => return Ok(1.0),
            Some(factor) if factor.is_finite() && factor > 0.0 => return Ok(factor),
            Some(factor) => {
                let reason = format!("it is {factor}, but has to be a number above 0, or 0 for none");
                return Err(metadata.error(&key, reason));
            }
        }
    }
    Ok(1.0)
}

/// A tensor's index and its elements, if the file has it; refused if it is not a vector of f32.
pub(super) fn vector(checkpoint: &Checkpoint, name: &str) -> Result<Option<(usize, Vec<f64>)>, FormatError> {
    let Some(index) = checkpoint.find(name) else { return Ok(None) };
    let element = checkpoint.tensors[index].stored.element.name();
    if element != "F32" {
        let reason = format!("its elements are {element}, but have to be F32");
        return Err(FormatError::tensor(checkpoint.place(index), name, reason));
    }
    let (elements, _) = checkpoint.bytes(index).as_chunks();
    Ok(Some((index, elements.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect())))
}
