//! Text to token ids and back, on the `tokenizers` crate.
//!
//! Owns pieces, bytes, chat templates and the streaming detokeniser; knows nothing of models or files' places.

mod added;
pub mod chat;
pub mod detokeniser;
mod gbnf;
pub mod gguf;
pub mod grammar;
mod guarded;
pub mod merges;
mod schema;
mod sentencepiece;
mod spelling;
mod splitting;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokenizers::{AddedToken, Decoder, Model};

use chat::{ChatError, ChatTemplate, Message};
pub use detokeniser::{Detokenised, Detokeniser};
use gguf::OddToken;
use grammar::TokenBytes;
use guarded::guarded;
use spelling::Spelling;

/// A model's tokenizer.
pub struct Tokenizer {
    /// What makes a prompt of a conversation, or why nothing does.
    pub chat: Result<ChatTemplate, ChatError>,
    inner: tokenizers::Tokenizer,
    spelling: Spelling,
    edges: Option<Edges>,
    /// Tokens that the library holds under another text than their own.
    odd: HashMap<u32, OddToken>,
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

/// What goes around a text by the flags of a vocabulary that has no `tokenizer.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edges {
    first: Option<u32>,
    last: Option<u32>,
}

impl Tokenizer {
    /// From the contents of `tokenizer.json` and, where there is one, `tokenizer_config.json`.
    ///
    /// Truncation and padding that the file asks for are switched off: a prompt is taken whole. What goes around a
    /// text is the file's own to say, as in transformers 5; `add_bos_token` and `add_eos_token` count for nothing.
    pub fn from_json(
        tokenizer_json: &[u8],
        tokenizer_config: Option<&serde_json::Value>,
    ) -> Result<Self, TokenizerError> {
        Self::from_json_and_tokens(tokenizer_json, tokenizer_config, None)
    }

    /// The same with the contents of `added_tokens.json`, which count where the configuration lists no tokens itself.
    pub fn from_json_and_tokens(
        tokenizer_json: &[u8],
        tokenizer_config: Option<&serde_json::Value>,
        added_tokens: Option<&serde_json::Value>,
    ) -> Result<Self, TokenizerError> {
        let mut inner = parse(tokenizer_json)?;
        let config = tokenizer_config.unwrap_or(&serde_json::Value::Null);
        let tokens = tokens_beside(&inner, config, added_tokens)?;
        add_tokens(&mut inner, tokens)?;
        Self::new(inner, None)
    }

    /// From a description in the form of `tokenizer.json` with all its tokens; `config` says what goes around a text.
    fn from_description(
        description: &serde_json::Value,
        config: &serde_json::Value,
    ) -> Result<Self, TokenizerError> {
        Self::new(parse(description.to_string().as_bytes())?, Some(config))
    }

    /// `config` says what goes around a text; without one `inner` does itself.
    fn new(
        mut inner: tokenizers::Tokenizer,
        config: Option<&serde_json::Value>,
    ) -> Result<Self, TokenizerError> {
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
            edges: config.and_then(|config| edges(&inner, config)),
            odd: HashMap::new(),
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
        self.encode(&template.render(&[message], jiff::Zoned::now().datetime())?, AddSpecial::Never)
    }

    /// The id of a token as the vocabulary spells it.
    pub fn id(&self, piece: &str) -> Option<u32> {
        self.inner.token_to_id(piece)
    }

    /// The token as the vocabulary spells it, such as `Ġthe` or `▁the`; `None` for an unknown id.
    pub fn piece(&self, id: u32) -> Option<String> {
        let odd = self.odd.get(&id).map(|odd| odd.piece.clone());
        odd.or_else(|| self.inner.id_to_token(id))
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
        self.added_text(Some(NEUTRAL), id).map_or(Vec::new(), |(_, bytes, _)| bytes)
    }

    /// The text of ids, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        if ids.iter().any(|id| self.odd.get(id).is_some_and(|odd| odd.bytes.is_some())) {
            let mut detokeniser = Detokeniser::default();
            let text: String = ids.iter().map(|&id| detokeniser.push(self, id).text).collect();
            return text + &detokeniser.finish(self);
        }
        let pieces: Vec<String> = ids.iter().filter_map(|&id| self.text_piece(id)).collect();
        self.joined(&pieces.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Whether the id is a special token, which has no text.
    pub fn is_special(&self, id: u32) -> bool {
        if let Some(odd) = self.odd.get(&id) {
            return odd.special;
        }
        let added = self.inner.get_added_vocabulary();
        self.inner.id_to_token(id).is_some_and(|piece| added.is_special_token(&piece))
    }

    /// The piece as decoding takes it (an added token in its normalised form); `None` for ids without text.
    fn text_piece(&self, id: u32) -> Option<String> {
        if self.is_special(id) {
            return None;
        }
        if let Some(odd) = self.odd.get(&id) {
            return Some(odd.piece.clone()).filter(|piece| !piece.is_empty());
        }
        let added = self.inner.get_added_vocabulary().simple_id_to_token(id);
        added.or_else(|| self.inner.get_model().id_to_token(id))
    }

    /// The piece of an id, and what it adds after the piece `before`; `None` for ids without text.
    fn added_text(&self, before: Option<&str>, id: u32) -> Option<(String, Vec<u8>, BytesAre)> {
        let piece = self.text_piece(id)?;
        let own = self.odd.get(&id).and_then(|odd| odd.bytes.clone());
        let (bytes, are) = own.map_or_else(|| self.spelled(before, &piece), |bytes| (bytes, BytesAre::Raw));
        Some((piece, bytes, are))
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

fn malformed(reason: String) -> TokenizerError {
    TokenizerError::Malformed { reason }
}

/// What `tokenizer.json` describes, without the truncation and the padding that it asks for.
fn parse(tokenizer_json: &[u8]) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(tokenizer_json)).map_err(malformed)?;
    guarded(|| inner.with_truncation(None).map(|_| ())).map_err(malformed)?;
    inner.with_padding(None);
    Ok(inner)
}

/// The tokens that the files beside the vocabulary give it.
fn tokens_beside(
    inner: &tokenizers::Tokenizer,
    config: &serde_json::Value,
    added: Option<&serde_json::Value>,
) -> Result<Vec<AddedToken>, TokenizerError> {
    let own = inner.get_added_vocabulary().get_added_tokens_decoder();
    let own = own.iter().map(|(&id, token)| (id, token.clone())).collect();
    added::tokens_beside(&own, config, added).map_err(malformed)
}

fn add_tokens(inner: &mut tokenizers::Tokenizer, tokens: Vec<AddedToken>) -> Result<(), TokenizerError> {
    guarded(|| inner.add_tokens(tokens).map(|_| ())).map_err(malformed)
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
