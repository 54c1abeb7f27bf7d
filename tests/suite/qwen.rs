//! Qwen3.5 and Qwen3-Next: the heads that llama.cpp's converter reorders, blocks that draft tokens, and malformed fields
//! and keys. What folders compute is held by [`super::families`].

use logitscope::formats::{self, ModelFile};
use logitscope::model::batch::RowOutput;
use logitscope::model::config::{GatedDeltaConfig, HeadOrder, RecurrentConfig};
use logitscope::model::{Batch, LanguageModel, ModelConfig, plan_decoder};
use logitscope::reference::Reference;
use serde_json::json;

use super::formats::fixture;
use super::gguf_edit::{ARRAY, BOOL, Gguf, array};
use super::hybrid::{refusal, with};

const REORDERED: [&str; 5] =
    ["qwen3_5", "qwen3_5-tied", "qwen3_5_moe", "qwen3_5_text", "qwen3_5_text-value-width"];

fn delta(config: &ModelConfig) -> GatedDeltaConfig {
    let block = config.layers.iter().find_map(|layer| layer.recurrent.clone());
    let Some(RecurrentConfig::GatedDelta(delta)) = block else { panic!("it has the delta rule") };
    delta
}

fn logits(model: &ModelFile) -> Vec<Vec<f32>> {
    let mut twin = Reference::new(plan_decoder(&model.config), 64, &*model.weights).unwrap();
    let sequence = twin.new_sequence();
    let ids = [5, 17, 3, 99, 42, 8, 8, 61, 20];
    twin.forward(&Batch::chain_of_outputs(sequence, 0, &ids, RowOutput::Logits)).unwrap().logits
}

