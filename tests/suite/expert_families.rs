//! Configurations and files of the families with experts that no published model has: each refused by name and reason.

use serde_json::{Value, json};

use super::gguf_edit::Gguf;
use super::malformed::assert_config_refused;

fn assert_refused(file: &Gguf, parts: &[&str]) {
    let refusal = file.refusal();
    assert!(parts.iter().all(|part| refusal.contains(part)), "{refusal}");
}

#[test]
fn other_choices_than_the_published_ones() {
    let plain = |config: &mut Value| config["route_norm"] = json!(false);
    assert_config_refused("afmoe", plain, &["route_norm is false", "no published model"]);
    let softmax = |config: &mut Value| config["score_func"] = json!("softmax");
    assert_config_refused("afmoe", softmax, &["score_func", "only \"sigmoid\""]);
    let groups = |config: &mut Value| config["n_group"] = json!(2);
    assert_config_refused("afmoe", groups, &["n_group is 2", "in groups"]);
    let least = |config: &mut Value| config["moe_norm_min"] = json!(0.5);
    assert_config_refused("ernie4_5_moe", least, &["moe_norm_min is 0.5", "1e-12"]);
    let odd = |config: &mut Value| config["n_group"] = json!(2);
    assert_config_refused("glm4_moe", odd, &["groups of experts", "3 experts", "equal size"]);
    let none = |config: &mut Value| config["n_shared_experts"] = json!(null);
    assert_config_refused("dots1", none, &["n_shared_experts", "cannot be built without it"]);
}

