//! Tokenizers from the metadata of a GGUF file: tokens with scores or merges become what `tokenizer.json` would say.
//!
//! Covers byte-level BPE (`gpt2`) with the splitting rules that are known for sure, and SentencePiece's BPE (`llama`, and
//! with a list of merges `gemma4`) and unigram model (`t5`).
//! What cannot be reproduced is refused with the reason, never guessed. Knows nothing of how the metadata is stored.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use tokenizers::models::ModelWrapper;

use super::base64::base64;
use super::codec::{OddToken, Tokenizer};
use super::error::{TokenizerError, short};
use super::splitting::Splitting;
use super::tokenizer_json::{add_tokens, parse, tokens_beside};

/// What `tokenizer.ggml.*` says; each field is the key of the same name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GgufVocabulary {
    /// `model`: the algorithm.
    pub model: String,
    /// `pre`: how byte-level BPE splits a text.
    pub pre: Option<String>,
    /// `tokens`: by id.
    pub tokens: Vec<String>,
    /// The bytes of those tokens that are not UTF-8, by id; `tokens` has U+FFFD for what is broken in them.
    pub broken: BTreeMap<usize, Vec<u8>>,
    /// `scores`: by id; the highest merges first.
    pub scores: Vec<f64>,
    /// `token_type`: by id; see [`kind`].
    pub kinds: Vec<f64>,
    /// `merges`: two pieces with a space between, the first merged first.
    pub merges: Vec<String>,
    /// `bos_token_id`.
    pub bos: Option<u64>,
    /// `eos_token_id`.
    pub eos: Option<u64>,
    /// `unknown_token_id`.
    pub unknown: Option<u64>,
    /// `add_bos_token`.
    pub add_bos: Option<bool>,
    /// `add_eos_token`.
    pub add_eos: Option<bool>,
    /// `add_space_prefix`.
    pub add_space_prefix: Option<bool>,
    /// `remove_extra_whitespaces`.
    pub remove_extra_whitespaces: Option<bool>,
    /// `precompiled_charsmap`: SentencePiece's table of characters to replace; empty for none.
    pub precompiled_charsmap: Vec<u8>,
}

/// The values of `token_type`.
pub mod kind {
    /// A piece of text.
    pub const NORMAL: f64 = 1.0;
    /// A special token, which has no text.
    pub const CONTROL: f64 = 3.0;
    /// A text that is always a token of its own.
    pub const USER_DEFINED: f64 = 4.0;
    /// A byte, as `<0xNN>`.
    pub const BYTE: f64 = 6.0;
    /// The piece for what no piece covers.
    pub const UNKNOWN: f64 = 2.0;
    /// One of ours, in no file: see [`super::OddToken`].
    pub(super) const ODD: f64 = -1.0;
}

/// The kind that merges SentencePiece's pieces by a list: Gemma 4's.
const MERGED_PIECES: &str = "gemma4";

/// The score of a unigram piece that no text becomes; worse than any text's pieces together.
const HIDDEN_SCORE: f64 = -1e30;

/// What goes around a text where the file does not say.
#[derive(Clone, Copy)]
struct Usual {
    bos: bool,
    eos: bool,
}

/// What gets the space before the first word.
#[derive(Clone, Copy)]
enum Prefixed {
    /// Each part of a text between tokens that stand outside of merging.
    EachPart,
    /// The beginning of a text, unless it has one.
    BeginningAlone,
    /// Nothing, whatever the file says.
    Nothing,
}

