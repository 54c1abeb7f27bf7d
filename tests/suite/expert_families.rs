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
fn keys_that_are_missing_or_say_something_else() {
    for (name, key) in [
        ("glm4_moe", "glm4moe.expert_shared_count"),
        ("dots1", "dots1.expert_gating_func"),
        ("ernie4_5_moe", "ernie4_5-moe.interleave_moe_layer_step"),
        ("granitemoe", "granitemoe.expert_used_count"),
        ("afmoe", "afmoe.expert_count"),
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
