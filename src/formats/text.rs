//! The files of a folder that make its tokenizer and its chat template: which there are, and their contents.
//!
//! Knows names and who goes before whom; what the contents mean is for the tokenizer.

use serde_json::{Map, Value};

use super::architectures::tokenizer_class;
use super::error::FormatError;
use super::folder::Folder;
use super::gguf::Metadata;
use super::json;

/// The file that is the tokenizer.
const TOKENIZER: &str = "tokenizer.json";
/// The file that is the tokenizer where there is none of the former: a SentencePiece model.
const SENTENCEPIECE: &str = "tokenizer.model";
/// The files that are the tokenizer where there is none of the former: ids by piece, and pairs of pieces.
const PIECES: &str = "vocab.json";
const MERGES: &str = "merges.txt";
/// The file that says how to use it.
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// What older folders have beside that one: special tokens by use, and further tokens with ids.
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";
/// The field of [`TOKENIZER_CONFIG`] that takes the place of both.
const ADDED_TOKENS_FIELD: &str = "added_tokens_decoder";
/// Special tokens without a use of their own in both of them, by the newer and the older name.
const FURTHER_TOKENS: &str = "extra_special_tokens";
const FURTHER_TOKENS_BEFORE: &str = "additional_special_tokens";
/// The template of a chat, where it is a file of its own.
const CHAT_TEMPLATE: &str = "chat_template.jinja";

/// What makes a tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenizerFiles {
    /// Files of a folder.
    Folder {
        /// Pieces and algorithm.
        vocabulary: Vocabulary,
        /// Contents of `tokenizer_config.json`, parsed, with those of `special_tokens_map.json` in it where they
        /// count: without an `added_tokens_decoder`, and then before the former's own, as in transformers.
        tokenizer_config: Option<Value>,
        /// Contents of `added_tokens.json`, parsed; `None` where the configuration lists such tokens itself.
        added_tokens: Option<Value>,
        /// The chat template, in Jinja.
        chat_template: Option<String>,
    },
    /// The metadata of a GGUF file: `tokenizer.ggml.*` and `tokenizer.chat_template`.
    Gguf(Metadata),
}

/// The file of a folder that holds the tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Vocabulary {
    /// Contents of `tokenizer.json`.
    TokenizerJson(Vec<u8>),
    /// Contents of `tokenizer.model`, a SentencePiece model.
    SentencePiece(Vec<u8>),
    /// Pieces and merges, as two files.
    Merges {
        /// Contents of `vocab.json`.
        pieces: Vec<u8>,
        /// Contents of `merges.txt`.
        merges: Vec<u8>,
        /// The `tokenizer_class` of `tokenizer_config.json` or `config.json`.
        stated_class: Option<String>,
        /// The class that all models of the family have.
        family_class: Option<&'static str>,
    },
}

impl Vocabulary {
    fn read(
        folder: &Folder,
        config: &Value,
        tokenizer_config: Option<&Value>,
    ) -> Result<Option<Self>, FormatError> {
        let plain = |contents: Vec<u8>| match json::without_mark(&contents) {
            all if all.len() == contents.len() => contents,
            rest => rest.to_vec(),
        };
        if let Some(contents) = folder.read(TOKENIZER)? {
            return Ok(Some(Self::TokenizerJson(plain(contents))));
        }
        if let Some(model) = folder.read(SENTENCEPIECE)? {
            return Ok(Some(Self::SentencePiece(model)));
        }
        let (Some(pieces), Some(merges)) = (folder.read(PIECES)?, folder.read(MERGES)?) else {
            return Ok(None);
        };
        let (pieces, merges) = (plain(pieces), plain(merges));
        let class = |config: &Value| json::as_text(&config["tokenizer_class"]).map(str::to_owned);
        let family_class = json::as_text(&config["model_type"]).and_then(tokenizer_class);
        let stated_class = tokenizer_config.and_then(class).or_else(|| class(config));
        Ok(Some(Self::Merges { pieces, merges, stated_class, family_class }))
    }
}

