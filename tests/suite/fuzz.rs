//! Files changed at random, endlessly if wanted: whatever they say, the answer is a model or one error, and soon.
//!
//! Each case follows from a target and a number alone. The suite runs the first few hundred of each target; a longer
//! run takes `FUZZ_SECONDS` for each target, begins at case `FUZZ_FIRST`, and is best given a limit of memory, so
//! that a huge allocation fails too:
//!
//! `ulimit -v 6000000; FUZZ_SECONDS=600 cargo test --release --test suite fuzz -- --nocapture --test-threads 1`

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use logitscope::gpu::{self, AdapterInfo};
use logitscope::session::{LoadRequest, ModelCard, ModelSource, Opened, WeightsChoice};
use logitscope::tokenizer::chat::Conversation;
use logitscope::tokenizer::gguf::{GgufVocabulary, kind};
use logitscope::tokenizer::merges::MergesFiles;
use logitscope::tokenizer::{AddSpecial, Detokeniser, Tokenizer};
use serde_json::{Value, json};

use super::formats::fixture;
use super::gguf::{string, tiny_with};
use super::gguf_tokenizer::metadata;

/// Longest that one case may take; a machine under load is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// Choices that follow from a seed alone (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn new(case: u64) -> Self {
        Self(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// From 0 to `end`, which is left out; 0 where that is all.
    fn below(&mut self, end: usize) -> usize {
        self.number() as usize % end.max(1)
    }

    fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// True in one of `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Numbers at which programs break.
const EDGES: [u64; 20] = [
    0,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    33,
    127,
    255,
    256,
    65_535,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    i64::MAX as u64,
    u64::MAX,
];

/// Wrong bytes, numbers, lengths and order in the first `reach` bytes.
fn spoil_bytes(bytes: &mut Vec<u8>, reach: usize, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let reach = reach.min(bytes.len());
        let at = dice.below(reach);
        let length = dice.below(32).min(reach - at);
        match dice.below(8) {
            0 | 1 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte = dice.number() as u8),
            2 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            3 | 4 => {
                let number = dice.choose(&EDGES).wrapping_add(u64::from(dice.once_in(4))).to_le_bytes();
                let width = *dice.choose(&[1, 2, 4, 8]);
                bytes[at..].iter_mut().zip(&number[..width]).for_each(|(byte, new)| *byte = *new);
            }
            5 => drop(bytes.drain(at..at + length)),
            6 => {
                let piece = bytes[at..at + length].to_vec();
                let target = dice.below(reach);
                bytes.splice(target..target, piece);
            }
            _ if dice.once_in(4) => bytes.truncate(at),
            _ => {}
        }
    }
}

/// A value of any kind, most often an odd one.
fn odd_value(dice: &mut Dice) -> Value {
    match dice.below(14) {
        0 => Value::Null,
        1 => json!(dice.once_in(2)),
        2 | 3 => json!(dice.choose(&EDGES)),
        4 => json!(-(*dice.choose(&EDGES) as i64 >> 1)),
        5 => json!(*dice.choose(&[0.5, -0.0, 1e-300, 1e300, 1e38, -1.5, 3e9])),
        6 => json!(dice.below(200)),
        7 => json!(""),
        8 => json!("\u{10ffff}\u{0}é日▁Ġ "),
        9 => json!("<0xFF>"),
        10 => json!("x".repeat(dice.below(5000))),
        11 => json!([]),
        12 => json!({}),
        _ => json!([dice.below(9), "a", null, {"content": "b"}]),
    }
}

/// Steps from the top of a value to one inside, taken at random.
fn descend<'a>(value: &'a mut Value, dice: &mut Dice) -> &'a mut Value {
    if dice.once_in(5) {
        return value;
    }
    let length = match value {
        Value::Object(map) => map.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if length == 0 {
        return value;
    }
    let index = dice.below(length);
    let inner = match value {
        Value::Object(map) => map.iter_mut().nth(index).map(|(_, value)| value),
        Value::Array(items) => items.get_mut(index),
        _ => None,
    };
    descend(inner.expect("it has so many"), dice)
}

