//! Muse Glimmer as llama.cpp's converter writes it: one is added to the weights of norms already, but to those of the last,
//! and the factor on queries is the weight of their norm.

use serde_json::{Value, json};

use super::completion::Completion;
use super::form::{
    FIELDS, Form, GATED, HEAD_NORMS, NORMS, RMS, TURNED, UPDATE_NORMS, USUAL, VALUE_AND_OUTPUT, WINDOW,
};
use crate::formats::architectures::family::{Mapping, laid_out, stored};
use crate::formats::rewrite::Layout;
use crate::model::config::limits;

pub(super) const MUSE_GLIMMER: Form = Form {
    architecture: "muse-glimmer",
    family: "muse_glimmer_text",
    fields: &[FIELDS, RMS, WINDOW, FACTORS],
    needs: &["attention.sliding_window", "logit_scale"],
    complete,
    tensors: &[TURNED, VALUE_AND_OUTPUT, GATED, HEAD_NORMS, UPDATE_NORMS, NORMS, OWN],
    ..USUAL
};

const FACTORS: &[(&str, &str)] =
    &[("logit_scale", "output_multiplier"), ("final_logit_softcapping", "final_logit_softcapping")];

const OWN: &[Mapping] =
    &[stored("blk.#.attn_gate", &["layers.#.attention.gate"]), laid_out(Layout::Ones, "", &["embed.norm"])];

/// Layers with a window rotate, and others do not. Where the file does not list them, the last of each four has none.
fn complete(config: &mut Completion<'_>) {
    let layers = config.size("num_hidden_layers").unwrap_or(0).min(limits::LAYERS as u64);
    let usual = |layer: u64| if layer % 4 < 3 { "sliding_attention" } else { "full_attention" };
    config.or("layer_types", (0..layers).map(usual).collect());
    let base = |kind: &Value| json!(if kind == "sliding_attention" { 1.0 } else { 0.0 });
    if let Some(Value::Array(kinds)) = config.config.get("layer_types") {
        let bases: Vec<Value> = kinds.iter().map(base).collect();
        config.or("layer_rope_theta", Value::Array(bases));
    }
    config.without_zero("final_logit_softcapping");
    config.or("final_logit_softcapping", Value::Null);
}
