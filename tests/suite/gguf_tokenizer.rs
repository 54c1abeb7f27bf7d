//! Tokenizers from GGUF metadata against the reference implementation's ids, and metadata that cannot be used.

use std::collections::BTreeMap;

use logitscope::tokenizer::gguf::{GgufVocabulary, kind};
use logitscope::tokenizer::{AddSpecial, Tokenizer, TokenizerError};
use serde_json::Value;

const BYTE_LEVEL: &str = include_str!("../fixtures/tokenizers/byte_level.json");
const SENTENCEPIECE: &str = include_str!("../fixtures/tokenizers/sentencepiece.json");
const EXPECTED: &str = include_str!("../fixtures/tokenizers/expected.json");

/// The metadata that a converter would write for a `tokenizer.json`.
pub fn metadata(json: &str, model: &str, pre: &str) -> GgufVocabulary {
    let file: Value = serde_json::from_str(json).unwrap();
    let pieces = file["model"]["vocab"].as_object().unwrap();
    let mut tokens: Vec<(usize, String)> =
        pieces.iter().map(|(piece, id)| (id.as_u64().unwrap() as usize, piece.clone())).collect();
    let added = file["added_tokens"].as_array().unwrap();
    for token in added {
        let id = token["id"].as_u64().unwrap() as usize;
        if !tokens.iter().any(|(known, _)| *known == id) {
            tokens.push((id, token["content"].as_str().unwrap().to_owned()));
        }
    }
    tokens.sort();
    let text = |pair: &Value| match pair.as_str() {
        Some(pair) => pair.to_owned(),
        None => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    };
    let merges: Vec<String> = file["model"]["merges"].as_array().unwrap().iter().map(text).collect();
    // A piece's score is the rank of the merge that first makes it.
    let made: std::collections::HashMap<String, usize> =
        merges.iter().enumerate().rev().map(|(rank, merge)| (merge.replace(' ', ""), rank)).collect();
    let score = |piece: &String| made.get(piece).map_or(-1e6, |rank| -(*rank as f64));
    let kinds = tokens.iter().map(|(id, piece)| {
        let special = added.iter().find(|token| token["id"] == *id);
        match special {
            Some(token) if token["special"] == true => kind::CONTROL,
            Some(_) => kind::USER_DEFINED,
            None if piece.len() == 6 && piece.starts_with("<0x") => kind::BYTE,
            None => kind::NORMAL,
        }
    });
    GgufVocabulary {
        model: model.to_owned(),
        pre: Some(pre.to_owned()),
        scores: if model == "llama" {
            tokens.iter().map(|(_, piece)| score(piece)).collect()
        } else {
            Vec::new()
        },
        kinds: kinds.collect(),
        merges: if model == "llama" { Vec::new() } else { merges },
        unknown: file["model"]["unk_token"].as_str().and_then(|unknown| pieces[unknown].as_u64()),
        tokens: tokens.into_iter().map(|(_, piece)| piece).collect(),
        ..GgufVocabulary::default()
    }
}

fn byte_level() -> GgufVocabulary {
    metadata(BYTE_LEVEL, "gpt2", "gpt-2")
}

fn sentencepiece() -> GgufVocabulary {
    GgufVocabulary { bos: Some(1), ..metadata(SENTENCEPIECE, "llama", "default") }
}

#[test]
fn ids_and_texts_are_those_of_the_reference() {
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    for (name, metadata) in [("byte_level", byte_level()), ("sentencepiece", sentencepiece())] {
        let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
        for case in expected[name]["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let ids = tokenizer.encode(text, AddSpecial::AsFileSays).unwrap();
            assert_eq!(serde_json::json!(ids), case["ids"], "{name}: {text:?}");
            assert_eq!(tokenizer.decode(&ids), case["decoded"].as_str().unwrap(), "{name}");
        }
    }
}

