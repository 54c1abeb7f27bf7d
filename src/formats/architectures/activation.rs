//! The non-linearities by the names that configurations use.

use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::config::Activation;

/// The activation that field `name` asks for, or `default`.
pub(super) fn read(fields: &Fields, name: &str, default: Activation) -> Result<Activation, FormatError> {
    let Some(spelling) = fields.optional_text(name)? else { return Ok(default) };
    Ok(match spelling {
        "silu" | "swish" => Activation::Silu,
        "gelu" | "gelu_python" => Activation::Gelu,
        // All the same formula, written in different ways.
        "gelu_new" | "gelu_fast" | "gelu_accurate" | "gelu_pytorch_tanh" | "gelu_python_tanh" => {
            Activation::GeluTanh
        }
        "relu" => Activation::Relu,
        "relu2" => Activation::ReluSquared,
        "quick_gelu" => Activation::GeluSigmoid,
        _ => {
            let reason = "this activation is not supported; silu, gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu and relu2 are";
            return Err(fields.error(name, reason));
        }
    })
}