fn furthest(one: &[Vec<f32>], other: &[Vec<f32>]) -> f32 {
    let pairs = one.iter().flatten().zip(other.iter().flatten());
    pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

#[test]
fn heads_in_another_order_compute_the_same() {
    for name in ["qwen3_5_text-equal-heads", "qwen3_next"].into_iter().chain(REORDERED) {
        let (file, folder) = (Gguf::family(name).model(), formats::open(&fixture(name)).unwrap());
        let is_reordered = REORDERED.contains(&name);
        let order = if is_reordered { HeadOrder::Turns } else { HeadOrder::Neighbours };
        assert_eq!(delta(&file.config).heads.order, order, "{name}");
        assert_eq!(delta(&folder.config).heads.order, HeadOrder::Neighbours, "{name}");
        let (ours, expected) = (logits(&file), logits(&folder));
        // Of heads in another order the sums are rounded otherwise.
        assert!(furthest(&ours, &expected) < 2e-4, "{name}: {}", furthest(&ours, &expected));
    }
}

#[test]
fn malformed_fields_are_refused_by_name() {
    for (name, fields, reason) in [
        ("qwen3_5_text", json!({"layer_types": ["linear_attention"]}), "layer_types"),
        (
            "qwen3_5_text",
            json!({"layer_types": ["conv", "conv", "full_attention"]}),
            "only full_attention and",
        ),
        (
            "qwen3_5_text",
            json!({"layer_types": null, "full_attention_interval": 0}),
            "full_attention_interval",
        ),
        ("qwen3_5_text", json!({"layer_types": "linear_attention"}), "layer_types"),
        ("qwen3_5_text", json!({"linear_num_key_heads": 3}), "linear_num_value_heads"),
        ("qwen3_5_text", json!({"linear_num_key_heads": 0}), "linear_num_key_heads"),
        ("qwen3_5_text", json!({"linear_num_value_heads": 0}), "linear_num_value_heads"),
        ("qwen3_5_text", json!({"linear_key_head_dim": 0}), "linear_key_head_dim"),
        ("qwen3_5_text", json!({"linear_value_head_dim": -8}), "linear_value_head_dim"),
        ("qwen3_5_text", json!({"linear_key_head_dim": 4}), "linear_attn.in_proj_qkv"),
        ("qwen3_5_text", json!({"linear_key_head_dim": 1_u64 << 40}), "keys"),
        ("qwen3_5_text", json!({"linear_conv_kernel_dim": 1}), "the rows of the convolution"),
        ("qwen3_5_text", json!({"linear_conv_kernel_dim": 5}), "linear_attn.conv1d"),
        ("qwen3_5_text", json!({"attn_output_gate": false}), "attn_output_gate"),
        ("qwen3_5_text", json!({"attention_bias": true}), "attention_bias"),
        ("qwen3_5_text", json!({"hidden_act": "gelu"}), "hidden_act"),
        ("qwen3_5_moe_text-experts-apart", json!({"num_experts": 5}), "mlp.gate"),
        ("qwen3_5_moe_text-experts-apart", json!({"shared_expert_intermediate_size": 0}), "shared_expert"),
        ("qwen3_next-dense-layer", json!({"mlp_only_layers": []}), "layers.0.mlp."),
        ("qwen3_next-dense-layer", json!({"linear_value_head_dim": 8}), "in_proj_qkvz"),
    ] {
        let error = with(name, &fields).err().unwrap_or_else(|| panic!("{name} opened with {fields}"));
        assert!(error.contains(reason), "{name}, {fields}: {error}");
        assert!(!error.contains('\n'), "one line: {error}");
    }
}

#[test]
fn sizes_that_are_left_out_are_the_references() {
    let error = with("qwen3_5_text", &json!({"linear_num_key_heads": null, "linear_num_value_heads": null}));
    let error = error.err().expect("the file has fewer");
    // 2 · 16 · 8 + 32 · 8.
    assert!(error.contains("in_proj_qkv") && error.contains("512"), "{error}");
    // Every fourth layer has attention; this one has the other's tensors.
    let error = with("qwen3_5_text", &json!({"layer_types": null})).err().expect("other layers");
    assert!(error.contains("layers.2.linear_attn"), "{error}");
}

#[test]
fn malformed_keys_are_refused_by_name() {
    const HEADS: &str = "qwen35.ssm.time_step_rank";
    const INNER: &str = "qwen35.ssm.inner_size";
    const STATES: &str = "qwen35.attention.recurrent_layers";
    const INTERVAL: &str = "qwen35.full_attention_interval";
    let file = || Gguf::family("qwen3_5_text");
    for key in ["conv_kernel", "state_size", "group_count", "time_step_rank", "inner_size"] {
        let key = format!("qwen35.ssm.{key}");
        refusal(&file().without(&key), [&key, "missing"]);
        refusal(&file().with_whole(&key, 0), [&key, "whole number from 1"]);
        refusal(&file().with_text(&key, "four"), [&key, "whole number from 1"]);
    }
    refusal(&file().with_whole(HEADS, 5), [HEADS, "multiple of qwen35.ssm.group_count, 2"]);
    refusal(&file().with_whole(INNER, 33), [INNER, "multiple of qwen35.ssm.time_step_rank, 4"]);
    let flags = |flags: &[u8]| array(BOOL, &flags.iter().map(|flag| vec![*flag]).collect::<Vec<_>>());
    refusal(&file().with(STATES, ARRAY, &flags(&[1, 0])), [STATES, "2 entries, but there are 3 layers"]);
    refusal(&file().with(STATES, ARRAY, &flags(&[1, 1, 1])), ["blk.2.attn_qkv", "missing"]);
    refusal(&file().with_text(STATES, "all"), [STATES, "true or false"]);
    refusal(&file().without(STATES).with_whole(INTERVAL, 0), [INTERVAL, "whole number from 1"]);
    // Without the list, the distance counts; without both, it is 4.
    let same = file().without(STATES).with_whole(INTERVAL, 3).model();
    assert_eq!(same.config, file().model().config);
    refusal(&file().without(STATES).without(INTERVAL), ["blk.2.attn_qkv", "missing"]);
    for key in ["expert_shared_feed_forward_length", "expert_feed_forward_length", "expert_count"] {
        let key = format!("qwen35moe.{key}");
        refusal(&Gguf::family("qwen3_5_moe").without(&key), [&key, "missing"]);
    }
}

#[test]
fn layers_that_draft_are_counted_but_not_read() {
    const DRAFTING: &str = "qwen35.nextn_predict_layers";
    let file = || Gguf::family("qwen3_5");
    let model = file().model();
    assert_eq!((model.config.layers.len(), model.warnings.len()), (2, 0));
    for count in [3, 4] {
        refusal(&file().with_whole(DRAFTING, count), [DRAFTING, "3 layers, these included"]);
    }
    // Layers of the decoder, then.
    refusal(&file().without(DRAFTING), ["blk.2.nextn", "nothing"]);
    // Others than those that are said to be there are not passed over.
    let file = file().with_tensor("blk.3.attn_norm.weight", &[1], &[0.0]);
    refusal(&file, ["blk.3.attn_norm.weight", "nothing"]);
}
