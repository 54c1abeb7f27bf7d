//! Tokenizers against the reference implementation, and text that streams one id at a time.

use std::fs;
use std::path::Path;

use logitscope::formats::{self, TokenizerFiles, Vocabulary};
use logitscope::tokenizer::{AddSpecial, Detokenised, Detokeniser, Tokenizer, TokenizerError};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const BYTE_LEVEL: &str = include_str!("../fixtures/tokenizers/byte_level.json");
const SENTENCEPIECE: &str = include_str!("../fixtures/tokenizers/sentencepiece.json");

/// See `tests/fixtures/tokenizers/make.py`.
#[derive(Deserialize)]
struct Expected {
    byte_level: Decodings,
    sentencepiece: Decodings,
}

#[derive(Deserialize)]
struct Decodings {
    texts: Vec<TextCase>,
    arbitrary: Vec<IdCase>,
}

#[derive(Deserialize)]
struct TextCase {
    text: String,
    ids: Vec<u32>,
    ids_without_special: Vec<u32>,
    pieces: Vec<String>,
    decoded: String,
}

#[derive(Deserialize)]
struct IdCase {
    ids: Vec<u32>,
    decoded: String,
}

fn open(json: &str) -> Tokenizer {
    Tokenizer::from_json(json.as_bytes(), None).unwrap()
}

/// Both fixtures, each with what the reference implementation gives.
fn fixtures() -> [(Tokenizer, Decodings); 2] {
    let expected: Expected =
        serde_json::from_str(include_str!("../fixtures/tokenizers/expected.json")).unwrap();
    [(open(BYTE_LEVEL), expected.byte_level), (open(SENTENCEPIECE), expected.sentencepiece)]
}

/// The texts of all pushes, with what is still held at the end written as the tokenizer would.
fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut detokeniser = Detokeniser::default();
    let mut text: String = ids.iter().map(|&id| detokeniser.push(tokenizer, id).text).collect();
    text.push_str(&detokeniser.finish(tokenizer));
    text
}

#[test]
fn ids_pieces_and_texts_are_those_of_the_reference() {
    for (tokenizer, expected) in fixtures() {
        for case in &expected.texts {
            assert_eq!(
                tokenizer.encode(&case.text, AddSpecial::AsFileSays).unwrap(),
                case.ids,
                "{:?}",
                case.text
            );
            assert_eq!(tokenizer.encode(&case.text, AddSpecial::Never).unwrap(), case.ids_without_special);
            let pieces: Vec<_> = case.ids.iter().map(|&id| tokenizer.piece(id).unwrap()).collect();
            assert_eq!(pieces, case.pieces);
            assert_eq!(tokenizer.decode(&case.ids), case.decoded);
        }
        for case in &expected.arbitrary {
            assert_eq!(tokenizer.decode(&case.ids), case.decoded);
        }
    }
}

#[test]
fn streamed_text_is_the_decoded_text() {
    for (tokenizer, expected) in fixtures() {
        for case in &expected.texts {
            assert_eq!(streamed(&tokenizer, &case.ids), case.decoded, "{:?}", case.text);
        }
    }
    // Byte-level: true of any ids. With byte fallback it holds as long as no whole character stands
    // in the same run of bytes as a broken one.
    let [(byte_level, expected), _] = fixtures();
    for case in &expected.arbitrary {
        assert_eq!(streamed(&byte_level, &case.ids), case.decoded, "{:?}", case.ids);
    }
}

#[test]
fn bytes_are_held_until_the_character_is_whole() {
    for (tokenizer, _) in fixtures() {
        let prefix = tokenizer.encode("x", AddSpecial::Never).unwrap();
        let ids = tokenizer.encode("x😀", AddSpecial::Never).unwrap();
        let mut detokeniser = Detokeniser::after(&tokenizer, &prefix);
        let pushes: Vec<_> = ids[prefix.len()..].iter().map(|&id| detokeniser.push(&tokenizer, id)).collect();
        let held = |bytes: &[u8]| Detokenised { text: String::new(), held: bytes.to_vec() };
        assert_eq!(
            pushes,
            [
                held(b"\xf0"),
                held(b"\xf0\x9f"),
                held(b"\xf0\x9f\x98"),
                Detokenised { text: "😀".to_owned(), held: Vec::new() }
            ]
        );
    }
}