impl Tokenizer {
    /// From the metadata of a GGUF file.
    pub fn from_gguf(vocabulary: &GgufVocabulary) -> Result<Self, TokenizerError> {
        vocabulary.check()?;
        let (vocabulary, odd) = vocabulary.without_odd_tokens();
        let (tokenizer, usual) = match vocabulary.model.as_str() {
            "gpt2" => vocabulary.byte_level()?,
            "llama" => (
                vocabulary.sentencepiece(vocabulary.bpe()?, Prefixed::EachPart),
                Usual { bos: true, eos: false },
            ),
            "t5" => (
                vocabulary.sentencepiece(vocabulary.unigram()?, Prefixed::EachPart),
                Usual { bos: false, eos: true },
            ),
            MERGED_PIECES => {
                let model = vocabulary.bpe_of_merges()?;
                (vocabulary.sentencepiece(model, Prefixed::Nothing), Usual { bos: true, eos: false })
            }
            other => {
                let reason = format!("its kind `{other}` is not one of gpt2, {MERGED_PIECES}, llama, t5");
                return Err(unreproducible(reason));
            }
        };
        let mut inner = parse(tokenizer.to_string().as_bytes())?;
        vocabulary.put_least_score(&mut inner);
        let mut tokenizer = Self::new(inner, Some(&vocabulary.configuration(usual)))?;
        tokenizer.odd = odd;
        Ok(tokenizer)
    }
}

impl Tokenizer {
    /// From SentencePiece's pieces, with what `tokenizer_config.json` says about special tokens and the tokens of
    /// `added_tokens.json`.
    pub(super) fn from_pieces(
        pieces: &GgufVocabulary,
        config: &Value,
        added: Option<&Value>,
    ) -> Result<Self, TokenizerError> {
        pieces.check()?;
        let model = if pieces.model == "t5" { pieces.unigram()? } else { pieces.bpe()? };
        let prefixed =
            if config["legacy"] == json!(false) { Prefixed::BeginningAlone } else { Prefixed::EachPart };
        let mut inner = parse(pieces.sentencepiece(model, prefixed).to_string().as_bytes())?;
        pieces.put_least_score(&mut inner);
        let tokens = tokens_beside(&inner, config, added)?;
        // As they stand: a space before a part of a text is none of theirs.
        let tokens = tokens.into_iter().map(|token| token.normalized(false)).collect();
        add_tokens(&mut inner, tokens)?;
        Self::new(inner, Some(config))
    }
}

impl GgufVocabulary {
    /// What `tokenizer_config.json` would say: special tokens and which of them go around a text. `usual` is for a
    /// file that does not say.
    fn configuration(&self, usual: Usual) -> Value {
        let mut config = self.special_tokens();
        // Files of the newest kind that deny it are mistaken, as other readers have it.
        let adds_bos = self.model == MERGED_PIECES || self.add_bos.unwrap_or(usual.bos);
        config["add_bos_token"] = json!(adds_bos);
        config["add_eos_token"] = json!(self.add_eos.unwrap_or(usual.eos));
        config
    }

    /// The texts of the special tokens, as `tokenizer_config.json` has them.
    pub fn special_tokens(&self) -> Value {
        let text = |id: Option<u64>| self.tokens.get(usize::try_from(id?).ok()?);
        let named = [("bos_token", self.bos), ("eos_token", self.eos), ("unk_token", self.unknown)];
        named.into_iter().filter_map(|(name, id)| Some((name.to_owned(), json!(text(id)?)))).collect()
    }

    /// Refuses lists that do not belong together.
    fn check(&self) -> Result<(), TokenizerError> {
        let count = self.tokens.len();
        if count == 0 {
            return Err(malformed("its vocabulary is empty".to_owned()));
        }
        for (name, length) in [("scores", self.scores.len()), ("token_type", self.kinds.len())] {
            if length != 0 && length != count {
                return Err(malformed(format!("it has {count} tokens but {length} elements of {name}")));
            }
        }
        // The table's first number is the length of its first part; the tokenizers library allocates that much.
        let (map, head) = (&self.precompiled_charsmap, self.precompiled_charsmap.first_chunk());
        let claimed = head.map_or(0, |head| u32::from_le_bytes(*head) as usize);
        if !map.is_empty() && claimed > map.len().saturating_sub(4) {
            return Err(malformed("its precompiled_charsmap is shorter than it says".to_owned()));
        }
        Ok(())
    }

