//! Folders with `vocab.json` and `merges.txt` against transformers' ids, and files that say too little or too much.

use std::fs;

use logitscope::formats::{self, TokenizerFiles, Vocabulary};
use logitscope::tokenizer::merges::MergesFiles;
use logitscope::tokenizer::{AddSpecial, Tokenizer, TokenizerError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::support;

const PIECES: &[u8] = include_bytes!("../fixtures/merges/vocab.json");
const MERGES: &[u8] = include_bytes!("../fixtures/merges/merges.txt");
const END: &str = "<|endoftext|>";

/// See `tests/fixtures/merges/make.py`.
#[derive(Deserialize)]
struct Expected {
    folders: Vec<FolderCase>,
}

#[derive(Deserialize)]
struct FolderCase {
    name: String,
    model_type: String,
    files: Map<String, Value>,
    special: Vec<u32>,
    texts: Vec<TextCase>,
}

#[derive(Deserialize)]
struct TextCase {
    text: String,
    ids: Vec<u32>,
    ids_without_special: Vec<u32>,
    decoded: String,
}

/// The vocabulary without its last entry, the end of a text, which Qwen2 has behind it.
fn pieces_without_end() -> Vec<u8> {
    let mut pieces: Map<String, Value> = serde_json::from_slice(PIECES).unwrap();
    pieces.remove(END);
    serde_json::to_vec(&pieces).unwrap()
}

/// A checkpoint of another fixture with these files instead of its own tokenizer's.
pub fn folder(model: &str, class: Option<&str>, files: &Map<String, Value>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = support::fixture("families").join(model);
    fs::copy(source.join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    let mut config: Value = serde_json::from_slice(&fs::read(source.join("config.json")).unwrap()).unwrap();
    if let Some(class) = class {
        config["tokenizer_class"] = json!(class);
    }
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let pieces = if model.starts_with("qwen") { pieces_without_end() } else { PIECES.to_vec() };
    fs::write(folder.path().join("vocab.json"), pieces).unwrap();
    fs::write(folder.path().join("merges.txt"), MERGES).unwrap();
    for (name, contents) in files {
        fs::write(folder.path().join(name), contents.to_string()).unwrap();
    }
    folder
}

/// The tokenizer of a folder, by the same way on which a model is loaded.
fn tokenizer(folder: &TempDir) -> Result<Tokenizer, TokenizerError> {
    let Some(TokenizerFiles::Folder { vocabulary, tokenizer_config, added_tokens, .. }) =
        formats::open(folder.path()).unwrap().tokenizer
    else {
        panic!("no tokenizer in {:?}", folder.path());
    };
    let Vocabulary::Merges { pieces, merges, stated_class, family_class } = &vocabulary else {
        panic!("another vocabulary: {vocabulary:?}");
    };
    Tokenizer::from_merges(MergesFiles {
        vocabulary: pieces,
        merges,
        added_tokens: added_tokens.as_ref(),
        config: tokenizer_config.as_ref(),
        stated_class: stated_class.as_deref(),
        family_class: *family_class,
    })
}

/// The checkpoint that stands for a family here.
fn fixture(model_type: &str) -> &str {
    if model_type == "gpt2" { "gpt2-f32" } else { model_type }
}

#[test]
fn ids_and_texts_are_those_of_transformers() {
    let expected: Expected = serde_json::from_str(include_str!("../fixtures/merges/expected.json")).unwrap();
    for case in &expected.folders {
        let name = &case.name;
        let tokenizer = tokenizer(&folder(fixture(&case.model_type), None, &case.files)).unwrap();
        for text in &case.texts {
            let ids = tokenizer.encode(&text.text, AddSpecial::AsFileSays).unwrap();
            assert_eq!(ids, text.ids, "{name}: {:?}", text.text);
            let plain = tokenizer.encode(&text.text, AddSpecial::Never).unwrap();
            assert_eq!(plain, text.ids_without_special, "{name}: {:?}", text.text);
            assert_eq!(tokenizer.decode(&ids), text.decoded, "{name}: {:?}", text.text);
        }
        let special: Vec<u32> =
            (0..tokenizer.vocabulary_size() as u32).filter(|&id| tokenizer.is_special(id)).collect();
        assert_eq!(special, case.special, "{name}");
    }
}

#[test]
fn a_class_that_does_not_say_how_texts_are_split_is_refused() {
    let refused =
        |model: &str, class: Option<&str>, cause: &str| match tokenizer(&folder(model, class, &Map::new())) {
            Err(TokenizerError::Unreproducible { reason }) => assert!(reason.contains(cause), "{reason}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("taken: {model} {class:?}"),
        };
    refused("llama-f32", Some("GPT2TokenizerFast"), "models of this family with a GPT2Tokenizer differ");
    refused("starcoder2", None, "no tokenizer_class");
    refused("qwen2", Some("GPT2Tokenizer"), "differ");
    refused("gpt2-f32", Some("PreTrainedTokenizerFast"), "the way of a PreTrainedTokenizer is not known");
    // Qwen2's own class is enough in any family.
    assert!(tokenizer(&folder("llama-f32", Some("Qwen2TokenizerFast"), &Map::new())).is_ok());
}

#[test]
fn the_special_tokens_of_a_class_are_known_where_the_files_are_silent() {
    let named = |config: &Value| {
        let files = MergesFiles { config: Some(config), ..plain() };
        files.special_tokens().unwrap()["eos_token"].clone()
    };
    assert_eq!(named(&json!({})), END);
    assert_eq!(named(&json!({"eos_token": {"content": "</s>"}})), json!({"content": "</s>"}));
    assert_eq!(named(&json!({"eos_token": null})), Value::Null);
}

fn plain() -> MergesFiles<'static> {
    MergesFiles {
        vocabulary: PIECES,
        merges: MERGES,
        added_tokens: None,
        config: None,
        stated_class: None,
        family_class: Some("GPT2Tokenizer"),
    }
}

#[test]
fn files_that_contradict_themselves_are_refused_with_the_cause() {
    let refused = |files: MergesFiles, cause: &str| match Tokenizer::from_merges(files) {
        Err(TokenizerError::Merges { reason }) => assert!(reason.contains(cause), "{reason}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken: {cause}"),
    };
    refused(MergesFiles { vocabulary: b"{", ..plain() }, "vocab.json: EOF");
    refused(MergesFiles { vocabulary: b"{}", ..plain() }, "its vocabulary is empty");
    refused(MergesFiles { vocabulary: br#"{"a": -1}"#, ..plain() }, "vocab.json: invalid value");
    refused(MergesFiles { vocabulary: br#"{"a": 7, "b": 7}"#, ..plain() }, "`a` and `b` are both token 7");
    refused(MergesFiles { merges: b"\xff", ..plain() }, "not UTF-8");
    refused(MergesFiles { merges: b"#version: 0.2\na b c\n", ..plain() }, "line 2 `a b c` is not a pair");
    refused(MergesFiles { merges: b"single", ..plain() }, "line 1 `single` is not a pair");
    refused(
        MergesFiles { merges: "a 日".as_bytes(), ..plain() },
        "line 1 names `日`, which vocab.json lacks",
    );
    let added = |tokens: Value, cause: &str| {
        refused(MergesFiles { added_tokens: Some(&tokens), ..plain() }, cause);
    };
    added(json!(["a"]), "not an object");
    added(json!({"<new>": -5}), "no id for `<new>`");
    added(json!({"<pad>": 900}), "`<pad>` is token 900 among the added tokens, but 1 in the vocabulary");
    added(json!({"<new>": 7}), "are both token 7");
    added(json!({"<one>": 900, "<two>": 900}), "`<two>` and `<one>` are both token 900");
    let config = json!({"added_tokens_decoder": {"nine": {"content": "<new>"}}});
    refused(MergesFiles { config: Some(&config), ..plain() }, "an entry without id or content");
}

#[test]
fn a_new_token_gets_the_next_id_and_a_gap_stays_one() {
    let added = json!({"<far>": 1000});
    let config = json!({"pad_token": "<new>", "image_token": {"content": "<image>", "lstrip": true}});
    let files = MergesFiles { added_tokens: Some(&added), config: Some(&config), ..plain() };
    let tokenizer = Tokenizer::from_merges(files).unwrap();
    let ids = ["<far>", "<new>", "<image>"].map(|text| tokenizer.id(text));
    assert_eq!(ids, [Some(1000), Some(1001), Some(1002)]);
    assert_eq!(tokenizer.encode("a  <image>", AddSpecial::Never).unwrap().last(), Some(&1002));
    assert_eq!((tokenizer.piece(999), tokenizer.vocabulary_size()), (None, 1003));
}
