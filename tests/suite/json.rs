//! Python's JSON, in every file that Python's `json` wrote and reads: against what it makes of the same texts.

use std::fs;
use std::path::{Path, PathBuf};

use logitscope::formats::{self, TokenizerFiles, Vocabulary, json};
use logitscope::session::{ModelSource, Opened, WeightsChoice};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::malformed::{copy_of, edit_config};

/// With numbers that are not finite as the fixture has them.
fn shown(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shown(value))).collect(),
        value => match json::as_number(value).filter(|number| !number.is_finite()) {
            Some(number) if number.is_nan() => json!({"number": "NaN"}),
            Some(number) => json!({"number": if number > 0.0 { "Infinity" } else { "-Infinity" }}),
            None => value.clone(),
        },
    }
}

/// Numbers alike whether they are whole by their type or by their value.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same =
                |(key, value): (&String, &Value)| other.get(key).is_some_and(|other| alike(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

#[test]
fn every_text_is_what_python_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/json/expected.json");
    let cases: Vec<Vec<Value>> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(cases.len() > 80);
    for case in cases {
        let text = case[0].as_str().unwrap();
        match (json::read(text.as_bytes()), case.get(1)) {
            (Ok(ours), Some(theirs)) => assert!(alike(&shown(&ours), theirs), "{text}: {ours} for {theirs}"),
            (Err(reason), Some(theirs)) => panic!("{text}: {reason}, but it is {theirs}"),
            (Ok(ours), None) => panic!("{text}: {ours}, but Python refuses it"),
            (Err(_), None) => {}
        }
    }
}

/// What a JSON file of Python's may have that the standard has not.
const ODD: &str =
    r#""odd": [NaN, Infinity, -Infinity, 1e400, -1e999, "\ud83d", "\udc00x"], "odder": {"NaN": -Infinity}"#;

/// Puts `ODD` at the beginning of an object's file, which is made where it is not there, and `before` before all.
fn spoil(path: PathBuf, before: &str) {
    let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    let rest = text.trim_start().strip_prefix('{').unwrap();
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    fs::write(path, format!("{before}{{{ODD}{comma}{rest}")).unwrap();
}

#[test]
fn files_of_python_open_wherever_they_are_read() {
    for name in ["gpt2-f32", "llama-sharded"] {
        let (plain, folder) = (formats::open(&super::formats::fixture(name)).unwrap(), copy_of(name));
        let mut files = vec!["config.json", "generation_config.json", "tokenizer_config.json"];
        files.extend(["special_tokens_map.json", "model.safetensors.index.json"]);
        files.retain(|file| folder.path().join(file).exists() || !file.contains("index"));
        for before in ["", "\u{feff}", "\u{feff} \n"] {
            for file in &files {
                fs::copy(super::formats::fixture(name).join(file), folder.path().join(file)).ok();
                spoil(folder.path().join(file), before);
            }
            let opened =
                Opened::open(&ModelSource::Path(folder.path().into()), None, WeightsChoice::Original);
            let opened = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(opened.file.config, plain.config, "{name}");
            assert_eq!(opened.file.special, plain.special, "{name}");
            assert_eq!(opened.tokenizer.is_some(), plain.tokenizer.is_some(), "{name}");
            assert_eq!(opened.file.warnings.len(), 1, "{:?}", opened.file.warnings);
            assert!(opened.file.warnings[0].ends_with("ignored: odd, odder"), "{:?}", opened.file.warnings);
            let facts = formats::inspect(folder.path()).unwrap();
            assert!(facts.supported, "{name}: {:?}", facts.problems);
            for file in &files {
                fs::remove_file(folder.path().join(file)).unwrap();
            }
        }
    }
}

#[test]
fn a_byte_order_mark_before_a_tokenizer_is_skipped() {
    let folder = copy_of("gpt2-f32");
    let path = folder.path().join("tokenizer.json");
    let plain = fs::read(&path).unwrap();
    fs::write(&path, [b"\xef\xbb\xbf", &plain[..]].concat()).unwrap();
    let opened =
        Opened::open(&ModelSource::Path(folder.path().into()), None, WeightsChoice::Original).unwrap();
    assert_eq!(opened.tokenizer.expect("a tokenizer").decode(&[1, 2]), " !");
    assert!(formats::inspect(folder.path()).unwrap().supported);
    let Some(TokenizerFiles::Folder { vocabulary: Vocabulary::TokenizerJson(contents), .. }) =
        opened.file.tokenizer
    else {
        panic!("it is tokenizer.json")
    };
    assert!(contents == plain);
}

#[test]
fn a_number_that_is_not_finite_is_refused_by_name_where_it_counts() {
    for (field, text, cause) in [
        ("rms_norm_eps", "NaN", "epsilon"),
        ("rms_norm_eps", "Infinity", "epsilon"),
        ("rope_theta", "1e400", "rope_theta"),
        ("hidden_size", "Infinity", "hidden_size is Infinity"),
        ("vocab_size", "-Infinity", "vocab_size is -Infinity"),
        ("hidden_act", "NaN", "hidden_act is NaN"),
        ("sliding_window", "1e400", "sliding_window is Infinity"),
        ("logit_scale", "NaN", "logit_scale is NaN"),
        ("model_type", "NaN", "model_type is NaN"),
        ("rope_scaling", "[1, -1e400]", "rope_scaling is [1,-Infinity]"),
    ] {
        let folder = copy_of("llama-f32");
        edit_config(folder.path(), |config| {
            config["rope_parameters"] = json!(null);
            config[field] = json!("here");
        });
        let path = folder.path().join("config.json");
        let config = fs::read_to_string(&path).unwrap().replace("\"here\"", text);
        fs::write(&path, config).unwrap();
        let error =
            formats::open(folder.path()).err().unwrap_or_else(|| panic!("{field} {text}")).to_string();
        assert!(error.contains(cause) && error.contains("config.json"), "{field} {text}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What the standard's JSON is, stays; and nothing panics.
    #[test]
    fn any_text_is_read_or_refused(parts in prop::collection::vec(prop::sample::select(vec![
        "NaN", "-", "Infinity", "1e400", "1", "\"", "\\", "\\ud800", "\\udc00", "\\u", "[", "]", "{", "}", ",", ":", "ä", "e",
        ".", " ", "null", "😀",
    ]), 0..14)) {
        let text = parts.concat();
        let ours = json::read(text.as_bytes());
        if let Ok(standard) = serde_json::from_str::<Value>(&text) {
            prop_assert_eq!(ours, Ok(standard));
        }
    }
}