/// Wrong values, missing, repeated and swapped ones in a document.
fn spoil_json(document: &mut Value, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let copied = descend(document, dice).clone();
        let place = descend(document, dice);
        match (dice.below(6), place) {
            (0, Value::Object(map)) if !map.is_empty() => {
                let name = map.keys().nth(dice.below(map.len())).cloned().expect("it has so many");
                map.remove(&name);
            }
            (1, Value::Object(map)) if !map.is_empty() => {
                let name = map.keys().nth(dice.below(map.len())).cloned().expect("it has so many");
                map.insert(name, odd_value(dice));
            }
            (0, Value::Array(items)) if !items.is_empty() => drop(items.remove(dice.below(items.len()))),
            (1, Value::Array(items)) => items.push(copied),
            (2, Value::Array(items)) if items.len() > 1 => {
                let (first, second) = (dice.below(items.len()), dice.below(items.len()));
                items.swap(first, second);
            }
            (2 | 3, Value::Number(number)) => {
                let whole = number.as_i64().unwrap_or(1);
                *number = match dice.below(5) {
                    0 => whole.wrapping_add(1),
                    1 => whole.wrapping_sub(1),
                    2 => whole.wrapping_mul(2),
                    3 => whole.wrapping_neg(),
                    _ => whole / 2,
                }
                .into();
            }
            (2 | 3, Value::String(text)) => {
                let cut: String = text.chars().take(dice.below(text.len() + 1)).collect();
                *text = cut + *dice.choose::<&str>(&["", "a", "é", " ", "\\", "(", "[", "*"]);
            }
            (4, place) => *place = copied,
            (_, place) => *place = odd_value(dice),
        }
    }
}

/// Runs the cases of a target: some hundreds, or for as long as asked.
fn fuzz(target: &str, cases: u64, mut run: impl FnMut(&mut Dice)) {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (begin, seconds, first) = (Instant::now(), asked("FUZZ_SECONDS"), asked("FUZZ_FIRST").unwrap_or(0));
    let goes_on = |case: u64| match seconds {
        Some(seconds) => begin.elapsed() < Duration::from_secs(seconds),
        None => case < first + cases,
    };
    let mut failures = Vec::new();
    let mut case = first;
    while goes_on(case) && failures.len() < 10 {
        let start = Instant::now();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&mut Dice::new(case)))) {
            failures.push(format!("FUZZ_FIRST={case}: {}", words(&*panic)));
        }
        let took = start.elapsed();
        if took > PATIENCE {
            failures.push(format!("FUZZ_FIRST={case}: it took {took:?}"));
        }
        case += 1;
    }
    if seconds.is_some() {
        println!("{target}: cases {first} to {case}");
    }
    assert!(failures.is_empty(), "{target}: {failures:#?}");
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// The adapter that models are compared with, looked for once.
fn adapter() -> &'static AdapterInfo {
    static ADAPTER: OnceLock<AdapterInfo> = OnceLock::new();
    ADAPTER.get_or_init(|| gpu::find(None).expect("an adapter"))
}

/// Does with a path all that the program does before a model goes to a GPU.
fn open(path: &Path) {
    let source = ModelSource::Path(path.to_owned());
    let request = LoadRequest::of(source.clone());
    if let Ok(card) = ModelCard::beside(&request, Ok(adapter().clone())) {
        assert!(serde_json::to_string(&card).is_ok());
    }
    match Opened::open(&source, None, WeightsChoice::Original) {
        Err(error) => assert!(!error.to_string().contains('\n'), "one line: {error}"),
        Ok(opened) => {
            for (index, info) in opened.file.weights.tensors().iter().enumerate() {
                let bytes = opened.file.weights.read(index, 0..info.rows).unwrap();
                assert_eq!(bytes.len(), info.rows * info.row_bytes());
            }
            assert!(opened.facts().layers > 0);
            if let Some(tokenizer) = &opened.tokenizer {
                use_tokenizer(tokenizer);
            }
        }
    }
}

