//! Text to ids, and what single ids mean.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokenizers::{Decoder, Model};

use super::chat::{ChatError, ChatTemplate, Conversation};
use super::error::{TokenizerError, malformed};
use super::guarded::guarded;
use super::remote::{AddSpecial, RemoteTokenizer};
use super::spelling::{self, Spelling};
use super::token_bytes::TokenBytes;

/// A model's tokenizer.
pub struct Tokenizer {
    /// What makes a prompt of a conversation, or why nothing does.
    pub chat: Result<ChatTemplate, ChatError>,
    vocabulary: Vocabulary,
    pub(super) spelling: Spelling,
    edges: Option<Edges>,
    /// Tokens that the library holds under another text than their own.
    pub(super) odd: HashMap<u32, OddToken>,
    vocabulary_size: usize,
    /// What grammars look at, by the number of the model's ids, once one asked for it.
    token_bytes: Mutex<Option<(usize, TokenBytes)>>,
}

/// What knows the tokens.
enum Vocabulary {
    /// Files that were read.
    Here(Box<tokenizers::Tokenizer>),
    /// A server.
    There(Box<dyn RemoteTokenizer>),
}

/// A token that the library holds under another text than its own.
pub(super) struct OddToken {
    /// As the vocabulary spells it.
    pub piece: String,
    /// What it adds to a text, where its piece does not tell.
    pub bytes: Option<Vec<u8>>,
    /// Whether it is special.
    pub special: bool,
}

/// What goes around a text by the flags of a vocabulary that has no `tokenizer.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edges {
    first: Option<u32>,
    last: Option<u32>,
}

