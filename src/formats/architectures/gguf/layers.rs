//! Layers of several kinds, as GGUF files tell them apart.

use serde_json::{Value, json};

use crate::formats::error::FormatError;
use crate::formats::gguf::Metadata;
use crate::model::config::limits;

/// `layer_types` of `config.json`, from a list of which layers have a window, or from a period: the last layer of each
/// has none, and with a period of 0 all have one.
pub(super) fn by_windows(
    metadata: &Metadata,
    key: &str,
    layers: Option<u64>,
) -> Result<Option<Value>, FormatError> {
    let name = |has_window| if has_window { "sliding_attention" } else { "full_attention" };
    if metadata.length(key).is_some() {
        let types = metadata.flags(key)?.unwrap_or_default();
        return Ok(Some(types.into_iter().map(name).collect()));
    }
    let (Some(period), Some(layers)) = (metadata.whole(key)?, layers) else { return Ok(None) };
    // More layers than that are refused.
    let layers = 1..=layers.min(limits::LAYERS as u64);
    Ok(Some(layers.map(|layer| name(period == 0 || !layer.is_multiple_of(period))).collect()))
}

/// `layer_types` of `config.json`, from a list of which of so many layers have a state in place of attention, or one answer
/// for all.
pub(super) fn by_states(
    metadata: &Metadata,
    key: &str,
    layers: Option<u64>,
) -> Result<Option<Value>, FormatError> {
    let (true, Some(layers)) = (metadata.has(key), layers) else { return Ok(None) };
    let name = |has_state| if has_state { "linear_attention" } else { "full_attention" };
    let flags = match metadata.length(key) {
        Some(_) => metadata.flags(key)?.unwrap_or_default(),
        // More layers than that are refused.
        None => {
            let flag = metadata.flag(key)?.unwrap_or(false);
            return Ok(Some(json!(vec![name(flag); layers.min(limits::LAYERS as u64) as usize])));
        }
    };
    if flags.len() as u64 != layers {
        let reason = format!("it has {} entries, but there are {layers} layers", flags.len());
        return Err(metadata.error(key, reason));
    }
    Ok(Some(flags.into_iter().map(name).collect()))
}

/// How many of so many layers only draft tokens: the last ones, which nothing here reads.
pub(super) fn drafting(metadata: &Metadata, key: &str, layers: Option<u64>) -> Result<u64, FormatError> {
    let drafting = metadata.whole(key)?.unwrap_or(0);
    match layers {
        Some(layers) if drafting > 0 && drafting >= layers => {
            let reason = format!("it is {drafting}, but there are {layers} layers, these included");
            Err(metadata.error(key, reason))
        }
        _ => Ok(drafting),
    }
}

/// Layers whose number of key/value heads is 0 where they have no attention.
pub(super) struct ByHeads {
    /// `layer_types` of `config.json`.
    pub types: Value,
    /// The number of key/value heads of those with attention, if there are any.
    pub heads: Option<Value>,
}

/// Reads the numbers of key/value heads of so many layers, in a list or one for all. Layers with 0 of them are `without`.
pub(super) fn by_heads(
    metadata: &Metadata,
    key: &str,
    layers: u64,
    without: &str,
) -> Result<ByHeads, FormatError> {
    // More layers than that are refused.
    let layers = layers.min(limits::LAYERS as u64) as usize;
    let counts = match metadata.length(key) {
        Some(_) => metadata.numbers(key)?.unwrap_or_default(),
        None => match metadata.whole(key)? {
            Some(count) => vec![count as f64; layers],
            None => return Ok(ByHeads { types: json!(vec!["full_attention"; layers]), heads: None }),
        },
    };
    if counts.len() != layers {
        let reason = format!("it has {} numbers, but there are {layers} layers", counts.len());
        return Err(metadata.error(key, reason));
    }
    let mut heads = None;
    for &count in &counts {
        if count < 0.0 || count.fract() != 0.0 {
            return Err(metadata.error(key, "it has to be a list of whole numbers from 0"));
        }
        if count > 0.0 && *heads.get_or_insert(count) != count {
            let reason = format!(
                "layers have {} key/value heads and {count}; only one number is supported",
                heads.unwrap_or(count)
            );
            return Err(metadata.error(key, reason));
        }
    }
    let kind = |count: &f64| if *count > 0.0 { "full_attention" } else { without };
    Ok(ByHeads {
        types: counts.iter().map(kind).collect(),
        heads: heads.map(|heads: f64| json!(heads as u64)),
    })
}
