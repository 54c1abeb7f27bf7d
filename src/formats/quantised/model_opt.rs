//! What NVIDIA's ModelOpt says of its matrices, in `config.json` or in a file beside it: floats of four bits or of eight.

use crate::formats::error::FormatError;
use crate::formats::fields::Fields;

/// The algorithms whose matrices can be read.
const ALGORITHMS: [&str; 5] = ["NVFP4", "W4A16_NVFP4", "FP8", "FP8_PER_CHANNEL_PER_TOKEN", "MXFP8"];
/// Each matrix by its own.
const MIXED: &str = "MIXED_PRECISION";

/// Refuses algorithms by which numbers would be others. The settings may be one level further in.
pub(super) fn check(fields: &Fields) -> Result<(), FormatError> {
    if let Some(inner) = fields.optional_object("quantization")? {
        return check(&inner);
    }
    match fields.optional_text("quant_algo")? {
        Some(MIXED) => {
            let Some(layers) = fields.optional_object("quantized_layers")? else { return Ok(()) };
            let names: Vec<&str> = layers.unread().collect();
            names.into_iter().try_for_each(|name| match layers.optional_object(name)? {
                Some(layer) => check_one(&layer),
                None => Ok(()),
            })
        }
        _ => check_one(fields),
    }
}

fn check_one(fields: &Fields) -> Result<(), FormatError> {
    match fields.optional_text("quant_algo")? {
        Some(algorithm) if !ALGORITHMS.contains(&algorithm) => {
            Err(fields.error("quant_algo", format!("{} can be read", ALGORITHMS.join(", "))))
        }
        _ => Ok(()),
    }
}
