//! Llama (Touvron et al. 2023; Grattafiori et al. 2024), and the many models published in its form.

use super::family::{Family, StoredNames};
use super::rope::Rope;
use super::{norm, usual};
use crate::formats::error::FormatError;
use crate::formats::fields::Fields;
use crate::model::ModelConfig;

pub(super) const FAMILY: Family = Family {
    name: "llama",
    read,
    part: None,
    prefixes: usual::PREFIXES,
    tensors: usual::TENSORS,
    head: usual::HEAD,
    ignored: usual::ROTARY_TABLES,
    other_parts: &[],
    harmless_fields: &[
        // Splits products over devices; the same numbers but for rounding.
        "pretraining_tp",
        "max_sequence_length",
        "is_llama_config",
    ],
};

fn read(fields: &Fields, names: &dyn StoredNames) -> Result<ModelConfig, FormatError> {
    usual::read(fields, names, norm::rms(fields, "rms_norm_eps")?, Rope::default())
}