    /// The vocabulary with tokens of other texts in place of those that the library cannot hold under their own:
    /// empty ones, those that are not UTF-8, and of several with one text all but the last, which is the one that
    /// transformers takes. No text becomes any of them.
    fn without_odd_tokens(&self) -> (Cow<'_, Self>, HashMap<u32, OddToken>) {
        let whole = (0..).zip(&self.tokens).filter(|(id, _)| !self.broken.contains_key(id));
        let ids: HashMap<&str, usize> = whole.map(|(id, token)| (token.as_str(), id)).collect();
        let is_odd = |&id: &usize| {
            let token = self.tokens[id].as_str();
            token.is_empty() || self.broken.contains_key(&id) || ids[token] != id
        };
        let odd: Vec<usize> = (0..self.tokens.len()).filter(is_odd).collect();
        if odd.is_empty() {
            return (Cow::Borrowed(self), HashMap::new());
        }
        let mut vocabulary = self.clone();
        if vocabulary.kinds.is_empty() {
            vocabulary.kinds.resize(self.tokens.len(), kind::NORMAL);
        }
        for &id in &odd {
            // Nobody writes these two: they are not characters.
            vocabulary.tokens[id] = format!("\u{10fffe}\u{10ffff}{id}");
            if let Some(its) = vocabulary.kinds.get_mut(id) {
                *its = kind::ODD;
            }
        }
        let odd = odd.into_iter().filter_map(|id| Some((u32::try_from(id).ok()?, self.odd_token(id))));
        (Cow::Owned(vocabulary), odd.collect())
    }

    fn odd_token(&self, id: usize) -> OddToken {
        let bytes = self.broken.get(&id).map(|bytes| with_spaces(bytes));
        OddToken { piece: self.tokens[id].clone(), bytes, special: self.kind(id) == kind::CONTROL }
    }

    /// What is odd about its tokens or not certain about its ids, a sentence each.
    pub fn oddities(&self) -> Vec<String> {
        let (_, odd) = self.without_odd_tokens();
        let unreachable = odd.keys().min().map(|first| {
            format!(
                "{} of its tokens, the first of them {first}, are empty, not UTF-8, or come again under another id: no text becomes them, but their ids can be given",
                odd.len()
            )
        });
        let kind = self.pre.as_deref().filter(|_| self.model == "gpt2");
        unreachable.into_iter().chain(kind.and_then(Splitting::doubt_about)).collect()
    }

    /// Sets what an unknown character costs by the pieces that text may become, as SentencePiece has it.
    fn put_least_score(&self, inner: &mut tokenizers::Tokenizer) {
        let ModelWrapper::Unigram(model) = inner.get_model() else { return };
        let mut model = model.clone();
        let scores = (0..self.scores.len()).filter(|&id| !self.is_hidden(id)).map(|id| self.scores[id]);
        model.min_score = scores.fold(f64::INFINITY, f64::min);
        if model.min_score.is_finite() {
            inner.with_model(model);
        }
    }

    /// Whether no text becomes the piece by its own text.
    fn is_hidden(&self, id: usize) -> bool {
        [kind::BYTE, kind::ODD].contains(&self.kind(id))
    }

    /// The token for what no piece covers: the one that the file names, or else the first of that kind.
    fn unknown(&self) -> Option<usize> {
        let named = self.unknown.and_then(|id| usize::try_from(id).ok());
        let named = named.filter(|&id| id < self.tokens.len());
        named.or_else(|| self.kinds.iter().position(|&kind| kind == kind::UNKNOWN))
    }

    fn kind(&self, id: usize) -> f64 {
        self.kinds.get(id).copied().unwrap_or(kind::NORMAL)
    }

    /// Ids by token; refuses a token that comes twice, which only SentencePiece's own files have here.
    fn ids(&self) -> Result<HashMap<&str, usize>, TokenizerError> {
        let mut ids = HashMap::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().enumerate() {
            if let Some(first) = ids.insert(token.as_str(), id) {
                return Err(malformed(format!("tokens {first} and {id} are both `{}`", short(token))));
            }
        }
        Ok(ids)
    }