#[test]
fn pieces_with_a_list_of_merges_give_the_librarys_ids() {
    let vocabulary = GgufVocabulary {
        bos: Some(2),
        // What some files say, wrongly.
        add_bos: Some(false),
        ..metadata(include_str!("../fixtures/tokenizers/pieces.json"), "gemma4", "")
    };
    let tokenizer = Tokenizer::from_gguf(&vocabulary).unwrap();
    let expected: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/tokenizers/pieces_expected.json")).unwrap();
    for case in expected {
        let text = case["text"].as_str().unwrap();
        let ids = tokenizer.encode(text, AddSpecial::AsFileSays).unwrap();
        assert_eq!(serde_json::json!(ids), case["ids"], "{text:?}");
        assert_eq!(tokenizer.decode(&ids), case["decoded"].as_str().unwrap(), "{text:?}");
    }
    let without = GgufVocabulary { merges: Vec::new(), ..vocabulary };
    let error = Tokenizer::from_gguf(&without).err().expect("it has none").to_string();
    assert!(error.contains("no merges"), "{error}");
}

/// The metadata of the vocabulary in `tests/fixtures/merges`, split as `kind` says.
fn of_kind(kind: &str) -> GgufVocabulary {
    let pieces: BTreeMap<String, usize> =
        serde_json::from_str(include_str!("../fixtures/merges/vocab.json")).unwrap();
    let mut tokens: Vec<(usize, String)> = pieces.into_iter().map(|(piece, id)| (id, piece)).collect();
    tokens.sort();
    let control = ["</s>", "<pad>"];
    let merges = include_str!("../fixtures/merges/merges.txt").lines().skip(1);
    GgufVocabulary {
        model: "gpt2".to_owned(),
        pre: Some(kind.to_owned()),
        kinds: tokens
            .iter()
            .map(|(_, piece)| if control.contains(&&**piece) { kind::CONTROL } else { kind::NORMAL })
            .collect(),
        tokens: tokens.into_iter().map(|(_, piece)| piece).collect(),
        merges: merges.map(str::to_owned).collect(),
        ..GgufVocabulary::default()
    }
}

#[test]
fn each_kind_splits_as_its_models_own_tokenizer() {
    let expected: BTreeMap<String, Vec<Value>> =
        serde_json::from_str(include_str!("../fixtures/merges/kinds.json")).unwrap();
    assert!(expected.len() >= 10);
    for (kind, texts) in expected {
        let tokenizer = Tokenizer::from_gguf(&of_kind(&kind)).unwrap();
        for case in texts {
            let text = case["text"].as_str().unwrap();
            let ids = tokenizer.encode(text, AddSpecial::Never).unwrap();
            assert_eq!(serde_json::json!(ids), case["ids"], "{kind}: {text:?}");
        }
    }
}

#[test]
fn a_unigram_vocabulary_gives_the_librarys_ids_and_ends_a_text() {
    let pieces: Value = serde_json::from_str(include_str!("../fixtures/sentencepiece/unigram.json")).unwrap();
    let expected: Value =
        serde_json::from_str(include_str!("../fixtures/sentencepiece/expected.json")).unwrap();
    let numbers = |name: &str| serde_json::from_value::<Vec<f64>>(pieces[name].clone()).unwrap();
    let metadata = GgufVocabulary {
        model: "t5".to_owned(),
        tokens: serde_json::from_value(pieces["tokens"].clone()).unwrap(),
        scores: numbers("scores"),
        kinds: numbers("kinds"),
        unknown: Some(0),
        bos: Some(1),
        eos: Some(2),
        remove_extra_whitespaces: Some(true),
        ..GgufVocabulary::default()
    };
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    for case in expected["unigram"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids = tokenizer.encode(text, AddSpecial::Never).unwrap();
        assert_eq!(serde_json::json!(ids), case["ids"], "{text:?}");
        let ended = tokenizer.encode(text, AddSpecial::AsFileSays).unwrap();
        assert_eq!(ended, [ids.as_slice(), &[2]].concat());
    }
    let silent = GgufVocabulary { add_eos: Some(false), ..metadata };
    let ids = Tokenizer::from_gguf(&silent).unwrap().encode("the king", AddSpecial::AsFileSays).unwrap();
    assert_eq!(ids, tokenizer.encode("the king", AddSpecial::Never).unwrap());
}

#[test]
fn a_space_before_the_first_word_comes_and_goes() {
    let tokenizer = Tokenizer::from_gguf(&sentencepiece()).unwrap();
    let bare = GgufVocabulary { add_space_prefix: Some(false), ..sentencepiece() };
    let bare = Tokenizer::from_gguf(&bare).unwrap();
    let ids = tokenizer.encode("the king", AddSpecial::Never).unwrap();
    assert_eq!(ids, bare.encode(" the king", AddSpecial::Never).unwrap());
    assert_eq!(bare.decode(&ids), " the king");
    assert_eq!(tokenizer.decode(&ids), "the king");
}

