//! Models for images and text, of which the decoder alone is opened. What it computes is held by
//! [`super::families`], as for every other folder.

use std::fs;
use std::path::Path;

use logitscope::formats::{self, ModelFile};
use logitscope::model::config::HeadWeights;
use serde_json::{Value, json};

use super::formats::fixture;

const ALL: [&str; 25] = [
    "exaone4_5",
    "glm4v",
    "glm46v",
    "idefics3",
    "internvl",
    "internvl-qwen3",
    "llava",
    "llava_next",
    "llava_onevision",
    "smolvlm",
    "gemma4",
    "gemma4_unified",
    "lfm2_vl",
    "mistral3",
    "mistral3-tied",
    "mistral3-ministral3",
    "muse_glimmer",
    "muse_glimmer-published-layers",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "qwen3_vl_moe",
    "qwen3_5",
    "qwen3_5-tied",
    "qwen3_5_moe",
];

/// A copy of the folder `name` with its `config.json` changed.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let (from, folder) = (fixture(name), tempfile::tempdir().unwrap());
    for file in ["config.json", "generation_config.json", "model.safetensors"] {
        fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().join("config.json");
    let mut config = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs::write(path, config.to_string()).unwrap();
    folder
}

fn opened(path: &Path) -> ModelFile {
    formats::open(path).unwrap_or_else(|error| panic!("{error}"))
}

/// Opening and inspecting give the same, one error.
fn refusal(folder: &tempfile::TempDir) -> String {
    let error = formats::open(folder.path()).err().expect("it is malformed").to_string();
    let facts = formats::inspect(folder.path()).unwrap();
    assert!(!facts.supported);
    assert_eq!(facts.problems, std::slice::from_ref(&error));
    error
}

#[test]
fn the_image_part_is_counted_and_said_to_be_unused() {
    for name in ALL {
        let family = name.split('-').next().unwrap();
        let facts = formats::inspect(&fixture(name)).unwrap();
        assert!(facts.supported, "{name}: {:?}", facts.problems);
        assert_eq!(facts.family.as_deref(), Some(family));
        let model = opened(&fixture(name));
        assert_eq!((model.family.as_str(), model.config.vocabulary), (family, 101));
        // No field of these files is unknown, and nothing else is worth a warning.
        let [warning] = &model.warnings[..] else { panic!("{name}: {:?}", model.warnings) };
        assert!(warning.contains(&format!("the image part of this {family} model, ")), "{warning}");
        assert!(warning.contains(" tensors, is not used"), "{warning}");
        assert!(facts.warnings.contains(warning), "{:?}", facts.warnings);
    }
}

#[test]
fn a_configuration_without_a_decoder_is_refused() {
    for name in ["mistral3", "qwen3_vl", "qwen3_vl_moe"] {
        let without = changed(name, |config| drop(config.as_object_mut().unwrap().remove("text_config")));
        let error = refusal(&without);
        assert!(error.contains("text_config") && error.contains("describe the decoder"), "{error}");
    }
    // Fields of the whole count there, but there are none.
    let without = changed("qwen2_vl", |config| drop(config.as_object_mut().unwrap().remove("text_config")));
    assert!(refusal(&without).contains("the model cannot be built without it"));
}

#[test]
fn a_decoder_that_is_no_object_is_refused() {
    for name in ["mistral3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe"] {
        for wrong in [json!("mistral"), json!(7), json!([])] {
            let error = refusal(&changed(name, |config| config["text_config"] = wrong));
            assert!(error.contains("text_config") && error.contains("it has to be an object"), "{error}");
        }
    }
}

#[test]
fn an_unknown_decoder_is_refused_by_its_name() {
    for name in ["mistral3", "qwen2_vl", "qwen3_vl", "qwen3_vl_moe"] {
        for inner in ["retnet", "gemma3", name] {
            let folder = changed(name, |config| config["text_config"]["model_type"] = json!(inner));
            if inner == name && name != "mistral3" {
                // What older files call it.
                opened(folder.path());
                continue;
            }
            let error = refusal(&folder);
            assert!(error.contains("text_config.model_type") && error.contains(inner), "{error}");
            assert!(error.contains(&format!("inside a {name} model")), "{error}");
        }
        let number = changed(name, |config| config["text_config"]["model_type"] = json!(3));
        assert!(refusal(&number).contains("it has to be a text"));
    }
}

#[test]
fn a_decoder_without_a_name_is_the_usual_one() {
    for name in ["mistral3", "qwen2_vl", "qwen3_vl", "qwen3_vl_moe"] {
        let remove = |config: &mut Value| {
            config["text_config"].as_object_mut().unwrap().remove("model_type");
        };
        assert_eq!(opened(changed(name, remove).path()).config, opened(&fixture(name)).config, "{name}");
    }
}

#[test]
fn the_head_is_tied_as_the_whole_says() {
    let head = |name: &str, outer: Value, inner: Value| {
        let folder = changed(name, |config| {
            config["tie_word_embeddings"] = outer;
            config["text_config"]["tie_word_embeddings"] = inner;
        });
        opened(folder.path()).config.head
    };
    // The only field that says it is the whole's; or the part's, in older files; or none.
    assert_eq!(head("qwen3_vl", json!(true), json!(false)), HeadWeights::Tied);
    assert_eq!(head("qwen3_vl", Value::Null, json!(true)), HeadWeights::Tied);
    assert_eq!(head("mistral3-tied", Value::Null, Value::Null), HeadWeights::Tied);
    assert_eq!(head("mistral3", Value::Null, Value::Null), HeadWeights::Separate);
    assert_eq!(head("qwen3_vl_moe", json!(false), json!(true)), HeadWeights::Separate);
    let untied = changed("qwen3_vl", |config| {
        config["tie_word_embeddings"] = json!(false);
        config["text_config"]["tie_word_embeddings"] = json!(false);
    });
    assert!(refusal(&untied).contains("lm_head.weight: it is missing"));
}

#[test]
fn the_parts_ids_count_where_the_whole_has_none() {
    let folder = changed("qwen3_vl", |config| config["text_config"]["eos_token_id"] = json!([5, 6]));
    fs::remove_file(folder.path().join("generation_config.json")).unwrap();
    let special = opened(folder.path()).special;
    assert_eq!((special.bos, special.eos), (Some(1), vec![5, 6]));
    let folder = changed("qwen3_vl", |config| config["eos_token_id"] = json!(9));
    fs::remove_file(folder.path().join("generation_config.json")).unwrap();
    assert_eq!(opened(folder.path()).special.eos, [9]);
}
