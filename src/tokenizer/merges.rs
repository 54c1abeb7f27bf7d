//! Tokenizers from a `vocab.json` with its `merges.txt`, the two files of byte-level BPE before `tokenizer.json`.
//!
//! They say which pieces there are and which are merged first, but not how a text is split before that. The name of
//! the tokenizer's class does, for the few classes that always split alike; the others are refused, never guessed.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::added::added_tokens;
use super::codec::Tokenizer;
use super::error::{TokenizerError, short};
use super::splitting::Splitting;

/// The files of a folder that make such a tokenizer.
#[derive(Clone, Copy, Debug)]
pub struct MergesFiles<'a> {
    /// Contents of `vocab.json`: ids by piece.
    pub vocabulary: &'a [u8],
    /// Contents of `merges.txt`: two pieces a line, the first merged first.
    pub merges: &'a [u8],
    /// Contents of `added_tokens.json`: ids by token.
    pub added_tokens: Option<&'a Value>,
    /// `tokenizer_config.json`, with `special_tokens_map.json` in it.
    pub config: Option<&'a Value>,
    /// The class of tokenizer that the files name.
    pub stated_class: Option<&'a str>,
    /// The class that all models of its family have.
    pub family_class: Option<&'a str>,
}

/// What a class of tokenizer brings.
struct Class {
    /// How it splits, in the names of [`Splitting`].
    kind: &'static str,
    /// What special tokens are called where the files do not say.
    usual: &'static [(&'static str, &'static str)],
}

/// GPT-2's, and with it GPT-Neo's, GPT-J's, OPT's and Phi's.
const OF_GPT2: Class =
    Class { kind: "gpt-2", usual: &[("bos_token", END), ("eos_token", END), ("unk_token", END)] };

/// Qwen2's, and with it Qwen3's.
const OF_QWEN2: Class = Class { kind: "qwen2", usual: OF_QWEN };

/// Qwen3.5's.
const OF_QWEN35: Class = Class { kind: "qwen35", usual: OF_QWEN };

/// What special tokens are called in all of Qwen's.
const OF_QWEN: &[(&str, &str)] = &[("eos_token", END), ("unk_token", END), ("pad_token", END)];

const END: &str = "<|endoftext|>";

impl Tokenizer {
    /// From `vocab.json`, `merges.txt` and what lies beside them.
    pub fn from_merges(files: MergesFiles) -> Result<Self, TokenizerError> {
        let malformed = |reason| TokenizerError::Merges { reason };
        let class = class(&files)?;
        let splitting =
            Splitting::of_kind(class.kind).map_err(|reason| TokenizerError::Unreproducible { reason })?;
        let mut ids: HashMap<String, u32> = serde_json::from_slice(files.vocabulary)
            .map_err(|error| malformed(format!("vocab.json: {error}")))?;
        check(&ids).map_err(malformed)?;
        let merges = read_merges(files.merges, &ids).map_err(malformed)?;
        let config = files.config.unwrap_or(&Value::Null);
        let added = added_tokens(&mut ids, config, files.added_tokens, class.usual).map_err(malformed)?;
        let leading_space = config["add_prefix_space"].as_bool().unwrap_or(false);
        let tokenizer = json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": splitting.normalizer(),
            "pre_tokenizer": splitting.pre_tokenizer(leading_space),
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "fuse_unk": false, "byte_fallback": false, "vocab": ids, "merges": merges},
        });
        let mut edges = files.special_tokens()?;
        for name in ["add_bos_token", "add_eos_token"] {
            edges[name] = config[name].clone();
        }
        Self::from_description(&tokenizer, &edges)
    }
}

impl MergesFiles<'_> {
    /// The special tokens by their use, as `tokenizer_config.json` has them, with those that the class brings.
    pub fn special_tokens(&self) -> Result<Value, TokenizerError> {
        let usual = class(self)?.usual.iter().map(|(name, text)| ((*name).to_owned(), json!(text)));
        let stated = self.config.and_then(Value::as_object).into_iter().flatten();
        let tokens = |name: &str| name.ends_with("_token") || name == "extra_special_tokens";
        let stated = stated.filter(|(name, value)| tokens(name) && !value.is_boolean());
        Ok(usual.chain(stated.map(|(name, value)| (name.clone(), value.clone()))).collect())
    }
}

/// How the text is split, or why that is not known.
fn class(files: &MergesFiles) -> Result<&'static Class, TokenizerError> {
    let plain = |name: Option<&'_ str>| name.map(|name| name.strip_suffix("Fast").unwrap_or(name).to_owned());
    let unknown = |reason| Err(TokenizerError::Unreproducible { reason });
    let by_family = plain(files.family_class);
    match (plain(files.stated_class).or_else(|| by_family.clone()).as_deref(), by_family.as_deref()) {
        // In transformers that family keeps its class where its files name Qwen2's.
        (Some("Qwen3_5Tokenizer"), _) | (Some("Qwen2Tokenizer"), Some("Qwen3_5Tokenizer")) => Ok(&OF_QWEN35),
        (Some("Qwen2Tokenizer"), _) => Ok(&OF_QWEN2),
        (Some("GPT2Tokenizer" | "CodeGenTokenizer"), Some("GPT2Tokenizer")) => Ok(&OF_GPT2),
        // Families share that class's name, but not its way of splitting: tokenizer.json has another in its place.
        (Some(name @ ("GPT2Tokenizer" | "CodeGenTokenizer")), _) => unknown(format!(
            "vocab.json and merges.txt do not say how a text is split, and models of this family with a {name} differ in it"
        )),
        (Some(name), _) => unknown(format!(
            "vocab.json and merges.txt do not say how a text is split, and the way of a {name} is not known"
        )),
        (None, _) => unknown(
            "vocab.json and merges.txt do not say how a text is split, and no tokenizer_class does"
                .to_owned(),
        ),
    }
}

/// Refuses an empty vocabulary, and one with two pieces of one id.
fn check(ids: &HashMap<String, u32>) -> Result<(), String> {
    let mut pieces = HashMap::with_capacity(ids.len());
    for (piece, id) in ids {
        if let Some(other) = pieces.insert(id, piece) {
            let (first, second) = (piece.min(other), piece.max(other));
            return Err(format!(
                "vocab.json: `{}` and `{}` are both token {id}",
                short(first),
                short(second)
            ));
        }
    }
    if ids.is_empty() { Err("vocab.json: its vocabulary is empty".to_owned()) } else { Ok(()) }
}

/// The pairs of `merges.txt`, by rank.
fn read_merges<'a>(
    contents: &'a [u8],
    ids: &HashMap<String, u32>,
) -> Result<Vec<(&'a str, &'a str)>, String> {
    let text = std::str::from_utf8(contents).map_err(|_| "merges.txt: it is not UTF-8 text".to_owned())?;
    let mut merges = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with("#version") {
            continue;
        }
        let number = index + 1;
        let pair = line.split_once(' ').filter(|(_, right)| !right.contains(' '));
        let (left, right) = pair
            .ok_or_else(|| format!("merges.txt: line {number} `{}` is not a pair of pieces", short(line)))?;
        let whole = [left, right].concat();
        let unknown = [left, right, &whole].into_iter().find(|piece| !ids.contains_key(*piece));
        if let Some(unknown) = unknown {
            let unknown = short(unknown);
            return Err(format!("merges.txt: line {number} names `{unknown}`, which vocab.json lacks"));
        }
        merges.push((left, right));
    }
    Ok(merges)
}
