//! Norms as configurations describe them.

use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::config::{Bias, HeadNormConfig, HeadNormExtent, HeadNormPlace, NormConfig, NormKind};

/// An RMSNorm whose ε is in field `epsilon`.
pub(super) fn rms(fields: &Fields, epsilon: &str) -> Result<NormConfig, FormatError> {
    rms_or(fields, epsilon, 1e-6)
}

/// As [`rms`], with `default` where there is no such field.
pub(super) fn rms_or(fields: &Fields, epsilon: &str, default: f64) -> Result<NormConfig, FormatError> {
    let epsilon = fields.optional_number(epsilon)?.unwrap_or(default) as f32;
    Ok(NormConfig { kind: NormKind::Rms, epsilon, bias: Bias::Absent })
}

/// Norms of queries and keys, of the same kind as another norm.
pub(super) fn of_heads(norm: NormConfig, extent: HeadNormExtent) -> HeadNormConfig {
    HeadNormConfig { kind: norm.kind, epsilon: norm.epsilon, extent, place: HeadNormPlace::BeforeRotary }
}

/// A LayerNorm whose ε is in field `epsilon`.
pub(super) fn layer(fields: &Fields, epsilon: &str, bias: Bias) -> Result<NormConfig, FormatError> {
    let epsilon = fields.optional_number(epsilon)?.unwrap_or(1e-5) as f32;
    Ok(NormConfig { kind: NormKind::Layer, epsilon, bias })
}