    /// Byte-level BPE as `tokenizer.json` has it, and what it adds by itself.
    fn byte_level(&self) -> Result<(Value, Usual), TokenizerError> {
        let name = self.pre.as_deref().unwrap_or("default");
        let splitting = Splitting::of_kind(name).map_err(unreproducible)?;
        if self.merges.is_empty() {
            return Err(unreproducible("it has no merges".to_owned()));
        }
        let ids = self.ids()?;
        let tokenizer = json!({
            "version": "1.0",
            "added_tokens": self.added_tokens(),
            "normalizer": splitting.normalizer(),
            "pre_tokenizer": splitting.pre_tokenizer(false),
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {
                "type": "BPE", "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": splitting.whole_tokens_first,
                "vocab": ids, "merges": self.stored_merges(&ids)?,
            },
        });
        Ok((tokenizer, Usual { bos: splitting.adds_bos, eos: false }))
    }

    /// SentencePiece's BPE by the merges that the file has.
    fn bpe_of_merges(&self) -> Result<Value, TokenizerError> {
        if self.merges.is_empty() {
            return Err(unreproducible("it has no merges".to_owned()));
        }
        self.bpe()
    }

    /// SentencePiece's BPE as `tokenizer.json` has it.
    fn bpe(&self) -> Result<Value, TokenizerError> {
        let ids = self.ids()?;
        let merges =
            if self.merges.is_empty() { self.merges_by_score(&ids)? } else { self.stored_merges(&ids)? };
        let unknown = self.unknown().map(|id| &self.tokens[id]);
        Ok(json!({
            "type": "BPE", "fuse_unk": true, "byte_fallback": self.has_bytes(), "unk_token": unknown,
            "vocab": ids, "merges": merges,
        }))
    }

    /// SentencePiece's unigram model (Kudo 2018) as `tokenizer.json` has it.
    fn unigram(&self) -> Result<Value, TokenizerError> {
        self.ids()?;
        if self.scores.iter().any(|score| !score.is_finite()) || self.scores.is_empty() {
            return Err(unreproducible("its tokens have no finite scores".to_owned()));
        }
        let score = |id: usize| if self.is_hidden(id) { HIDDEN_SCORE } else { self.scores[id] };
        let pieces: Vec<(&String, f64)> = self.tokens.iter().zip((0..).map(score)).collect();
        Ok(json!({
            "type": "Unigram", "unk_id": self.unknown(), "byte_fallback": self.has_bytes(), "vocab": pieces,
        }))
    }

    fn has_bytes(&self) -> bool {
        (0..self.tokens.len()).any(|id| self.kind(id) == kind::BYTE)
    }