/// Turns texts into ids and ids into text.
fn use_tokenizer(tokenizer: &Tokenizer) {
    for text in ["Once upon a  time", " 12345\n\n\té 日本 😀<END>", ""] {
        if let Ok(ids) = tokenizer.encode(text, AddSpecial::AsFileSays) {
            let _ = tokenizer.decode(&ids);
            let _ = Detokeniser::after(tokenizer, &ids).finish(tokenizer);
        }
    }
    let _ = tokenizer.encode_chat(&Conversation::asking("Why?"));
    for id in (0..40).chain([256, 319, 320, 1 << 20, u32::MAX]) {
        let _ = (tokenizer.piece(id), tokenizer.bytes(id), tokenizer.is_special(id));
    }
}

/// A fixture's folder of which files can be replaced.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(fixture(name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        Self(folder)
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.0.path().join(file)).unwrap()
    }

    fn json(&self, file: &str) -> Value {
        logitscope::formats::json::read(&self.read(file)).unwrap()
    }

    fn write(&self, file: &str, contents: impl AsRef<[u8]>) {
        // Through another file, so that a map of the old contents stays whole.
        let fresh = self.0.path().join("fresh");
        fs::write(&fresh, contents).unwrap();
        fs::rename(fresh, self.0.path().join(file)).unwrap();
    }
}

#[test]
fn any_safetensors_file_opens_or_is_refused() {
    let copies = ["llama-bare-names", "gpt2-bare-names", "phi3"].map(Copy::of);
    let originals: Vec<Vec<u8>> = copies.iter().map(|copy| copy.read("model.safetensors")).collect();
    fuzz("safetensors", 600, |dice| {
        let which = dice.below(copies.len());
        let original = &originals[which];
        let head = 8 + u64::from_le_bytes(original[..8].try_into().unwrap()) as usize;
        let spoiled = if dice.once_in(2) {
            let mut bytes = original.clone();
            spoil_bytes(&mut bytes, head, dice);
            bytes
        } else {
            let mut header: Value = serde_json::from_slice(&original[8..head]).unwrap();
            spoil_json(&mut header, dice);
            let header = header.to_string();
            [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &original[head..]].concat()
        };
        copies[which].write("model.safetensors", spoiled);
        open(copies[which].0.path());
    });
}

