//! From a model's files to its tokenizer, with its chat template.

use super::load::LoadError;
use crate::formats::gguf::Metadata;
use crate::formats::gguf::keys::CHAT_TEMPLATE;
use crate::formats::{self, FormatError, ModelFile, TokenizerFiles, Vocabulary, is_end_text};
use crate::tokenizer::chat::{ChatTemplate, special_texts};
use crate::tokenizer::gguf::{GgufVocabulary, kind};
use crate::tokenizer::merges::MergesFiles;
use crate::tokenizer::{Tokenizer, TokenizerError};

/// The tokenizer of a model's files. If these do not say how to tokenise, the reason comes instead, which is a warning
/// as well; both are `None` if there is no tokenizer.
pub(super) fn read(file: &mut ModelFile) -> Result<(Option<Tokenizer>, Option<String>), LoadError> {
    let made = match &file.tokenizer {
        None => return Ok((None, None)),
        Some(TokenizerFiles::Gguf(metadata)) => {
            gguf_tokenizer(metadata, &file.special.eos, &mut file.warnings)?
        }
        Some(TokenizerFiles::Folder { vocabulary, tokenizer_config, added_tokens, chat_template }) => {
            let (config, added) = (tokenizer_config.as_ref(), added_tokens.as_ref());
            tokenizer(vocabulary, config, added, chat_template.as_deref())
        }
    };
    usable(made, file)
}

/// The tokenizer that the files describe, with its chat template. A broken template is told where it is used: the
/// model runs without.
fn tokenizer(
    vocabulary: &Vocabulary,
    config: Option<&serde_json::Value>,
    added_tokens: Option<&serde_json::Value>,
    chat_template: Option<&str>,
) -> Result<Tokenizer, TokenizerError> {
    let mut special = config.map(special_texts).unwrap_or_default();
    let mut tokenizer = match vocabulary {
        Vocabulary::TokenizerJson(contents) => {
            Tokenizer::from_json_and_tokens(contents, config, added_tokens)?
        }
        Vocabulary::SentencePiece(contents) => Tokenizer::from_sentencepiece(contents, config, added_tokens)?,
        Vocabulary::Merges { pieces, merges, stated_class, family_class } => {
            let files = MergesFiles {
                vocabulary: pieces,
                merges,
                added_tokens,
                config,
                stated_class: stated_class.as_deref(),
                family_class: *family_class,
            };
            special = special_texts(&files.special_tokens()?);
            Tokenizer::from_merges(files)?
        }
    };
    if let Some(source) = chat_template {
        tokenizer.chat = ChatTemplate::new(source, special);
    }
    Ok(tokenizer)
}

/// The tokenizer that was made. Where the files do not say how to tokenise, that is a warning, and the reason comes
/// back: the model runs on token ids.
fn usable(
    made: Result<Tokenizer, TokenizerError>,
    file: &mut ModelFile,
) -> Result<(Option<Tokenizer>, Option<String>), LoadError> {
    match made {
        Ok(tokenizer) => Ok((Some(tokenizer), None)),
        Err(TokenizerError::Unreproducible { reason }) => {
            file.warnings.push(TokenizerError::Unreproducible { reason: reason.clone() }.to_string());
            Ok((None, Some(reason)))
        }
        Err(reason) => Err(LoadError::Tokenizer { path: file.path.clone(), reason }),
    }
}

/// The tokenizer in a GGUF file's metadata, with its chat template; `ends` are the tokens that end a text. What is
/// odd about its tokens is a warning.
fn gguf_tokenizer(
    metadata: &Metadata,
    ends: &[u32],
    warnings: &mut Vec<String>,
) -> Result<Result<Tokenizer, TokenizerError>, FormatError> {
    let mut vocabulary = gguf_vocabulary(metadata, warnings)?;
    mark_ends(&mut vocabulary, ends);
    let template = metadata.text(CHAT_TEMPLATE)?;
    let made = Tokenizer::from_gguf(&vocabulary).map(|mut tokenizer| {
        if let Some(source) = template {
            tokenizer.chat = ChatTemplate::new(source, special_texts(&vocabulary.special_tokens()));
        }
        tokenizer
    });
    if made.is_ok() {
        warnings.extend(vocabulary.oddities());
    }
    Ok(made)
}

/// What `tokenizer.ggml.*` says.
fn gguf_vocabulary(metadata: &Metadata, warnings: &mut Vec<String>) -> Result<GgufVocabulary, FormatError> {
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let texts = |name: &str| Ok(metadata.byte_texts(&key(name))?.unwrap_or_default());
    let tokens: Vec<&[u8]> = texts("tokens")?;
    let lossy: Vec<String> = tokens.iter().map(|token| String::from_utf8_lossy(token).into_owned()).collect();
    let broken = tokens.iter().enumerate().filter(|(_, token)| std::str::from_utf8(token).is_err());
    // No text is merged to a token that is not UTF-8.
    let merges = texts("merges")?.into_iter().filter_map(|merge| std::str::from_utf8(merge).ok());
    let id = |name: &str| formats::gguf_special_id(metadata, name);
    let inside = |id: i64| u64::try_from(id).ok().filter(|&id| id < tokens.len() as u64);
    // Of the other special ids the file's reader tells.
    let unknown = id("unknown_token_id")?;
    if let Some(outside) = unknown.filter(|&id| inside(id).is_none()) {
        let count = tokens.len();
        warnings
            .push(format!("unknown_token_id names {outside}, outside the vocabulary of {count}; ignored"));
    }
    Ok(GgufVocabulary {
        model: metadata.text(&key("model"))?.unwrap_or_default().to_owned(),
        pre: metadata.text(&key("pre"))?.map(str::to_owned),
        broken: broken.map(|(id, token)| (id, token.to_vec())).collect(),
        scores: metadata.numbers(&key("scores"))?.unwrap_or_default(),
        merges: merges.map(str::to_owned).collect(),
        kinds: metadata.numbers(&key("token_type"))?.unwrap_or_default(),
        bos: id("bos_token_id")?.and_then(inside),
        eos: id("eos_token_id")?.and_then(inside),
        unknown: unknown.and_then(inside),
        add_bos: metadata.flag(&key("add_bos_token"))?,
        add_eos: metadata.flag(&key("add_eos_token"))?,
        add_space_prefix: metadata.flag(&key("add_space_prefix"))?,
        // The file stores these as a kind of number.
        precompiled_charsmap: metadata
            .numbers(&key("precompiled_charsmap"))?
            .map(|numbers| numbers.into_iter().map(|byte| byte as i64 as u8).collect())
            .unwrap_or_default(),
        remove_extra_whitespaces: metadata.flag(&key("remove_extra_whitespaces"))?,
        tokens: lossy,
    })
}

/// Makes control tokens of those whose text alone tells that they end one, as llama.cpp does: files give them other
/// types by mistake.
fn mark_ends(vocabulary: &mut GgufVocabulary, ends: &[u32]) {
    if vocabulary.kinds.is_empty() {
        vocabulary.kinds.resize(vocabulary.tokens.len(), kind::NORMAL);
    }
    for id in ends.iter().map(|&id| id as usize) {
        let text = vocabulary.tokens.get(id);
        if let (Some(true), Some(its)) = (text.map(|text| is_end_text(text)), vocabulary.kinds.get_mut(id)) {
            *its = kind::CONTROL;
        }
    }
}