/// A folder's tokenizer; `None` where there is none. `config` is the contents of `config.json`.
pub(super) fn read(folder: &Folder, config: &Value) -> Result<Option<TokenizerFiles>, FormatError> {
    let tokenizer_config = read_config(folder)?;
    let Some(vocabulary) = Vocabulary::read(folder, config, tokenizer_config.as_ref())? else {
        return Ok(None);
    };
    let added_tokens =
        if lists_tokens(tokenizer_config.as_ref()) { None } else { folder.read_json(ADDED_TOKENS)? };
    let chat_template = read_chat_template(folder, tokenizer_config.as_ref())?;
    Ok(Some(TokenizerFiles::Folder { vocabulary, tokenizer_config, added_tokens, chat_template }))
}

/// What a header tells about a tokenizer: its algorithm and whether there is a chat template.
pub(super) struct TextFacts {
    /// Such as `BPE`; `None` without a tokenizer.
    pub algorithm: Option<String>,
    /// Whether there is a template.
    pub chat_template: bool,
}

/// The facts of a folder, without its tokens.
pub(super) fn inspect(folder: &Folder) -> Result<TextFacts, FormatError> {
    let algorithm = match folder.read_json(TOKENIZER)? {
        Some(tokenizer) => {
            let kind = tokenizer.pointer("/model/type").and_then(json::as_text);
            Some(kind.unwrap_or("of unknown kind").to_owned())
        }
        None if folder.has(SENTENCEPIECE) => Some("SentencePiece".to_owned()),
        None if folder.has(PIECES) && folder.has(MERGES) => Some("BPE".to_owned()),
        None => None,
    };
    let chat_template = read_chat_template(folder, read_config(folder)?.as_ref())?.is_some();
    Ok(TextFacts { algorithm, chat_template })
}

/// Whether the configuration has the tokens that older folders have in files of their own.
fn lists_tokens(tokenizer_config: Option<&Value>) -> bool {
    tokenizer_config.is_some_and(|config| config.get(ADDED_TOKENS_FIELD).is_some())
}

/// `tokenizer_config.json` with `special_tokens_map.json` in it.
fn read_config(folder: &Folder) -> Result<Option<Value>, FormatError> {
    let config = folder.read_json(TOKENIZER_CONFIG)?;
    if lists_tokens(config.as_ref()) {
        return Ok(config);
    }
    let Some(special) = folder.read_json(SPECIAL_TOKENS)? else { return Ok(config) };
    let mut config = config.unwrap_or_else(|| Value::Object(Map::new()));
    if let (Value::Object(config), Value::Object(special)) = (&mut config, special) {
        put_in(config, special);
    }
    Ok(Some(config))
}

/// Fields of `special_tokens_map.json` go before those of `tokenizer_config.json`; of further special tokens both
/// lists count, where the older name is the newer one's in the configuration alone.
fn put_in(config: &mut Map<String, Value>, special: Map<String, Value>) {
    let empty = |value: &Value| value.as_array().map_or(value.is_null(), Vec::is_empty);
    if config.get(FURTHER_TOKENS).is_none_or(empty)
        && let Some(listed) = config.remove(FURTHER_TOKENS_BEFORE)
    {
        config.insert(FURTHER_TOKENS.to_owned(), listed);
    }
    for (name, value) in special {
        match (config.get_mut(&name), value) {
            (Some(Value::Array(known)), Value::Array(more)) if name == FURTHER_TOKENS => known.extend(more),
            (_, value) => {
                config.insert(name, value);
            }
        }
    }
}

/// The chat template: a file of its own, or a field of `tokenizer_config.json`, which is a text or a list of named
/// ones with a `default`.
fn read_chat_template(
    folder: &Folder,
    tokenizer_config: Option<&Value>,
) -> Result<Option<String>, FormatError> {
    if let Some(bytes) = folder.read(CHAT_TEMPLATE)? {
        let malformed = |_| FormatError::malformed(&folder.place(CHAT_TEMPLATE), "it is not UTF-8 text");
        return String::from_utf8(bytes).map(Some).map_err(malformed);
    }
    let Some(field) = tokenizer_config.and_then(|config| config.get("chat_template")) else {
        return Ok(None);
    };
    let named = field.as_array().into_iter().flatten().find(|template| template["name"] == "default");
    let text = json::as_text(field).or_else(|| json::as_text(&named?["template"]));
    Ok(text.map(str::to_owned))
}
