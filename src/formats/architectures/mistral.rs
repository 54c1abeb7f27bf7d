//! Mistral (Jiang et al. 2023): Llama with a window.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{norm, usual, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "mistral",
    read,
    part: None,
    prefixes: usual::PREFIXES,
    tensors: usual::TENSORS,
    head: usual::HEAD,
    ignored: usual::ROTARY_TABLES,
    other_parts: &[],
    harmless_fields: &[],
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = usual::read(fields, names, norm::rms(fields, "rms_norm_eps")?, Rope::default())?;
    window::everywhere(&mut config, window::size(fields, 4096)?);
    Ok(config)
}
