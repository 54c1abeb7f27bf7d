//! GLM-4-9B (Zhipu AI 2024): as GLM-4-0414, with norms before the blocks alone.

use super::family::{Family, StoredNames};
use super::glm4;
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;
use crate::model::config::BlockNorms;

pub(super) const FAMILY: Family = Family { name: "glm", read, ..glm4::FAMILY };

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    let mut config = glm4::read(fields, names)?;
    let before = BlockNorms::before(config.final_norm);
    for layer in &mut config.layers {
        (layer.attention_norms, layer.feed_forward_norms) = (before, before);
    }
    Ok(config)
}