    /// What SentencePiece does around its model, as `tokenizer.json` has it.
    fn sentencepiece(&self, model: Value, prefixed: Prefixed) -> Value {
        let spaces = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
        let words = json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "});
        let mut normalizers = Vec::new();
        let mut decoders = vec![words, json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
        if !self.precompiled_charsmap.is_empty() {
            let map = base64(&self.precompiled_charsmap);
            normalizers.push(json!({"type": "Precompiled", "precompiled_charsmap": map}));
        }
        if self.remove_extra_whitespaces == Some(true) {
            // Of spaces alone: other white space stays.
            normalizers.push(json!({"type": "Replace", "pattern": {"Regex": "^ +| +$"}, "content": ""}));
            normalizers.push(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
        }
        let mut splitter = Value::Null;
        let prefixed = if self.add_space_prefix.unwrap_or(true) { prefixed } else { Prefixed::Nothing };
        match prefixed {
            Prefixed::EachPart => normalizers.push(json!({"type": "Prepend", "prepend": "▁"})),
            Prefixed::BeginningAlone => {
                splitter = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false});
            }
            Prefixed::Nothing => {}
        }
        if !matches!(prefixed, Prefixed::Nothing) {
            decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        normalizers.push(spaces);
        json!({
            "version": "1.0",
            "added_tokens": self.added_tokens(),
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "pre_tokenizer": splitter,
            "decoder": {"type": "Sequence", "decoders": decoders},
            "model": model,
        })
    }

    /// Tokens that stand outside of merging: control tokens and those that a user defined.
    fn added_tokens(&self) -> Vec<Value> {
        let outside = |&id: &usize| [kind::CONTROL, kind::USER_DEFINED].contains(&self.kind(id));
        let token = |id: usize| {
            json!({
                "id": id, "content": self.tokens[id], "special": self.kind(id) == kind::CONTROL,
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            })
        };
        (0..self.tokens.len()).filter(outside).map(token).collect()
    }

    /// The merges that the file has. Pieces may contain spaces of their own only in kinds that are not read here.
    fn stored_merges(&self, ids: &HashMap<&str, usize>) -> Result<Vec<(&str, &str)>, TokenizerError> {
        let pair = |(index, merge): (usize, &'_ String)| {
            let refused = |why| malformed(format!("merge {index} `{}` {why}", short(merge)));
            // A piece may begin with a space only where it is one.
            let at = merge.char_indices().skip(1).find(|(_, character)| *character == ' ');
            at.map(|(at, _)| at).ok_or_else(|| refused("is not a pair of pieces"))
        };
        let mut pairs = Vec::with_capacity(self.merges.len());
        for (index, merge) in self.merges.iter().enumerate() {
            let at = pair((index, merge))?;
            let (left, right) = (&merge[..at], &merge[at + 1..]);
            let whole = [left, right].concat();
            if let Some(unknown) =
                [left, right, whole.as_str()].into_iter().find(|piece| !ids.contains_key(piece))
            {
                let unknown = short(unknown);
                return Err(malformed(format!(
                    "merge {index} names `{unknown}`, which is not one of its tokens"
                )));
            }
            pairs.push((left, right));
        }
        Ok(pairs)
    }

    /// The merges that lead to SentencePiece's choices: every way to make a piece of two others, by the score of
    /// the whole, as transformers derives them.
    fn merges_by_score(&self, ids: &HashMap<&str, usize>) -> Result<Vec<(&str, &str)>, TokenizerError> {
        let normal = |id: usize| self.kind(id) == kind::NORMAL;
        let part = |piece: &str| ids.get(piece).copied().filter(|&id| normal(id));
        let mut merges = Vec::new();
        for (id, token) in self.tokens.iter().enumerate().filter(|(id, _)| normal(*id)) {
            let score = self.scores.get(id).copied().unwrap_or(f64::NAN);
            let mut ways: Vec<_> = token
                .char_indices()
                .skip(1)
                .map(|(at, _)| token.split_at(at))
                .filter_map(|(left, right)| Some((part(left)?, part(right)?, left, right)))
                .collect();
            ways.sort_unstable_by_key(|&(left, right, ..)| (left, right));
            merges.extend(ways.into_iter().map(|(_, _, left, right)| (score, left, right)));
        }
        let mut scores: Vec<f64> = merges.iter().map(|(score, ..)| *score).collect();
        scores.sort_unstable_by(f64::total_cmp);
        scores.dedup();
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(unreproducible("it has neither merges nor finite scores".to_owned()));
        }
        if let ([score], true) = (scores.as_slice(), merges.len() > 1) {
            return Err(unreproducible(format!(
                "all its token scores are {score}, so they do not say which pieces to merge first, and it has no merges"
            )));
        }
        let length = |piece: &str| piece.chars().count();
        merges.sort_by(|(a, a_left, a_right), (b, b_left, b_right)| {
            let lengths = (length(b_left), length(b_right)).cmp(&(length(a_left), length(a_right)));
            b.total_cmp(a).then(lengths)
        });
        Ok(merges.into_iter().map(|(_, left, right)| (left, right)).collect())
    }
}

fn malformed(reason: String) -> TokenizerError {
    TokenizerError::Metadata { reason }
}

fn unreproducible(reason: String) -> TokenizerError {
    TokenizerError::Unreproducible { reason }
}

/// The bytes of a piece with its signs of spaces turned into spaces.
fn with_spaces(piece: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match rest.strip_prefix("▁".as_bytes()) {
            Some(after) => (b' ', after),
            None => (byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}
