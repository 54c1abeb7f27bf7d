//! Ministral 3 as llama.cpp's converter writes it, and other decoders of Mistral's models for images, which have no scaling.

use serde_json::json;

use super::form::{FIELDS, Form, RMS, TURNED_LLAMA, USUAL};

pub(super) const MISTRAL3: Form = Form {
    architecture: "mistral3",
    family: "ministral3",
    fields: &[FIELDS, RMS, &[("attention.temperature_scale", RATE)]],
    complete: |config| {
        // Without a scaling, scores would grow only after the longest text.
        if let Some(rate) = config.config.remove(RATE) {
            config.scaling("llama_4_scaling_beta", rate);
        }
        // What llama.cpp takes beside the other that files have.
        config.scaling("mscale", json!(1.0));
    },
    tensors: TURNED_LLAMA,
    ..USUAL
};

/// Where messages look for the key of a field of the scaling.
const RATE: &str = "rope_scaling.llama_4_scaling_beta";
