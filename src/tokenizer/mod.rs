//! Text to token ids and back, on the `tokenizers` crate.
//!
//! Owns pieces, bytes, chat templates and the streaming detokeniser; knows nothing of models or files' places.

mod added;
pub mod chat;
pub mod detokeniser;
mod gbnf;
pub mod gguf;
pub mod grammar;
pub mod merges;
mod sentencepiece;
mod spelling;
mod splitting;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use std::time::SystemTime;

use tokenizers::{AddedToken, Decoder, Model};

use chat::{ChatError, ChatTemplate, Message};
pub use detokeniser::{Detokenised, Detokeniser};
use grammar::TokenBytes;
use spelling::Spelling;

/// A model's tokenizer.
pub struct Tokenizer {
    /// What makes a prompt of a conversation, or why nothing does.
    pub chat: Result<ChatTemplate, ChatError>,
    inner: tokenizers::Tokenizer,
    spelling: Spelling,
    edges: Option<Edges>,
    vocabulary_size: usize,
    /// What grammars look at, by the number of the model's ids, once one asked for it.
    token_bytes: Mutex<Option<(usize, TokenBytes)>>,
}

/// Why a tokenizer could not be made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenizerError {
    /// The file is no tokenizer that the `tokenizers` format describes.
    #[error("the tokenizer file cannot be used ({reason}): get tokenizer.json from the model's source again")]
    Malformed {
        /// What the parser said.
        reason: String,
    },
    /// The file is no SentencePiece model.
    #[error("tokenizer.model cannot be used ({reason}): get it from the model's source again")]
    SentencePiece {
        /// What is wrong.
        reason: String,
    },
    /// The files of byte-level BPE contradict themselves or one another.
    #[error("the tokenizer files cannot be used ({reason}): get them from the model's source again")]
    Merges {
        /// What is wrong, and in which file.
        reason: String,
    },
    /// The tokenizer metadata of a GGUF file contradicts itself.
    #[error("the tokenizer metadata cannot be used ({reason}): get the file from its source again")]
    Metadata {
        /// What is wrong.
        reason: String,
    },
    /// The files do not say how to tokenise, or in a way that is not known.
    #[error(
        "the model's files cannot reproduce its tokenisation ({reason}): give token ids, or use the model's folder with its tokenizer.json"
    )]
    Unreproducible {
        /// What is missing.
        reason: String,
    },
    /// A text that the tokenizer cannot turn into ids.
    #[error("the text cannot be turned into tokens ({reason}): try another text, or give token ids instead")]
    Encode {
        /// What the tokenizer said.
        reason: String,
    },
    /// A conversation that the chat template cannot render.
    #[error(transparent)]
    Chat(#[from] ChatError),
}

/// Whether special tokens are added around a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddSpecial {
    /// As the tokenizer's file says.
    AsFileSays,
    /// None.
    Never,
}

/// What `tokenizer_config.json` puts around a text, where it says so; it then replaces what
/// `tokenizer.json` says, as in transformers 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edges {
    first: Option<u32>,
    last: Option<u32>,
}

