//! Convolutions over the last few rows, as configurations describe them.

use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::config::limits;

/// The rows that a convolution reads, by field `name`.
pub(super) fn kernel(fields: &Fields, name: &str, default: usize) -> Result<usize, FormatError> {
    let kernel = fields.optional_size(name)?.unwrap_or(default);
    if (2..=limits::CONVOLUTION).contains(&kernel) {
        return Ok(kernel);
    }
    let reason = format!("a convolution has to read from 2 to {} rows", limits::CONVOLUTION);
    Err(fields.error(name, reason))
}
