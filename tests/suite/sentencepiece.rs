//! SentencePiece models against that library's own ids, and files that are none.

use logitscope::tokenizer::{AddSpecial, Tokenizer, TokenizerError};
use serde_json::{Value, json};

const BPE: &[u8] = include_bytes!("../fixtures/sentencepiece/bpe.model");
const UNIGRAM: &[u8] = include_bytes!("../fixtures/sentencepiece/unigram.model");
const MAPPED: &[u8] = include_bytes!("../fixtures/sentencepiece/mapped.model");

#[test]
fn ids_and_texts_are_those_of_the_library() {
    let expected: Value =
        serde_json::from_str(include_str!("../fixtures/sentencepiece/expected.json")).unwrap();
    for (name, contents) in [("bpe", BPE), ("unigram", UNIGRAM), ("mapped", MAPPED)] {
        let tokenizer = Tokenizer::from_sentencepiece(contents, None, None).unwrap();
        for case in expected[name].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let ids = tokenizer.encode(text, AddSpecial::Never).unwrap();
            assert_eq!(json!(ids), case["ids"], "{name}: {text:?}");
            if name == "bpe" {
                assert_eq!(tokenizer.decode(&ids), case["decoded"].as_str().unwrap(), "{name}");
            }
        }
    }
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
    refused(&[0x0a, 3, 0x0a, 1, 0xff], "piece 0 is no valid UTF-8");
    // The same piece twice, then a model of words.
    refused(&[0x0a, 3, 0x0a, 1, b'a', 0x0a, 3, 0x0a, 1, b'a'], "tokens 0 and 1 are both `a`");
    refused(&[0x0a, 3, 0x0a, 1, b'a', 0x12, 2, 0x18, 3], "algorithm is number 3");
    // Cut anywhere, a model is refused or a smaller one, and never a panic.
    for length in (0..BPE.len()).step_by(97) {
        let _ = Tokenizer::from_sentencepiece(&BPE[..length], None, None).is_ok();
    }
}
