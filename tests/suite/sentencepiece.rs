//! SentencePiece models against that library's own ids, and files that are none.

use logitscope::tokenizer::{AddSpecial, Tokenizer, TokenizerError};
use serde_json::{Value, json};

const BPE: &[u8] = include_bytes!("../fixtures/sentencepiece/bpe.model");
const UNIGRAM: &[u8] = include_bytes!("../fixtures/sentencepiece/unigram.model");
const BYTES: &[u8] = include_bytes!("../fixtures/sentencepiece/bytes.model");
const MAPPED: &[u8] = include_bytes!("../fixtures/sentencepiece/mapped.model");

#[test]
fn ids_and_texts_are_those_of_the_library() {
    let expected: Value =
        serde_json::from_str(include_str!("../fixtures/sentencepiece/expected.json")).unwrap();
    for (name, contents) in [("bpe", BPE), ("unigram", UNIGRAM), ("bytes", BYTES), ("mapped", MAPPED)] {
        let tokenizer = Tokenizer::from_sentencepiece(contents, None, None).unwrap();
        for case in expected[name].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let ids = tokenizer.encode(text, AddSpecial::Never).unwrap();
            assert_eq!(json!(ids), case["ids"], "{name}: {text:?}");
            if ["bpe", "bytes"].contains(&name) {
                assert_eq!(tokenizer.decode(&ids), case["decoded"].as_str().unwrap(), "{name}");
            }
        }
    }
}

#[test]
fn without_legacy_the_beginning_of_a_text_alone_gets_a_space() {
    let expected: Value =
        serde_json::from_str(include_str!("../fixtures/sentencepiece/legacy.json")).unwrap();
    let tokenizer = Tokenizer::from_sentencepiece(BPE, Some(&expected["config"]), None).unwrap();
    for case in expected["texts"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids = tokenizer.encode(text, AddSpecial::Never).unwrap();
        assert_eq!(json!(ids), case["ids"], "{text:?}");
    }
    // Another part gets one as well where the configuration says so, or nothing.
    let pieces = |config: Value| {
        let tokenizer = Tokenizer::from_sentencepiece(BPE, Some(&config), None).unwrap();
        let ids = tokenizer.encode("a<s>b", AddSpecial::Never).unwrap();
        ids.iter().map(|&id| tokenizer.piece(id).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(pieces(json!({"legacy": false})), ["▁a", "<s>", "b"]);
    assert_eq!(pieces(json!({"legacy": true})), ["▁a", "<s>", "▁b"]);
    assert_eq!(pieces(json!({})), ["▁a", "<s>", "▁b"]);
}

#[test]
fn tokens_named_beside_the_model_stay_whole() {
    let with = |config: Value, added: Option<Value>| {
        let made = Tokenizer::from_sentencepiece(BPE, Some(&config), added.as_ref()).unwrap();
        made.encode("a<|user|>", AddSpecial::Never).unwrap().last().copied()
    };
    let size = Tokenizer::from_sentencepiece(BPE, None, None).unwrap().vocabulary_size() as u32;
    assert_eq!(with(json!({"additional_special_tokens": ["<|user|>"]}), None), Some(size));
    assert_eq!(with(json!({"pad_token": "<pad>"}), Some(json!({"<|user|>": size}))), Some(size));
    assert_ne!(with(json!({}), None), Some(size));
}

#[test]
fn the_configuration_says_whether_bos_is_added() {
    let config = json!({"add_bos_token": true, "bos_token": "<s>"});
    let tokenizer = Tokenizer::from_sentencepiece(BPE, Some(&config), None).unwrap();
    let ids = tokenizer.encode("the king", AddSpecial::AsFileSays).unwrap();
    let plain = tokenizer.encode("the king", AddSpecial::Never).unwrap();
    assert_eq!(ids, [&[1], plain.as_slice()].concat());
    let silent = Tokenizer::from_sentencepiece(BPE, None, None).unwrap();
    assert_eq!(silent.encode("the king", AddSpecial::AsFileSays).unwrap(), ids);
    let without = Tokenizer::from_sentencepiece(BPE, Some(&json!({"add_bos_token": false})), None).unwrap();
    assert_eq!(without.encode("the king", AddSpecial::AsFileSays).unwrap(), plain);
    assert!(tokenizer.is_special(1) && tokenizer.piece(1).as_deref() == Some("<s>"));
}

#[test]
fn files_that_are_no_model_are_refused_with_the_cause() {
    let refused = |contents: &[u8], cause: &str| {
        let error = Tokenizer::from_sentencepiece(contents, None, None).err().expect(cause);
        assert!(error.to_string().contains(cause), "{error}");
        error
    };
    refused(b"", "vocabulary is empty");
    // A piece that claims to be longer than any file.
    let endless = refused(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "goes beyond the 0");
    assert!(matches!(endless, TokenizerError::SentencePiece { .. }));
    refused(&[0xff; 20], "more than 64 bits");
    refused(b"version https://example", "wire type");
    refused(&[0x0a, 3, 0x0a, 1, 0xff], "piece 0 is not valid UTF-8");
    // The same piece twice, then a model of words.
    refused(&[0x0a, 3, 0x0a, 1, b'a', 0x0a, 3, 0x0a, 1, b'a'], "tokens 0 and 1 are both `a`");
    refused(&[0x0a, 3, 0x0a, 1, b'a', 0x12, 2, 0x18, 3], "algorithm is number 3");
    // Cut anywhere, a model is refused or a smaller one, and never a panic.
    for length in (0..BPE.len()).step_by(97) {
        let _ = Tokenizer::from_sentencepiece(&BPE[..length], None, None).is_ok();
    }
}