impl Tokenizer {
    /// From the contents of `tokenizer.json` and, where there is one, `tokenizer_config.json`.
    ///
    /// Truncation and padding that the file asks for are switched off: a prompt is taken whole.
    pub fn from_json(
        tokenizer_json: &[u8],
        tokenizer_config: Option<&serde_json::Value>,
    ) -> Result<Self, TokenizerError> {
        let malformed = |reason| TokenizerError::Malformed { reason };
        let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(tokenizer_json)).map_err(malformed)?;
        guarded(|| inner.with_truncation(None).map(|_| ())).map_err(malformed)?;
        inner.with_padding(None);
        if let Some(config) = tokenizer_config {
            guarded(|| add_tokens(&mut inner, config)).map_err(malformed)?;
        }
        if inner.get_decoder().is_none() {
            let decoder = spelling::missing_decoder(&inner);
            inner.with_decoder(decoder);
        }
        let vocabulary = inner.get_vocab(true);
        if vocabulary.is_empty() {
            return Err(malformed("its vocabulary is empty".to_owned()));
        }
        Ok(Self {
            chat: Err(ChatError::Missing),
            spelling: Spelling::of(inner.get_decoder()),
            edges: tokenizer_config.and_then(|config| edges(&inner, config)),
            vocabulary_size: vocabulary.values().max().map_or(0, |&id| id as usize + 1),
            inner,
            token_bytes: Mutex::new(None),
        })
    }

    /// The bytes of all tokens of a model with `vocabulary` ids. They are collected once.
    fn token_bytes(&self, vocabulary: usize) -> TokenBytes {
        let mut kept = self.token_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((size, bytes)) if *size == vocabulary => bytes.clone(),
            _ => kept.insert((vocabulary, TokenBytes::new(self, vocabulary))).1.clone(),
        }
    }

    /// One more than the highest id; a model may have more entries, as padding.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// The ids of a text; `special` says whether the special tokens that the file asks for (BOS, …) are added.
    pub fn encode(&self, text: &str, special: AddSpecial) -> Result<Vec<u32>, TokenizerError> {
        let edges = match special {
            AddSpecial::AsFileSays => self.edges,
            AddSpecial::Never => Some(Edges { first: None, last: None }),
        };
        let encoding = guarded(|| self.inner.encode_fast(text, edges.is_none()))
            .map_err(|reason| TokenizerError::Encode { reason })?;
        let Edges { first, last } = edges.unwrap_or(Edges { first: None, last: None });
        Ok(first.into_iter().chain(encoding.get_ids().iter().copied()).chain(last).collect())
    }

    /// The ids of a conversation in which the user said `text`, up to where the assistant begins to speak. The
    /// template writes the special tokens, so none is added.
    pub fn encode_chat(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let template = self.chat.as_ref().map_err(Clone::clone)?;
        let message = Message { role: "user".to_owned(), content: text.to_owned() };
        self.encode(&template.render(&[message], SystemTime::now())?, AddSpecial::Never)
    }

    /// The id of a token as the vocabulary spells it.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.inner.token_to_id(piece)
    }

    /// The token as the vocabulary spells it, such as `Ġthe` or `▁the`; `None` for an unknown id.
    pub fn piece(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The piece as a person can read it: bytes that make no whole character are written as vocabularies with byte
    /// fallback do, `<0xE4>`, where a byte-level one has letters that stand for them. All else is as it is spelled.
    pub fn readable_piece(&self, id: u32) -> Option<String> {
        let piece = self.piece(id)?;
        let added = self.inner.get_added_vocabulary().simple_id_to_token(id).is_some();
        Some(if added { piece } else { self.spelling.readable(piece) })
    }

    /// The bytes that the id adds to a text in whose middle it stands: `Ġthe` is ` the`, `<0xE2>` is one
    /// byte. Empty for special and unknown ids.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        match self.text_piece(id) {
            Some(piece) => self.spelled(Some(NEUTRAL), &piece).0,
            None => Vec::new(),
        }
    }

    /// The text of ids, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        let pieces: Vec<String> = ids.iter().filter_map(|&id| self.text_piece(id)).collect();
        self.joined(&pieces.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Whether the id is a special token, which has no text.
    pub fn is_special(&self, id: u32) -> bool {
        let added = self.inner.get_added_vocabulary();
        self.inner.id_to_token(id).is_some_and(|piece| added.is_special_token(&piece))
    }

    /// The piece as decoding takes it (an added token in its normalised form); `None` for ids without text.
    fn text_piece(&self, id: u32) -> Option<String> {
        if self.is_special(id) {
            return None;
        }
        let added = self.inner.get_added_vocabulary().simple_id_to_token(id);
        added.or_else(|| self.inner.get_model().id_to_token(id))
    }

    /// What `piece` adds after `before`, as bytes; `before` is `None` at the start of a text, where a
    /// decoder may strip a space.
    fn spelled(&self, before: Option<&str>, piece: &str) -> (Vec<u8>, BytesAre) {
        if let Some(bytes) = self.spelling.bytes(piece) {
            return (bytes, BytesAre::Raw);
        }
        let Some(before) = before else {
            return (self.joined(&[piece]).into_bytes(), BytesAre::Text);
        };
        let (shorter, longer) = (self.joined(&[before]), self.joined(&[before, piece]));
        let text = longer.strip_prefix(&shorter).unwrap_or(piece);
        (text.as_bytes().to_vec(), BytesAre::Text)
    }

    /// The tokenizer's own decoding of pieces; their plain concatenation should it refuse.
    fn joined(&self, pieces: &[&str]) -> String {
        let owned = || pieces.iter().map(|&piece| piece.to_owned()).collect::<Vec<_>>();
        let decoded = match self.inner.get_decoder() {
            _ if pieces.is_empty() => return String::new(),
            Some(decoder) => guarded(|| decoder.decode(owned())),
            None => Ok(pieces.join(" ")),
        };
        decoded.unwrap_or_else(|_| pieces.concat())
    }
}

/// A piece that ends in a whole character and changes nothing around it.
const NEUTRAL: &str = "a";

/// What the bytes of a token are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BytesAre {
    /// Whole characters.
    Text,
    /// Perhaps a part of a character.
    Raw,
}

/// Runs a call into the `tokenizers` crate, which panics on some malformed files.
fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizers library failed on it".to_owned()),
    }
}

/// Marks the tokens that only `tokenizer_config.json` lists, without giving any of them a new id.
fn add_tokens(inner: &mut tokenizers::Tokenizer, config: &serde_json::Value) -> tokenizers::Result<()> {
    let Some(listed) = config["added_tokens_decoder"].as_object() else { return Ok(()) };
    let mut listed: Vec<(u32, &serde_json::Value)> =
        listed.iter().filter_map(|(id, token)| Some((id.parse().ok()?, token))).collect();
    listed.sort_unstable_by_key(|&(id, _)| id);
    for (id, token) in listed {
        let Some(content) = token["content"].as_str() else { continue };
        let known = inner.get_added_vocabulary().get_added_tokens_decoder().contains_key(&id);
        if known || inner.token_to_id(content) != Some(id) {
            continue;
        }
        let flag = |name: &str| token[name].as_bool().unwrap_or(false);
        let token = AddedToken::from(content, flag("special"))
            .single_word(flag("single_word"))
            .lstrip(flag("lstrip"))
            .rstrip(flag("rstrip"))
            .normalized(flag("normalized"));
        inner.add_tokens([token])?;
    }
    Ok(())
}

/// Reads `add_bos_token` and `add_eos_token`; `None` when the configuration is silent about both.
fn edges(inner: &tokenizers::Tokenizer, config: &serde_json::Value) -> Option<Edges> {
    let wanted = |key: &str| config[key].as_bool();
    let id = |key: &str| {
        let token = &config[key];
        inner.token_to_id(token.as_str().or_else(|| token["content"].as_str())?)
    };
    let (bos, eos) = (wanted("add_bos_token"), wanted("add_eos_token"));
    if bos.is_none() && eos.is_none() {
        return None;
    }
    let edge = |wanted: Option<bool>, key| if wanted == Some(true) { id(key) } else { None };
    Some(Edges { first: edge(bos, "bos_token"), last: edge(eos, "eos_token") })
}

/// A token for a message.
fn short(token: &str) -> String {
    token.chars().take(40).flat_map(char::escape_debug).collect()
}
