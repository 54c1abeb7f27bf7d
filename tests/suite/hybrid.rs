//! Families whose layers are of several kinds: what their fields and keys mean beside what the fixtures have, and that a
//! malformed one is refused by its name. What they compute is held by [`super::families`] and [`super::gguf_families`].

use logitscope::formats::{self, ModelFile};
use logitscope::model::ModelConfig;
use logitscope::model::config::{FeedForwardKind, RecurrentConfig};
use serde_json::{Value, json};

use super::gguf_edit::{ARRAY, Gguf, I32, array};
use super::malformed::{copy_of, edit_config};

/// The folder `name` with fields changed, opened.
pub fn with(name: &str, fields: &Value) -> Result<ModelFile, String> {
    let folder = copy_of(name);
    edit_config(folder.path(), |config| {
        for (name, value) in fields.as_object().expect("fields") {
            config[name] = value.clone();
        }
    });
    formats::open(folder.path()).map_err(|error| error.to_string())
}

fn config_with(name: &str, fields: Value) -> ModelConfig {
    with(name, &fields).unwrap_or_else(|error| panic!("{name}, {fields}: {error}")).config
}

#[test]
fn what_makes_no_sense_is_refused_by_field() {
    for (name, fields, reason) in [
        ("lfm2-biases", json!({"layer_types": ["conv", "full_attention"]}), "layer_types"),
        ("lfm2-biases", json!({"layer_types": ["conv", "mamba", "conv"]}), "only conv and full_attention"),
        ("lfm2-biases", json!({"layer_types": ["conv", 7, "conv"]}), "layer_types"),
        ("lfm2-biases", json!({"conv_L_cache": 0}), "conv_L_cache"),
        ("lfm2-biases", json!({"conv_L_cache": 1}), "conv_L_cache"),
        ("lfm2-biases", json!({"conv_L_cache": 65}), "conv_L_cache"),
        ("lfm2-biases", json!({"hidden_size": 25}), "hidden_size"),
        ("lfm2-biases", json!({"num_key_value_heads": 2}), "multiple of the 2 key/value heads"),
        ("lfm2", json!({"full_attn_idxs": [4]}), "full_attn_idxs"),
        ("lfm2", json!({"full_attn_idxs": [-1]}), "full_attn_idxs"),
        ("lfm2", json!({"block_multiple_of": 0}), "block_multiple_of"),
        ("lfm2", json!({"block_ffn_dim_multiplier": -1}), "block_ffn_dim_multiplier"),
        ("lfm2", json!({"block_ffn_dim_multiplier": 1e9}), "block_ffn_dim_multiplier"),
        ("lfm2", json!({"block_ff_dim": 12}), "feed_forward.w"),
        ("lfm2_moe", json!({"num_dense_layers": -1}), "num_dense_layers"),
        ("lfm2_moe", json!({"num_experts_per_tok": 6}), "experts for a token"),
        ("lfm2_moe", json!({"moe_intermediate_size": 12.5}), "moe_intermediate_size"),
        ("lfm2_moe", json!({"use_expert_bias": false}), "expert_bias"),
        ("lfm3", json!({"layer_types": ["conv", "sliding_attention"]}), "layer_types"),
        ("lfm3", json!({"conv_L_cache": 1}), "conv_L_cache"),
        ("lfm3", json!({"use_attention_gate": false}), "gate_proj"),
        ("lfm3", json!({"use_sandwich_norm": false}), "post_"),
        (
            "lfm3",
            json!({"rope_parameters": {"full_attention": {"rope_type": "proportional", "partial_rotary_factor": 1.5}}}),
            "rope_parameters.full_attention.partial_rotary_factor",
        ),
        ("olmo_hybrid", json!({"layer_types": ["linear_attention"]}), "layer_types"),
        ("olmo_hybrid", json!({"linear_num_value_heads": 3}), "linear_num_value_heads"),
        ("olmo_hybrid", json!({"linear_conv_kernel_dim": 1}), "linear_conv_kernel_dim"),
        ("olmo_hybrid", json!({"linear_key_head_dim": 0}), "linear_key_head_dim"),
        ("olmo_hybrid", json!({"linear_key_head_dim": 7}), "linear_attn.q_proj"),
        ("olmo_hybrid", json!({"hidden_act": "gelu"}), "hidden_act"),
    ] {
        let error = with(name, &fields).err().unwrap_or_else(|| panic!("{name} opened with {fields}"));
        assert!(error.contains(reason), "{name}, {fields}: {error}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
}

#[test]
fn a_base_of_null_is_none_and_heads_do_not_rotate() {
    let rotates = |fields: Value| {
        let config = config_with("olmo_hybrid", fields);
        config.first_attention().expect("a layer with attention").rotary.is_some()
    };
    // As transformers has it: `null` for the whole is the usual base, `null` for the base alone is none.
    assert!(rotates(json!({})));
    assert!(rotates(json!({"rope_parameters": null})));
    assert!(!rotates(json!({"rope_parameters": null, "rope_theta": null})));
    assert!(!rotates(json!({"rope_parameters": {"rope_theta": null, "rope_type": "default"}})));
    assert!(rotates(json!({"rope_parameters": {"rope_theta": 500.0}, "rope_theta": null})));
}

#[test]
fn fields_that_are_left_out_have_the_references_values() {
    let rope = json!({
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        "full_attention": {"rope_type": "proportional", "rope_theta": 1_000_000.0, "partial_rotary_factor": 0.5},
    });
    let said = config_with("lfm3", json!({"rope_parameters": rope}));
    let left_out = config_with("lfm3", json!({"rope_parameters": null, "conv_L_cache": null}));
    assert_eq!(format!("{said:?}"), format!("{left_out:?}"));
    let kinds = |config: &ModelConfig| -> Vec<bool> {
        config.layers.iter().map(|layer| layer.attention.is_some()).collect()
    };
    assert_eq!(kinds(&config_with("lfm2", json!({}))), [false, false, true, false]);
    let error = with("lfm2", &json!({"full_attn_idxs": null})).err().expect("there are convolutions");
    assert!(error.contains("layers.0.self_attn"), "{error}");
}

/// The file is refused with these words.
pub fn refusal(file: &Gguf, words: [&str; 2]) {
    let error = file.refusal();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
}

/// The numbers of key/value heads of each layer.
fn heads(counts: &[i32]) -> Vec<u8> {
    array(I32, &counts.iter().map(|count| count.to_le_bytes().to_vec()).collect::<Vec<_>>())
}

#[test]
fn numbers_of_heads_tell_the_kinds_of_layers() {
    const HEADS: &str = "lfm2.attention.head_count_kv";
    let file = || Gguf::family("lfm2");
    for (counts, reason) in [
        (&[0, 0, 1][..], "3 numbers, but there are 4 layers"),
        (&[0, 0, 1, 0, 0], "5 numbers, but there are 4 layers"),
        (&[0, 3, 1, 0], "3 key/value heads and 1"),
        (&[0, 0, -1, 0], "whole numbers from 0"),
    ] {
        refusal(&file().with(HEADS, ARRAY, &heads(counts)), [HEADS, reason]);
    }
    // Layers without the tensors of their kind.
    refusal(&file().with(HEADS, ARRAY, &heads(&[0, 0, 0, 0])), ["blk.2.shortconv", "missing"]);
    refusal(&file().with_whole(HEADS, 1), ["blk.0.attn_q", "missing"]);
    refusal(&file().with_whole(HEADS, 0), ["blk.2.shortconv", "missing"]);
    refusal(&file().without(HEADS), ["blk.0.attn_q", "missing"]);
}

#[test]
fn keys_of_convolutions_and_routers_are_read() {
    let (kernel, window) = ("lfm2.shortconv.l_cache", "lfm2.attention.sliding_window");
    let file = || Gguf::family("lfm2");
    refusal(&file().without(kernel), [kernel, "missing"]);
    refusal(&file().with_whole(kernel, 0), [kernel, "whole number from 1"]);
    refusal(&file().with_whole(kernel, 1), [kernel, "from 2"]);
    refusal(&file().with_whole(window, 16), [window, "not supported"]);
    assert!(file().with_whole(window, 0).opened().is_ok());
    let RecurrentConfig::ShortConvolution(block) =
        file().model().config.layers[0].recurrent.clone().expect("a convolution")
    else {
        panic!("it is a short one")
    };
    assert_eq!(block.convolution.kernel, 3);

    let file = || Gguf::family("lfm2_moe");
    let scores = "lfm2moe.expert_gating_func";
    refusal(&file().without(scores), [scores, "missing"]);
    refusal(&file().with_whole(scores, 1), [scores, "only sigmoids"]);
    // llama.cpp has experts in every layer where the key is not there.
    refusal(&file().without("lfm2moe.leading_dense_block_count"), ["blk.0.ffn_gate_inp", "missing"]);
    let scaled = file().with_number("lfm2moe.expert_weights_scale", 2.5).model();
    let factors: Vec<f32> = scaled
        .config
        .layers
        .iter()
        .filter_map(|layer| match layer.feed_forward?.kind {
            FeedForwardKind::Experts(experts) => Some(experts.router.factor),
            _ => None,
        })
        .collect();
    assert_eq!(factors, [2.5, 2.5]);
}