#[test]
fn any_config_opens_or_is_refused() {
    let mut names: Vec<String> = fs::read_dir(fixture(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| fixture(name).join("config.json").is_file())
        .collect();
    names.sort();
    let copies: Vec<(Copy, Value)> = names
        .iter()
        .map(|name| {
            let copy = Copy::of(name);
            let config = copy.json("config.json");
            (copy, config)
        })
        .collect();
    fuzz("config", 1500, |dice| {
        let (copy, original) = dice.choose(&copies);
        let mut config = original.clone();
        spoil_json(&mut config, dice);
        copy.write("config.json", config.to_string());
        open(copy.0.path());
    });
}

/// The GGUF fixture with a tokenizer in its metadata, and the length of what stands before its data.
fn gguf() -> (Vec<u8>, usize) {
    // As many tokens as the fixture has rows.
    let merges = ["a n", "i n", "Ġ a", "t h"].map(str::to_owned);
    let letters = ('a'..='z').chain(['Ġ']).map(String::from);
    let mut tokens: Vec<String> = letters.chain(merges.iter().map(|merge| merge.replace(' ', ""))).collect();
    tokens.push("<e>".to_owned());
    let kinds = (0..tokens.len()).map(|id| if id == 31 { kind::CONTROL } else { kind::NORMAL });
    let text = |key: &str, text: &str| [string(key), 8_u32.to_le_bytes().to_vec(), string(text)].concat();
    let list = |key: &str, kind: u32, count: usize, items: Vec<u8>| {
        let head = [&9_u32.to_le_bytes()[..], &kind.to_le_bytes(), &(count as u64).to_le_bytes()].concat();
        [string(key), head, items].concat()
    };
    let strings = |key: &str, items: &[String]| {
        list(key, 8, items.len(), items.iter().flat_map(|item| string(item)).collect())
    };
    let kinds = kinds.flat_map(|kind| (kind as i32).to_le_bytes()).collect();
    tiny_with(vec![
        text("tokenizer.ggml.model", "gpt2"),
        text("tokenizer.ggml.pre", "gpt-2"),
        strings("tokenizer.ggml.tokens", &tokens),
        strings("tokenizer.ggml.merges", &merges),
        list("tokenizer.ggml.token_type", 5, tokens.len(), kinds),
        text("tokenizer.chat_template", "{{ messages[0].content }}"),
    ])
}

#[test]
fn any_gguf_file_opens_or_is_refused() {
    let (original, head) = gguf();
    let folder = tempfile::tempdir().unwrap();
    let copy = Copy(folder);
    copy.write("model.gguf", &original);
    let source = ModelSource::Path(copy.0.path().join("model.gguf"));
    let opened = Opened::open(&source, None, WeightsChoice::Original).unwrap();
    assert!(opened.tokenizer.is_some(), "{:?}", opened.file.warnings);
    fuzz("gguf", 1000, |dice| {
        let mut bytes = original.clone();
        spoil_bytes(&mut bytes, head, dice);
        copy.write("model.gguf", bytes);
        open(&copy.0.path().join("model.gguf"));
    });
}

/// A file that a tokenizer can be made of, spoiled.
fn spoiled_json(original: &Value, dice: &mut Dice) -> Value {
    let mut spoiled = original.clone();
    spoil_json(&mut spoiled, dice);
    spoiled
}

#[test]
fn any_tokenizer_file_is_used_or_refused() {
    let read = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    let originals = [
        read(include_str!("../fixtures/tokenizers/byte_level.json")),
        read(include_str!("../fixtures/tokenizers/sentencepiece.json")),
    ];
    let config = json!({
        "add_bos_token": true, "bos_token": "<END>", "eos_token": {"content": "<END>", "special": true},
        "added_tokens_decoder": {"5": {"content": "<END>", "special": true, "lstrip": true}, "9": {"content": "é"}},
    });
    fuzz("tokenizer.json", 500, |dice| {
        let tokenizer = spoiled_json(dice.choose(&originals), dice).to_string();
        let config = spoiled_json(&config, dice);
        if let Ok(tokenizer) = Tokenizer::from_json(tokenizer.as_bytes(), Some(&config)) {
            use_tokenizer(&tokenizer);
        }
    });
}

#[test]
fn any_sentencepiece_model_is_used_or_refused() {
    let originals: [&[u8]; 3] = [
        include_bytes!("../fixtures/sentencepiece/bpe.model"),
        include_bytes!("../fixtures/sentencepiece/unigram.model"),
        include_bytes!("../fixtures/sentencepiece/mapped.model"),
    ];
    fuzz("tokenizer.model", 500, |dice| {
        let mut bytes = dice.choose(&originals).to_vec();
        let reach = bytes.len();
        spoil_bytes(&mut bytes, reach, dice);
        if let Ok(tokenizer) = Tokenizer::from_sentencepiece(&bytes, None, None) {
            use_tokenizer(&tokenizer);
        }
    });
}

#[test]
fn any_vocabulary_with_merges_is_used_or_refused() {
    let pieces: Value = serde_json::from_str(include_str!("../fixtures/merges/vocab.json")).unwrap();
    let merges = include_bytes!("../fixtures/merges/merges.txt");
    let added = json!({"<new>": 534, "<mask>": 535});
    let config = json!({"add_bos_token": true, "bos_token": "<new>", "extra_special_tokens": ["<mask>"],
        "add_prefix_space": true, "tokenizer_class": "GPT2Tokenizer"});
    fuzz("merges", 500, |dice| {
        let mut spoiled_merges = merges.to_vec();
        if dice.once_in(2) {
            spoil_bytes(&mut spoiled_merges, merges.len(), dice);
        }
        let pieces = if dice.once_in(2) { spoiled_json(&pieces, dice) } else { pieces.clone() }.to_string();
        let added = spoiled_json(&added, dice);
        let config = spoiled_json(&config, dice);
        let files = MergesFiles {
            vocabulary: pieces.as_bytes(),
            merges: &spoiled_merges,
            added_tokens: Some(&added),
            config: Some(&config),
            stated_class: None,
            family_class: Some(*dice.choose(&["GPT2Tokenizer", "Qwen2Tokenizer"])),
        };
        let _ = files.special_tokens();
        if let Ok(tokenizer) = Tokenizer::from_merges(files) {
            use_tokenizer(&tokenizer);
        }
    });
}

#[test]
fn any_gguf_vocabulary_is_used_or_refused() {
    let byte_level = include_str!("../fixtures/tokenizers/byte_level.json");
    let sentencepiece = include_str!("../fixtures/tokenizers/sentencepiece.json");
    let unigram = GgufVocabulary { unknown: Some(0), ..metadata(sentencepiece, "llama", "default") };
    let originals = [
        metadata(byte_level, "gpt2", "gpt-2"),
        metadata(sentencepiece, "llama", "default"),
        GgufVocabulary { model: "t5".to_owned(), ..unigram },
    ];
    let kinds = ["gpt-2", "falcon", "deepseek-llm", "qwen2", "bloom", "llama-bpe"];
    let flag = |dice: &mut Dice| *dice.choose(&[None, Some(false), Some(true)]);
    let id = |dice: &mut Dice| *dice.choose(&[None, Some(0), Some(1), Some(300), Some(u64::MAX)]);
    fuzz("GGUF vocabulary", 500, |dice| {
        let mut vocabulary = dice.choose(&originals).clone();
        vocabulary.pre = Some((*dice.choose(&kinds)).to_owned());
        vocabulary.bos = id(dice);
        vocabulary.eos = id(dice);
        vocabulary.unknown = id(dice);
        vocabulary.add_bos = flag(dice);
        vocabulary.add_space_prefix = flag(dice);
        vocabulary.remove_extra_whitespaces = flag(dice);
        if dice.once_in(3) {
            vocabulary.precompiled_charsmap = (0..dice.below(600)).map(|_| dice.number() as u8).collect();
            let size = dice.below(60) as u32 * 4;
            vocabulary
                .precompiled_charsmap
                .iter_mut()
                .zip(size.to_le_bytes())
                .for_each(|(to, from)| *to = from);
        }
        for _ in 0..dice.below(4) {
            let at = dice.below(vocabulary.tokens.len());
            match dice.below(6) {
                0 => vocabulary.tokens[at] = odd_value(dice).to_string(),
                1 => vocabulary.tokens[at].clear(),
                2 if at < vocabulary.scores.len() => {
                    vocabulary.scores[at] = *dice.choose(&[f64::NAN, f64::INFINITY, -1e308, 0.0, 5.0]);
                }
                3 if at < vocabulary.kinds.len() => vocabulary.kinds[at] = dice.below(8) as f64,
                4 if at < vocabulary.merges.len() => {
                    let other = dice.below(vocabulary.merges.len());
                    vocabulary.merges.swap(at, other);
                }
                5 if at < vocabulary.merges.len() => vocabulary.merges[at] = " a  b".to_owned(),
                _ => {}
            }
        }
        if let Ok(tokenizer) = Tokenizer::from_gguf(&vocabulary) {
            use_tokenizer(&tokenizer);
        }
    });
}