#[test]
fn broken_bytes_become_replacement_characters_as_soon_as_they_are_hopeless() {
    for (tokenizer, _) in fixtures() {
        let bytes = tokenizer.encode("😀", AddSpecial::Never).unwrap();
        let bytes = &bytes[bytes.len() - 4..];
        let letter = tokenizer.id("t").unwrap();
        let special = tokenizer.id("<END>").unwrap();
        let mut detokeniser = Detokeniser::after(&tokenizer, &[letter]);
        assert_eq!(detokeniser.push(&tokenizer, bytes[0]).text, "");
        assert_eq!(detokeniser.push(&tokenizer, bytes[1]).held, b"\xf0\x9f");
        // A special token has no text and does not end a character.
        assert_eq!(
            detokeniser.push(&tokenizer, special),
            Detokenised { text: String::new(), held: b"\xf0\x9f".to_vec() }
        );
        let pushed = detokeniser.push(&tokenizer, letter);
        assert_eq!(pushed.text, tokenizer.decode(&[letter, bytes[0], bytes[1], letter])[1..]);
        assert!(pushed.text.starts_with('\u{fffd}') && pushed.text.ends_with('t') && pushed.held.is_empty());
        // A continuation byte can never begin a character.
        assert_eq!(detokeniser.push(&tokenizer, bytes[2]).text, "\u{fffd}");
    }
}

#[test]
fn a_generated_text_goes_on_where_its_prompt_ends() {
    for (tokenizer, _) in fixtures() {
        let prompt = tokenizer.encode("Once upon a", AddSpecial::AsFileSays).unwrap();
        let all = tokenizer.encode("Once upon a time", AddSpecial::AsFileSays).unwrap();
        assert_eq!(all[..prompt.len()], prompt);
        let mut detokeniser = Detokeniser::after(&tokenizer, &prompt);
        let text: String =
            all[prompt.len()..].iter().map(|&id| detokeniser.push(&tokenizer, id).text).collect();
        assert_eq!(text, " time");
        // At the very start of a text the decoder's own rule holds.
        let time = tokenizer.encode(" time", AddSpecial::Never).unwrap();
        assert_eq!(streamed(&tokenizer, &time), tokenizer.decode(&time));
    }
}

#[test]
fn unknown_and_special_ids_have_no_text() {
    for (tokenizer, _) in fixtures() {
        let special = tokenizer.id("<END>").unwrap();
        assert!(tokenizer.is_special(special));
        assert_eq!(tokenizer.piece(special).as_deref(), Some("<END>"));
        assert_eq!(tokenizer.bytes(special), b"");
        let beyond = tokenizer.vocabulary_size() as u32;
        assert_eq!((tokenizer.piece(beyond), tokenizer.piece(u32::MAX)), (None, None));
        assert!(tokenizer.piece(beyond - 1).is_some() && !tokenizer.is_special(beyond));
        assert_eq!(tokenizer.decode(&[beyond, special, u32::MAX]), "");
        assert_eq!(streamed(&tokenizer, &[beyond, special, u32::MAX]), "");
    }
}

#[test]
fn bytes_of_a_token_are_those_it_has_in_the_middle_of_a_text() {
    let [(byte_level, _), (sentencepiece, _)] = fixtures();
    assert_eq!(byte_level.bytes(byte_level.id("Ġtime").unwrap()), b" time");
    assert_eq!(byte_level.bytes(byte_level.id("Ã").unwrap()), b"\xc3");
    assert_eq!(
        sentencepiece.bytes(sentencepiece.id("▁the").or(sentencepiece.id("▁▁the")).unwrap()),
        b"  the"
    );
    assert_eq!(sentencepiece.bytes(sentencepiece.id("<0xC3>").unwrap()), b"\xc3");
    assert_eq!(sentencepiece.bytes(sentencepiece.id("<0x0A>").unwrap()), b"\n");
}

#[test]
fn bytes_of_a_split_character_are_no_letters_in_a_readable_piece() {
    let [(byte_level, _), (sentencepiece, _)] = fixtures();
    let readable =
        |tokenizer: &Tokenizer, piece: &str| tokenizer.readable_piece(tokenizer.id(piece).unwrap()).unwrap();
    // In the byte-level alphabet these letters stand for bytes that begin or end a character.
    for (piece, bytes) in [("Ã", "<0xC3>"), ("¸", "<0xB8>"), ("ä", "<0xE4>"), ("Ġ", "Ġ"), ("Ġtime", "Ġtime")]
    {
        assert_eq!(readable(&byte_level, piece), bytes);
    }
    assert_eq!(readable(&sentencepiece, "<0xC3>"), "<0xC3>");
}