#[test]
fn what_cannot_be_reproduced_is_said() {
    let refused = |metadata: GgufVocabulary, cause: &str| match Tokenizer::from_gguf(&metadata) {
        Err(TokenizerError::Unreproducible { reason }) => assert!(reason.contains(cause), "{reason}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken: {cause}"),
    };
    refused(GgufVocabulary { pre: Some("unheard".to_owned()), ..byte_level() }, "`unheard`");
    refused(GgufVocabulary { pre: None, ..byte_level() }, "does not say how a text is split");
    let kind = |kind: &str| GgufVocabulary { pre: Some(kind.to_owned()), ..byte_level() };
    refused(kind("default"), "does not say how a text is split");
    refused(
        kind("superbpe"),
        "`superbpe` (tokenizer.ggml.pre) splits a text by rules that cannot be followed",
    );
    refused(GgufVocabulary { merges: Vec::new(), ..byte_level() }, "no merges");
    refused(GgufVocabulary { model: "bert".to_owned(), ..byte_level() }, "`bert`");
    let flat = vec![-1000.0; sentencepiece().tokens.len()];
    refused(GgufVocabulary { scores: flat, ..sentencepiece() }, "all its token scores are -1000");
    refused(GgufVocabulary { scores: Vec::new(), ..sentencepiece() }, "neither merges nor finite scores");
    // Merges take the place of scores that say nothing.
    let merges = metadata(SENTENCEPIECE, "gpt2", "").merges;
    let helped = GgufVocabulary { scores: Vec::new(), merges, ..sentencepiece() };
    assert!(Tokenizer::from_gguf(&helped).is_ok());
}