impl Tokenizer {
    /// `config` says what goes around a text; without one `inner` does itself.
    pub(super) fn new(
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
            vocabulary: Vocabulary::Here(Box::new(inner)),
            token_bytes: Mutex::new(None),
        })
    }

    /// One that is elsewhere.
    pub fn remote(remote: Box<dyn RemoteTokenizer>) -> Self {
        Self {
            chat: Err(ChatError::Missing),
            spelling: Spelling::of(None),
            edges: None,
            odd: HashMap::new(),
            vocabulary_size: remote.vocabulary_size(),
            vocabulary: Vocabulary::There(remote),
            token_bytes: Mutex::new(None),
        }
    }

    /// Prepares for what is to be asked of these tokens: where they are elsewhere, one request is less than one for each.
    pub fn learn(&self, ids: &[u32]) {
        if let Vocabulary::There(remote) = &self.vocabulary {
            remote.learn(ids);
        }
    }

    /// The bytes of all tokens of a model with `vocabulary` ids. They are collected once.
    pub(super) fn token_bytes(&self, vocabulary: usize) -> TokenBytes {
        let mut kept = self.token_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((size, bytes)) if *size == vocabulary => bytes.clone(),
            _ => {
                self.learn(&(0..vocabulary as u32).collect::<Vec<_>>());
                kept.insert((vocabulary, TokenBytes::new(vocabulary, |id| self.bytes(id)))).1.clone()
            }
        }
    }

    /// One more than the highest id; a model may have more entries, as padding.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// The ids of a text; `special` says whether the special tokens that the file asks for (BOS, …) are added.
    pub fn encode(&self, text: &str, special: AddSpecial) -> Result<Vec<u32>, TokenizerError> {
        let inner = match &self.vocabulary {
            Vocabulary::Here(inner) => inner,
            Vocabulary::There(remote) => {
                return remote.encode(text, special).map_err(|reason| TokenizerError::Server { reason });
            }
        };
        let edges = match special {
            AddSpecial::AsFileSays => self.edges,
            AddSpecial::Never => Some(Edges { first: None, last: None }),
        };
        let encoding = guarded(|| inner.encode_fast(text, edges.is_none()))
            .map_err(|reason| TokenizerError::Encode { reason })?;
        let Edges { first, last } = edges.unwrap_or(Edges { first: None, last: None });
        Ok(first.into_iter().chain(encoding.get_ids().iter().copied()).chain(last).collect())
    }

    /// The ids of a conversation, up to where the assistant begins to speak. The template writes the special tokens, so
    /// none is added.
    pub fn encode_chat(&self, conversation: &Conversation) -> Result<Vec<u32>, TokenizerError> {
        if let Vocabulary::There(remote) = &self.vocabulary {
            return remote.encode_chat(conversation).map_err(|reason| TokenizerError::Server { reason });
        }
        let template = self.chat.as_ref().map_err(Clone::clone)?;
        self.encode(&template.render(conversation, jiff::Zoned::now().datetime())?, AddSpecial::Never)
    }

    /// The id of a token as the vocabulary spells it.
    pub fn id(&self, piece: &str) -> Option<u32> {
        match &self.vocabulary {
            Vocabulary::Here(inner) => inner.token_to_id(piece),
            Vocabulary::There(remote) => match remote.encode(piece, AddSpecial::Never).ok()?[..] {
                [id] => Some(id),
                _ => None,
            },
        }
    }

    /// The token as the vocabulary spells it, such as `Ġthe` or `▁the`; `None` for an unknown id.
    pub fn piece(&self, id: u32) -> Option<String> {
        let odd = self.odd.get(&id).map(|odd| odd.piece.clone());
        odd.or_else(|| match &self.vocabulary {
            Vocabulary::Here(inner) => inner.id_to_token(id),
            Vocabulary::There(remote) => Some(remote.piece(id)?.text),
        })
    }

    /// The piece as a person can read it: bytes that make no whole character are written as vocabularies with byte
    /// fallback do, `<0xE4>`, where a byte-level one has letters that stand for them. All else is as it is spelled.
    pub fn readable_piece(&self, id: u32) -> Option<String> {
        if let Vocabulary::There(remote) = &self.vocabulary {
            return Some(remote.piece(id)?.readable());
        }
        let piece = self.piece(id)?;
        let Vocabulary::Here(inner) = &self.vocabulary else { return Some(piece) };
        let added = inner.get_added_vocabulary().simple_id_to_token(id).is_some();
        Some(if added { piece } else { self.spelling.readable(piece) })
    }

    /// The bytes that the id adds to a text in whose middle it stands: `Ġthe` is ` the`, `<0xE2>` is one
    /// byte. Empty for special and unknown ids.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        self.added_text(Some(NEUTRAL), id).map_or(Vec::new(), |(_, bytes, _)| bytes)
    }

    /// The text of a token on its own, with special ones spelled out and bytes that make no character replaced.
    pub fn spelled_out(&self, id: u32) -> String {
        let bytes = self.bytes(id);
        if bytes.is_empty() {
            return self.piece(id).unwrap_or_default();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the id is a special token, which has no text.
    pub fn is_special(&self, id: u32) -> bool {
        if let Some(odd) = self.odd.get(&id) {
            return odd.special;
        }
        match &self.vocabulary {
            Vocabulary::Here(inner) => {
                let added = inner.get_added_vocabulary();
                inner.id_to_token(id).is_some_and(|piece| added.is_special_token(&piece))
            }
            Vocabulary::There(remote) => remote.piece(id).is_some_and(|piece| piece.special),
        }
    }

    /// The piece as decoding takes it (an added token in its normalised form); `None` for ids without text.
    pub(super) fn text_piece(&self, id: u32) -> Option<String> {
        if self.is_special(id) {
            return None;
        }
        if let Some(odd) = self.odd.get(&id) {
            return Some(odd.piece.clone()).filter(|piece| !piece.is_empty());
        }
        match &self.vocabulary {
            Vocabulary::Here(inner) => {
                let added = inner.get_added_vocabulary().simple_id_to_token(id);
                added.or_else(|| inner.get_model().id_to_token(id))
            }
            Vocabulary::There(remote) => Some(remote.piece(id)?.text),
        }
    }

    /// The piece of an id, and what it adds after the piece `before`; `None` for ids without text.
    pub(super) fn added_text(&self, before: Option<&str>, id: u32) -> Option<(String, Vec<u8>, BytesAre)> {
        let piece = self.text_piece(id)?;
        if let Vocabulary::There(remote) = &self.vocabulary {
            let told = remote.piece(id)?;
            return Some((piece, told.bytes.unwrap_or_else(|| told.text.into_bytes()), BytesAre::Raw));
        }
        let own = self.odd.get(&id).and_then(|odd| odd.bytes.clone());
        let (bytes, are) = own.map_or_else(|| self.spelled(before, &piece), |bytes| (bytes, BytesAre::Raw));
        Some((piece, bytes, are))
    }

    /// The text of ids in a row of which none tells its bytes; `None` where they do.
    pub(super) fn text_of_parts(&self, ids: &[u32]) -> Option<String> {
        let Vocabulary::There(remote) = &self.vocabulary else { return None };
        let untold = |&id: &u32| remote.piece(id).is_some_and(|piece| piece.bytes.is_none());
        if ids.iter().all(untold) { remote.text(ids) } else { None }
    }

    /// Whether its tokens are elsewhere.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.vocabulary, Vocabulary::There(_))
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
    pub(super) fn joined(&self, pieces: &[&str]) -> String {
        let owned = || pieces.iter().map(|&piece| piece.to_owned()).collect::<Vec<_>>();
        let Vocabulary::Here(inner) = &self.vocabulary else { return pieces.concat() };
        let decoded = match inner.get_decoder() {
            _ if pieces.is_empty() => return String::new(),
            Some(decoder) => guarded(|| decoder.decode(owned())),
            None => Ok(pieces.join(" ")),
        };
        decoded.unwrap_or_else(|_| pieces.concat())
    }
}

/// A piece that ends in a whole character and changes nothing around it.
pub(super) const NEUTRAL: &str = "a";

/// What the bytes of a token are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BytesAre {
    /// Whole characters.
    Text,
    /// Perhaps a part of a character.
    Raw,
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
