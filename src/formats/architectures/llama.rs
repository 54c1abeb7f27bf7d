//! Llama (Touvron et al. 2023; Grattafiori et al. 2024), and the many models published in its form.

use super::family::Family;
use super::llama_like;

pub(super) const FAMILY: Family = Family {
    name: "llama",
    harmless_fields: &[
        // Splits products over devices; the same numbers but for rounding.
        "pretraining_tp",
        "max_sequence_length",
        "is_llama_config",
    ],
    ..llama_like::USUAL
};
