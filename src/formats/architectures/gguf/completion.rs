//! What a form of a family adds to the fields that a file's keys have become.

use serde_json::{Map, Value, json};

use crate::formats::checkpoint::Checkpoint;

/// What a family's form adds to, beside the keys of the file.
pub(super) struct Completion<'a> {
    pub config: &'a mut Map<String, Value>,
    pub checkpoint: &'a Checkpoint,
}

impl Completion<'_> {
    /// Whether the file has a tensor of this name.
    pub(super) fn has(&self, tensor: &str) -> bool {
        self.checkpoint.find(tensor).is_some()
    }

    /// How many rows the tensor of this name has, if the file has it.
    pub(super) fn rows(&self, tensor: &str) -> Option<u64> {
        let index = self.checkpoint.find(tensor)?;
        self.checkpoint.tensors[index].stored.shape.first().map(|&rows| rows as u64)
    }

    /// A field, unless the file has it.
    pub(super) fn or(&mut self, field: &str, value: Value) {
        self.config.entry(field).or_insert(value);
    }

    /// A whole number that a field has.
    pub(super) fn size(&self, field: &str) -> Option<u64> {
        self.config.get(field).and_then(Value::as_u64)
    }

    /// Leaves a field out that is 0, which stands for absent.
    pub(super) fn without_zero(&mut self, field: &str) {
        if self.config.get(field).and_then(Value::as_f64) == Some(0.0) {
            self.config.remove(field);
        }
    }

    /// A field of the scaling of the rotary embedding, where there is one.
    pub(super) fn scaling(&mut self, field: &str, value: Value) {
        if let Some(scaling) = self.config.get_mut("rope_scaling") {
            scaling[field] = value;
        }
    }

    /// Gemma's attention scale: by the width of a head, and in the size with so many layers by the model's width
    /// over the number of heads. Where the file lacks one of these, there is no decoder either.
    pub(super) fn gemma_scale(&mut self, layers: u64) {
        let scalar = if self.size("num_hidden_layers") == Some(layers) {
            let heads = self.size("num_attention_heads");
            self.size("hidden_size").zip(heads).and_then(|(width, heads)| width.checked_div(heads))
        } else {
            self.size("head_dim")
        };
        if let Some(scalar) = scalar {
            self.or("query_pre_attn_scalar", json!(scalar));
        }
    }

    /// What llama.cpp takes where a file with experts that are chosen by sigmoids leaves it out, or writes it as 0.
    pub(super) fn sigmoids(&mut self) {
        self.or("norm_topk_prob", json!(false));
        self.or("first_k_dense_replace", json!(0));
        for field in ["routed_scaling_factor", "expert_gating_func", "n_group"] {
            self.without_zero(field);
        }
    }

    /// What Granite's files leave out, or write as 0.
    pub(super) fn granite_scales(&mut self) {
        self.usual_scale("attention_multiplier");
        self.without_zero("embedding_multiplier");
        self.without_zero("residual_multiplier");
    }

    /// What one field says, as another field, whatever that says.
    pub(super) fn same(&mut self, field: &str, other: &str) {
        if let Some(value) = self.config.get(field).cloned() {
            self.config.insert(other.to_owned(), value);
        }
    }

    /// The same, unless the file has the other.
    pub(super) fn same_unless(&mut self, field: &str, other: &str) {
        if let Some(value) = self.config.get(field).cloned() {
            self.or(other, value);
        }
    }

    /// The usual attention scale, where the file has none.
    pub(super) fn usual_scale(&mut self, field: &str) {
        self.without_zero(field);
        if let Some(width) = self.size("head_dim") {
            self.or(field, json!((width as f64).sqrt().recip()));
        }
    }
}