#[test]
fn metadata_that_contradicts_itself_is_refused_with_the_cause() {
    let refused = |change: fn(&mut GgufVocabulary), cause: &str| {
        let mut metadata = byte_level();
        change(&mut metadata);
        match Tokenizer::from_gguf(&metadata) {
            Err(TokenizerError::Metadata { reason }) => assert!(reason.contains(cause), "{reason}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("taken: {cause}"),
        }
    };
    refused(|metadata| metadata.tokens.clear(), "vocabulary is empty");
    refused(|metadata| metadata.merges[3] = "no-such piece".to_owned(), "merge 3 names `no-such`");
    refused(|metadata| metadata.merges[3] = "single".to_owned(), "merge 3 `single` is not a pair");
    refused(|metadata| metadata.kinds.truncate(7), "7 elements of token_type");
    refused(|metadata| metadata.scores = vec![0.0], "1 elements of scores");
    // Found by changing files at random: 6 GB for a table that claims to be long.
    refused(|metadata| metadata.precompiled_charsmap = vec![0xff; 40], "shorter than it says");
    refused(|metadata| metadata.precompiled_charsmap = vec![9, 0, 0, 0, 1], "shorter than it says");
}

#[test]
fn tokens_without_a_text_of_their_own_are_ids_with_their_bytes() {
    for plain in [byte_level(), sentencepiece()] {
        let size = plain.tokens.len();
        let mut odd = plain.clone();
        let end = odd.tokens.iter().position(|token| token == "<END>").unwrap();
        // What comes again, empty ones, a part of a character, one with a whole character in it, a special one.
        let more = ["t", "", "", "\u{fffd}", "▁the\u{fffd}", "<END>"];
        odd.tokens.extend(more.map(str::to_owned));
        odd.broken.insert(size + 3, vec![0xe2, 0x82]);
        odd.broken.insert(size + 4, "▁the\u{20ac}".as_bytes()[..8].to_vec());
        odd.kinds.resize(size + more.len(), kind::NORMAL);
        odd.kinds[size + 5] = kind::CONTROL;
        if !odd.scores.is_empty() {
            odd.scores.resize(size + more.len(), -3.0);
        }
        assert!(plain.oddities().is_empty());
        let said = odd.oddities();
        assert!(said.len() == 1 && said[0].starts_with("6 of its tokens"), "{said:?}");

        let (plain, odd) = (Tokenizer::from_gguf(&plain).unwrap(), Tokenizer::from_gguf(&odd).unwrap());
        assert_eq!(odd.vocabulary_size(), size + more.len());
        let [again, empty, _, part, long, special] = [0, 1, 2, 3, 4, 5].map(|place| (size + place) as u32);
        // Of two with one text the last one is it, as in transformers.
        let letter = plain.id("t").unwrap();
        assert_eq!((odd.id("t"), odd.id("<END>")), (Some(again), Some(special)));
        let renamed = |id: u32| match id {
            id if id == letter => again,
            id if id as usize == end => special,
            id => id,
        };
        for text in ["Once upon a time", "the king's x\u{fffd}y ", "t tt <END>t"] {
            let ids = plain.encode(text, AddSpecial::Never).unwrap();
            let ids: Vec<u32> = ids.into_iter().map(renamed).collect();
            assert_eq!(odd.encode(text, AddSpecial::Never).unwrap(), ids, "{text}");
            assert_eq!(odd.decode(&ids), plain.decode(&plain.encode(text, AddSpecial::Never).unwrap()));
        }
        assert_eq!(odd.bytes(letter), b"t");
        assert_eq!((odd.bytes(empty), odd.piece(empty).as_deref()), (Vec::new(), Some("")));
        assert_eq!((odd.bytes(part), odd.piece(part).as_deref()), (vec![0xe2, 0x82], Some("\u{fffd}")));
        assert_eq!(odd.bytes(long), b" the\xe2\x82");
        assert!(odd.is_special(special) && odd.is_special(end as u32) && !odd.is_special(again));
        let euro = odd.encode("\u{20ac}", AddSpecial::Never).unwrap();
        let last = *euro.last().unwrap();
        assert_eq!(odd.decode(&[letter, long, last, empty, letter]), "t the\u{20ac}t");
        assert_eq!(odd.decode(&[letter, part, letter]).chars().next_back(), Some('t'));
    }
}

#[test]
fn special_ids_outside_the_vocabulary_are_none() {
    let far = Some(u64::MAX);
    let tokenizer =
        Tokenizer::from_gguf(&GgufVocabulary { bos: far, eos: far, add_eos: Some(true), ..byte_level() });
    let plain = Tokenizer::from_gguf(&byte_level()).unwrap().encode("the", AddSpecial::Never).unwrap();
    assert_eq!(tokenizer.unwrap().encode("the", AddSpecial::AsFileSays).unwrap(), plain);
    // The piece for unknown characters is told by its kind as well.
    let mut metadata = sentencepiece();
    metadata.kinds[0] = kind::UNKNOWN;
    metadata.kinds.iter_mut().filter(|its| **its == kind::BYTE).for_each(|its| *its = kind::NORMAL);
    let named = Tokenizer::from_gguf(&GgufVocabulary { unknown: Some(0), ..metadata.clone() }).unwrap();
    let told = Tokenizer::from_gguf(&GgufVocabulary { unknown: far, ..metadata }).unwrap();
    let ids = told.encode("日", AddSpecial::Never).unwrap();
    assert_eq!(ids, named.encode("日", AddSpecial::Never).unwrap());
    assert_eq!(ids.last(), Some(&0));
}

#[test]
fn the_name_of_a_byte_in_a_text_is_text() {
    let expected: Value =
        serde_json::from_str(include_str!("../fixtures/sentencepiece/expected.json")).unwrap();
    let metadata = GgufVocabulary { remove_extra_whitespaces: Some(false), ..of_model() };
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    for case in expected["bytes"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids = tokenizer.encode(text, AddSpecial::Never).unwrap();
        assert_eq!(serde_json::json!(ids), case["ids"], "{text:?}");
    }
}

/// The pieces of `tests/fixtures/sentencepiece/bytes.model` as a converter writes them.
fn of_model() -> GgufVocabulary {
    let pieces: Value = serde_json::from_str(include_str!("../fixtures/sentencepiece/bytes.json")).unwrap();
    let numbers = |name: &str| serde_json::from_value::<Vec<f64>>(pieces[name].clone()).unwrap();
    GgufVocabulary {
        model: "t5".to_owned(),
        tokens: serde_json::from_value(pieces["tokens"].clone()).unwrap(),
        scores: numbers("scores"),
        kinds: numbers("kinds"),
        unknown: Some(0),
        ..GgufVocabulary::default()
    }
}