/// A fixture's file with parts of it replaced.
fn changed(json: &str, change: impl FnOnce(&mut Value)) -> Result<Tokenizer, TokenizerError> {
    let mut value: Value = serde_json::from_str(json).unwrap();
    change(&mut value);
    Tokenizer::from_json(value.to_string().as_bytes(), None)
}

#[test]
fn truncation_and_padding_of_the_file_are_off() {
    let cut = changed(BYTE_LEVEL, |file| {
        file["truncation"] =
            json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
        file["padding"] = json!({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<END>"});
    });
    let text = "Once upon a time there was a king";
    assert_eq!(
        cut.unwrap().encode(text, AddSpecial::AsFileSays).unwrap(),
        open(BYTE_LEVEL).encode(text, AddSpecial::AsFileSays).unwrap()
    );
}

#[test]
fn a_missing_decoder_is_derived_from_how_the_text_was_split() {
    let text = "Once  upon a café 😀\n";
    for json in [BYTE_LEVEL, SENTENCEPIECE] {
        let bare = changed(json, |file| file["decoder"] = Value::Null).unwrap();
        let ids = bare.encode(text, AddSpecial::AsFileSays).unwrap();
        assert_eq!(bare.decode(&ids), text);
        assert_eq!(streamed(&bare, &ids), text);
    }
}

#[test]
fn decoders_of_other_kinds_stream_as_they_decode() {
    let metaspace =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    let kinds = [
        json!({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, metaspace]}),
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true}),
        json!({"type": "WordPiece", "prefix": "##", "cleanup": false}),
    ];
    for kind in kinds {
        let other = changed(SENTENCEPIECE, |file| file["decoder"] = kind.clone()).unwrap();
        let ids = other.encode("Once upon a  time it was the king", AddSpecial::Never).unwrap();
        assert_eq!(streamed(&other, &ids), other.decode(&ids), "{kind}");
    }
    // The first BPE vocabularies mark ends of words instead of beginnings.
    let model = json!({"type": "WordLevel", "unk_token": "?", "vocab": {"o": 0, "nce</w>": 1, "upon</w>": 2, "?": 3}});
    let suffixed =
        json!({"version": "1.0", "decoder": {"type": "BPEDecoder", "suffix": "</w>"}, "model": model})
            .to_string();
    assert_eq!(open(&suffixed).decode(&[0, 1, 2, 0, 1]), "once upon once");
    assert_eq!(streamed(&open(&suffixed), &[0, 1, 2, 0, 1]), "once upon once");
}

/// See `tests/fixtures/tokenizers/make_beside.py`.
#[derive(Deserialize)]
struct Beside {
    folders: Vec<FolderCase>,
}

#[derive(Deserialize)]
struct FolderCase {
    name: String,
    files: Map<String, Value>,
    plain: Map<String, Value>,
    added: Vec<Value>,
    post_processor: Value,
    special: Vec<u32>,
    texts: Vec<BesideText>,
}

#[derive(Deserialize)]
struct BesideText {
    text: String,
    ids: Vec<u32>,
    ids_without_special: Vec<u32>,
}

