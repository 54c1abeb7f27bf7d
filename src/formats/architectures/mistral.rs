//! Mistral (Jiang et al. 2023): Llama with a window.

use super::family::{Family, StoredNames};
use super::{llama_like, window};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family { name: "mistral", read, ..llama_like::USUAL };

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = llama_like::read_plain(fields, names)?;
    window::everywhere(&mut config, window::size(fields, 4096)?);
    Ok(config)
}
