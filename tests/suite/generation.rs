//! A model's own defaults of decoding, wherever its files have them.

use std::fs;
use std::path::Path;
use std::process::Command;

use logitscope::formats::{self, GenerationDefaults};
use serde_json::{Value, json};

use super::gguf_edit::{F32, Gguf, I32};
use super::malformed::{copy_of, edit_config};

/// What transformers 5.23 writes of `GenerationConfig(...)` with all of these, and fields that say nothing here.
fn written() -> Value {
    json!({
        "_from_model_config": true, "bos_token_id": 1, "eos_token_id": [2, 100], "pad_token_id": 0,
        "transformers_version": "5.23.0", "do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95,
        "min_p": 0.05, "typical_p": 0.9, "epsilon_cutoff": 0.0003, "eta_cutoff": 0.002,
        "repetition_penalty": 1.05, "no_repeat_ngram_size": 3, "bad_words_ids": [[5, 6], [7]],
        "suppress_tokens": [3, 4], "begin_suppress_tokens": [8], "min_length": 2, "min_new_tokens": 1,
        "max_length": 64, "max_new_tokens": 32, "num_beams": 4, "length_penalty": -0.5, "penalty_alpha": 0.6
    })
}

fn defaults(folder: &Path, value: &Value) -> (GenerationDefaults, Vec<String>) {
    fs::write(folder.join("generation_config.json"), value.to_string()).unwrap();
    let (model, facts) = (formats::open(folder).unwrap(), formats::inspect(folder).unwrap());
    assert!(facts.supported, "{:?}", facts.problems);
    assert_eq!(facts.generation, model.generation);
    assert!(model.warnings.iter().all(|warning| facts.warnings.contains(warning)), "{:?}", facts.warnings);
    (model.generation, model.warnings)
}

#[test]
fn every_field_comes_by_its_own_name() {
    let folder = copy_of("llama-f32");
    let (found, warnings) = defaults(folder.path(), &written());
    assert_eq!(warnings, [""; 0]);
    let mut expected = written();
    for name in ["_from_model_config", "bos_token_id", "eos_token_id", "pad_token_id", "transformers_version"]
    {
        expected.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(serde_json::to_value(&found).unwrap(), expected);
    let (found, _) = defaults(folder.path(), &json!({"top_k": null, "temperature": null}));
    assert!(found.is_empty());
    assert_eq!(serde_json::to_value(&found).unwrap(), json!({}));
}

#[test]
fn what_makes_no_sense_is_left_out_and_told() {
    let folder = copy_of("llama-f32");
    for (name, value) in [
        ("temperature", json!(-1)),
        ("temperature", json!("hot")),
        ("top_k", json!(2.5)),
        ("top_k", json!(-1)),
        ("top_p", json!(1.5)),
        ("min_p", json!([0.5])),
        ("repetition_penalty", json!(0)),
        ("do_sample", json!(1)),
        ("no_repeat_ngram_size", json!(true)),
        ("suppress_tokens", json!(7)),
        ("suppress_tokens", json!([1, "x"])),
        ("begin_suppress_tokens", json!([[1]])),
        ("bad_words_ids", json!([1, 2])),
        ("num_beams", json!(-3)),
    ] {
        let (found, warnings) = defaults(folder.path(), &json!({name: value}));
        assert!(found.is_empty(), "{name} {value}: {found:?}");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let is_told = |part: &str| warnings[0].contains(part);
        assert!(is_told(name) && is_told("generation_config.json") && is_told("ignored"), "{warnings:?}");
    }
    let ids = json!({"suppress_tokens": [-1, 5, 101, 6], "bad_words_ids": [[1, 200], [], [9]]});
    let (found, warnings) = defaults(folder.path(), &ids);
    assert_eq!((found.suppress_tokens, found.bad_words_ids), (vec![5, 6], vec![vec![9]]));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("bad_words_ids names 200") && warnings[1].contains("suppress_tokens names -1")
    );
    // What only Python's JSON has.
    let text = r#"{"temperature": Infinity, "top_p": 1e400, "top_k": 5, "length_penalty": NaN}"#;
    fs::write(folder.path().join("generation_config.json"), text).unwrap();
    let model = formats::open(folder.path()).unwrap();
    assert_eq!(model.generation, GenerationDefaults { top_k: Some(5), ..GenerationDefaults::default() });
    assert!(
        model
            .warnings
            .iter()
            .any(|warning| warning.contains("temperature") && warning.contains("is Infinity"))
    );
}

/// As `GenerationConfig.from_model_config` of transformers 5.23 has it.
#[test]
fn older_folders_have_them_in_the_models_configuration() {
    let folder = copy_of("llama-f32");
    fs::remove_file(folder.path().join("generation_config.json")).unwrap();
    edit_config(folder.path(), |config| {
        config["do_sample"] = json!(true);
        config["temperature"] = json!(0.7);
        config["text_config"] = json!({"top_k": 9, "temperature": 0.1});
    });
    let found = formats::open(folder.path()).unwrap().generation;
    assert_eq!(
        serde_json::to_value(&found).unwrap(),
        json!({"do_sample": true, "temperature": 0.7, "top_k": 9})
    );
    // Where there is the file, it alone counts.
    let (found, _) = defaults(folder.path(), &json!({"top_p": 0.5}));
    assert_eq!(serde_json::to_value(&found).unwrap(), json!({"top_p": 0.5}));
}

/// llama.cpp's keys, `general.sampling.*`.
#[test]
fn gguf_files_have_them_in_their_metadata() {
    let file = Gguf::family("qwen2")
        .with("general.sampling.temp", F32, &0.5_f32.to_le_bytes())
        .with("general.sampling.top_k", I32, &40_i32.to_le_bytes())
        .with("general.sampling.top_p", F32, &0.25_f32.to_le_bytes())
        .with("general.sampling.min_p", F32, &0.125_f32.to_le_bytes())
        .with("general.sampling.penalty_repeat", F32, &1.5_f32.to_le_bytes());
    let expected =
        json!({"temperature": 0.5, "top_k": 40, "top_p": 0.25, "min_p": 0.125, "repetition_penalty": 1.5});
    let model = file.model();
    assert_eq!(serde_json::to_value(&model.generation).unwrap(), expected);
    let (_folder, path) = file.stored();
    assert_eq!(formats::inspect(&path).unwrap().generation, model.generation);
    assert!(Gguf::family("qwen2").model().generation.is_empty());
}

#[test]
fn inspect_shows_them() {
    let folder = copy_of("llama-f32");
    let value = json!({"temperature": 0.6, "suppress_tokens": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]});
    fs::write(folder.path().join("generation_config.json"), value.to_string()).unwrap();
    let inspect = |options: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_logitscope"))
            .args(["inspect", "--context", "64"])
            .args(options)
            .arg(folder.path())
            .output();
        String::from_utf8(command.unwrap().stdout).unwrap()
    };
    let text = inspect(&[]);
    assert!(text.contains("own default    temperature 0.6\n"), "{text}");
    assert!(text.contains("suppress_tokens [1, 2, 3, 4, 5, 6, 7, 8, …] (10 in all)"), "{text}");
    let facts: Value = serde_json::from_str(&inspect(&["--json"])).unwrap();
    assert_eq!(facts["generation"], value);
}