/// The tokenizer of a folder with a `tokenizer.json`, by the same way on which a model is loaded.
fn of_folder(case: &FolderCase) -> Tokenizer {
    let mut json: Value = serde_json::from_str(BYTE_LEVEL).unwrap();
    json["model"]["vocab"].as_object_mut().unwrap().extend(case.plain.clone());
    json["added_tokens"].as_array_mut().unwrap().extend(case.added.clone());
    json["post_processor"] = case.post_processor.clone();
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/families/gpt2-f32");
    for name in ["model.safetensors", "config.json"] {
        fs::copy(source.join(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
    for (name, contents) in &case.files {
        fs::write(folder.path().join(name), contents.to_string()).unwrap();
    }
    let Some(TokenizerFiles::Folder { vocabulary, tokenizer_config, added_tokens, .. }) =
        formats::open(folder.path()).unwrap().tokenizer
    else {
        panic!("{}: no tokenizer", case.name);
    };
    let Vocabulary::TokenizerJson(contents) = &vocabulary else { panic!("{vocabulary:?}") };
    Tokenizer::from_json_and_tokens(contents, tokenizer_config.as_ref(), added_tokens.as_ref()).unwrap()
}

#[test]
fn tokens_named_beside_the_file_are_those_of_transformers_and_flags_add_none_around_a_text() {
    let expected: Beside = serde_json::from_str(include_str!("../fixtures/tokenizers/beside.json")).unwrap();
    assert!(expected.folders.len() >= 30);
    for case in &expected.folders {
        let (tokenizer, name) = (of_folder(case), &case.name);
        for BesideText { text, ids, ids_without_special } in &case.texts {
            assert_eq!(&tokenizer.encode(text, AddSpecial::AsFileSays).unwrap(), ids, "{name}: {text:?}");
            let plain = tokenizer.encode(text, AddSpecial::Never).unwrap();
            assert_eq!(&plain, ids_without_special, "{name}: {text:?}");
        }
        let special: Vec<u32> =
            (0..tokenizer.vocabulary_size() as u32).filter(|&id| tokenizer.is_special(id)).collect();
        assert_eq!(special, case.special, "{name}");
    }
}

#[test]
fn lists_of_tokens_that_are_broken_are_refused_with_the_cause() {
    let refused = |config: Option<Value>, added: Option<Value>, cause: &str| {
        let made = Tokenizer::from_json_and_tokens(BYTE_LEVEL.as_bytes(), config.as_ref(), added.as_ref());
        let error = made.err().expect(cause).to_string();
        assert!(error.contains(cause), "{error}");
    };
    refused(
        Some(json!({"added_tokens_decoder": {"nine": {"content": "<x>"}}})),
        None,
        "without id or content",
    );
    refused(None, Some(json!(["<x>"])), "added_tokens.json is not an object");
    refused(None, Some(json!({"<x>": -1})), "no id for `<x>`");
    // What is no token is no name of one.
    let odd =
        json!({"eos_token": 7, "pad_token": null, "extra_special_tokens": [3, "", null], "mask_token": {}});
    let tokenizer = Tokenizer::from_json(BYTE_LEVEL.as_bytes(), Some(&odd)).unwrap();
    assert_eq!(tokenizer.vocabulary_size(), open(BYTE_LEVEL).vocabulary_size());
}

#[test]
fn malformed_files_are_refused_with_the_cause() {
    let refused = |json: &[u8], cause: &str| {
        let error = Tokenizer::from_json(json, None).err().map(|error| error.to_string());
        let error = error.unwrap_or_else(|| panic!("taken: {:?}", String::from_utf8_lossy(json)));
        assert!(error.starts_with("the tokenizer file cannot be used (") && error.contains(cause), "{error}");
    };
    refused(b"", "it is empty");
    refused(br#"{"model": "#, "it ends in the middle");
    refused(b"\xff\xfe", "line 1");
    refused(b"[]", "");
    refused(b"{}", "");
    refused(&BYTE_LEVEL.as_bytes()[..BYTE_LEVEL.len() / 2], "cut short");
    refused(br#"{"version": "9.0"}"#, "version");
    refused(
        br#"{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}"#,
        "vocabulary is empty",
    );
    let broken = |change: fn(&mut Value)| changed(BYTE_LEVEL, change).err().map(|e| e.to_string());
    assert!(broken(|f| f["model"]["merges"] = json!([["q", "no such piece"]])).is_some());
    assert!(broken(|f| f["pre_tokenizer"] = json!({"type": "Unheard"})).is_some());
    assert!(
        broken(|f| f["pre_tokenizer"] =
            json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}))
        .is_some()
    );
}

proptest! {
    #[test]
    fn any_text_survives_the_round_trip(text in "\\PC{0,40}") {
        for (tokenizer, _) in fixtures() {
            let ids = tokenizer.encode(&text, AddSpecial::Never).unwrap();
            prop_assert_eq!(&tokenizer.decode(&ids), &text);
            prop_assert_eq!(&streamed(&tokenizer, &ids), &text);
        }
    }

    #[test]
    fn any_ids_of_a_byte_level_vocabulary_stream_as_they_decode(ids in prop::collection::vec(0u32..330, 0..60)) {
        let tokenizer = open(BYTE_LEVEL);
        prop_assert_eq!(streamed(&tokenizer, &ids), tokenizer.decode(&ids));
    }

    #[test]
    fn what_is_held_is_always_the_beginning_of_a_character(ids in prop::collection::vec(0u32..410, 0..60)) {
        for (tokenizer, _) in fixtures() {
            let mut detokeniser = Detokeniser::default();
            for &id in &ids {
                let held = detokeniser.push(&tokenizer, id).held;
                prop_assert!(held.len() < 4);
                if let Err(error) = std::str::from_utf8(&held) {
                    prop_assert_eq!((error.valid_up_to(), error.error_len()), (0, None));
                } else {
                    prop_assert!(held.is_empty());
                }
            }
        }
    }
}
