//! Tokenizers from `tokenizer.json`, and from descriptions in its form.

use tokenizers::AddedToken;

use super::added;
use super::codec::Tokenizer;
use super::error::{TokenizerError, malformed};
use super::guarded::guarded;
use super::troubles;

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
    pub(super) fn from_description(
        description: &serde_json::Value,
        config: &serde_json::Value,
    ) -> Result<Self, TokenizerError> {
        Self::new(parse(description.to_string().as_bytes())?, Some(config))
    }
}

/// What `tokenizer.json` describes, without the truncation and the padding that it asks for.
pub(super) fn parse(tokenizer_json: &[u8]) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let mut inner = guarded(|| tokenizers::Tokenizer::from_bytes(tokenizer_json))
        .map_err(|told| malformed(troubles::words(&told, tokenizer_json)))?;
    guarded(|| inner.with_truncation(None).map(|_| ())).map_err(malformed)?;
    inner.with_padding(None);
    Ok(inner)
}

/// The tokens that the files beside the vocabulary give it.
pub(super) fn tokens_beside(
    inner: &tokenizers::Tokenizer,
    config: &serde_json::Value,
    added: Option<&serde_json::Value>,
) -> Result<Vec<AddedToken>, TokenizerError> {
    let own = inner.get_added_vocabulary().get_added_tokens_decoder();
    let own = own.iter().map(|(&id, token)| (id, token.clone())).collect();
    added::tokens_beside(&own, config, added).map_err(malformed)
}

/// Gives the tokenizer more tokens.
pub(super) fn add_tokens(
    inner: &mut tokenizers::Tokenizer,
    tokens: Vec<AddedToken>,
) -> Result<(), TokenizerError> {
    guarded(|| inner.add_tokens(tokens).map(|_| ())).map_err(malformed)
}