#[test]
fn routers_and_gates_that_no_model_has() {
    let norm = |config: &mut Value| config["norm_head"] = json!(true);
    assert_config_refused("bailing_moe-first", norm, &["norm_head is true", "GGUF files of the model"]);
    let scores = |config: &mut Value| config["score_function"] = json!("tanh");
    assert_config_refused("bailing_moe", scores, &["score_function", "\"sigmoid\" and \"softmax\""]);
    let groups = |config: &mut Value| config["n_group"] = json!(4);
    assert_config_refused("bailing_moe", groups, &["groups of experts", "6 experts", "equal size"]);
    let gates = |config: &mut Value| config["gating"] = json!(false);
    assert_config_refused("laguna", gates, &["gating is false", "without gates"]);
    let cap = |config: &mut Value| config["moe_router_logit_softcapping"] = json!(30.0);
    assert_config_refused("laguna", cap, &["moe_router_logit_softcapping is 30", "a cap"]);
    let input = |config: &mut Value| config["moe_apply_router_weight_on_input"] = json!(true);
    assert_config_refused(
        "laguna",
        input,
        &["moe_apply_router_weight_on_input is true", "what experts read"],
    );
    let few = |config: &mut Value| config["num_attention_heads_per_layer"] = json!([2, 4]);
    assert_config_refused("laguna", few, &["num_attention_heads_per_layer", "it has 2 numbers", "4 layers"]);
    let kinds = |config: &mut Value| config["mlp_layer_types"] = json!(["moe", "dense", "sparse", "sparse"]);
    assert_config_refused("laguna", kinds, &["mlp_layer_types", "only dense and sparse"]);
    let plain = |config: &mut Value| config["use_qk_norm"] = json!(false);
    assert_config_refused("minimax_m2", plain, &["use_qk_norm is false", "no published model"]);
    let product = |config: &mut Value| config["shared_expert_combination_strategy"] = json!("product");
    assert_config_refused("cohere2_moe", product, &["shared_expert_combination_strategy", "\"sum\""]);
    let three = |config: &mut Value| config["num_experts_per_tok"] = json!(3);
    assert_config_refused("phimoe", three, &["num_experts_per_tok is 3", "chooses 2"]);
    let long = |config: &mut Value| config["rope_parameters"]["long_mscale"] = json!(1.4);
    assert_config_refused("phimoe-longrope", long, &["long_mscale is 1.4", "as short_mscale, 1.2"]);
    let alone = |config: &mut Value| config["use_mixed_mlp_moe"] = json!(false);
    assert_config_refused("hunyuan_v1_moe", alone, &["use_mixed_mlp_moe is false", "computes every row"]);
    let shared = |config: &mut Value| config["use_cla"] = json!(true);
    assert_config_refused("hunyuan_v1_moe", shared, &["use_cla is true", "share keys and values"]);
    let dense = |config: &mut Value| config["moe_layer_num_skipped"] = json!(1);
    assert_config_refused("hunyuan_v1_moe", dense, &["moe_layer_num_skipped is 1", "without experts"]);
    let few = |config: &mut Value| config["moe_topk"] = json!([2]);
    assert_config_refused("hunyuan_v1_moe", few, &["moe_topk", "it has 1 numbers", "2 layers"]);
    let uneven = |config: &mut Value| config["n_group"] = json!(2);
    assert_config_refused("deepseek_v2-groups", uneven, &["groups of experts is 2", "equal size"]);
    let yarn = |config: &mut Value| {
        config["rope_parameters"] = json!({"rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0});
    };
    assert_config_refused("llama4_text", yarn, &["norms of heads come after it"]);
}

#[test]
fn sizes_that_no_model_can_have() {
    let chunk = |config: &mut Value| config["attention_chunk_size"] = json!(1 << 30);
    assert_config_refused("llama4_text", chunk, &["the positions of a chunk", "1073741824"]);
    let layers = |config: &mut Value| config["no_rope_layers"] = json!([1, 0]);
    assert_config_refused("llama4_text", layers, &["no_rope_layers", "each of the 4 layers"]);
    let noise = |config: &mut Value| config["router_jitter_noise"] = json!(-0.5);
    assert_config_refused("phimoe", noise, &["the spread of the router's results is -1"]);
}

#[test]
fn phi_with_experts_from_gguf_files_is_refused_with_the_reason() {
    let file = Gguf::family("mixtral").with_text("general.architecture", "phimoe");
    assert_refused(&file, &["general.architecture", "other norms and another router", "folder"]);
}

#[test]
fn keys_that_are_missing_or_say_something_else() {
    for (name, key) in [
        ("glm4_moe", "glm4moe.expert_shared_count"),
        ("dots1", "dots1.expert_gating_func"),
        ("ernie4_5_moe", "ernie4_5-moe.interleave_moe_layer_step"),
        ("granitemoe", "granitemoe.expert_used_count"),
        ("afmoe", "afmoe.expert_count"),
        ("bailing_moe", "bailingmoe2.expert_gating_func"),
        ("bailing_moe-first", "bailingmoe.expert_shared_count"),
        ("laguna", "laguna.expert_shared_feed_forward_length"),
        ("minimax_m2", "minimax-m2.expert_used_count"),
        ("exaone_moe", "exaone-moe.attention.sliding_window"),
        ("cohere2_moe", "cohere2moe.leading_dense_block_count"),
        ("llama4_text", "llama4.interleave_moe_layer_step"),
    ] {
        assert_refused(&Gguf::family(name).without(key), &[key, "missing"]);
    }
    let scores = "glm4moe.expert_gating_func";
    assert_refused(&Gguf::family("glm4_moe").with_whole(scores, 1), &[scores, "only sigmoids, 2"]);
    // llama.cpp would not divide shares by their sum then.
    let sum = "afmoe.expert_weights_norm";
    assert_refused(&Gguf::family("afmoe").without(sum), &[sum, "no published model"]);
}

#[test]
fn what_llama_cpp_takes_where_a_file_is_silent() {
    let experts = |file: &Gguf| {
        let model = file.model();
        assert_eq!(model.warnings, Vec::<String>::new());
        format!("{:?}", model.config.layers.iter().map(|layer| layer.feed_forward).collect::<Vec<_>>())
    };
    let file = || Gguf::family("dots1").without("dots1.expert_weights_norm");
    assert!(experts(&file()).contains("renormalised: None"));
    let scale = "dots1.expert_weights_scale";
    assert!(experts(&file().without(scale)).contains("factor: 1.0"));
    assert!(experts(&file().with_number(scale, 0.0)).contains("factor: 1.0"));
}
