//! The tokens of a GGUF file that end a text: those that a key names, and those that only their own text tells, as
//! many files say nothing of the ends of turns. llama.cpp (`llama-vocab.cpp`) goes by the same keys and texts.

use std::collections::HashSet;

use crate::formats::error::FormatError;
use crate::formats::gguf::Metadata;

/// Keys of `tokenizer.ggml` that name the end of a text, of a turn, of a message.
const KEYS: [&str; 3] = ["eos_token_id", "eot_token_id", "eom_token_id"];
/// Keys of what stands around the files of a repository, and the texts of such a token where its key is missing.
const KEYS_OF_FILES: [(&str, &[&str]); 3] = [
    ("fim_pad_token_id", &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"]),
    ("fim_rep_token_id", &["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"]),
    ("fim_sep_token_id", &["<|file_sep|>"]),
];
/// Texts of tokens that end a text, whatever type the file gives them.
const TEXTS: [&str; 22] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];
/// A text, and others that say together that it ends no text.
const EXCEPTIONS: [(&str, &[&str]); 5] = [
    ("<|end|>", &["<|return|>", "<|call|>"]),
    ("<|end|>", &["<|return|>", "<|calls|>"]),
    ("<|end|>", &["<|flush|>", "<|call|>"]),
    ("<|end|>", &["<|flush|>", "<|calls|>"]),
    ("</s>", &["<|tool_response>"]),
];

/// Whether a token of this text ends a text by the text alone, unless another token says otherwise.
pub fn is_end_text(text: &str) -> bool {
    TEXTS.contains(&text) || KEYS_OF_FILES.iter().any(|(_, texts)| texts.contains(&text))
}

/// A special token's id by its key, even where it is none of the vocabulary's; `None` without the key.
pub fn special_id(metadata: &Metadata, name: &str) -> Result<Option<i64>, FormatError> {
    let key = format!("tokenizer.ggml.{name}");
    if !metadata.has(&key) {
        return Ok(None);
    }
    let value = metadata.json(&key)?;
    let id = value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX));
    id.map(Some).ok_or_else(|| metadata.error(&key, "it has to be a whole number"))
}

/// The ids of the tokens that end a text, those that keys name first.
pub(super) fn ends(metadata: &Metadata) -> Result<Vec<i64>, FormatError> {
    let texts = metadata.byte_texts("tokenizer.ggml.tokens")?.unwrap_or_default();
    let named = KEYS.iter().map(|key| special_id(metadata, key));
    let mut ids: Vec<i64> = named.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let mut ends = TEXTS.to_vec();
    for (key, texts) in KEYS_OF_FILES {
        match special_id(metadata, key)? {
            Some(id) => ids.push(id),
            None => ends.extend(texts),
        }
    }
    let is_end = |text: &[u8]| ends.iter().any(|end| end.as_bytes() == text);
    ids.extend((0..).zip(&texts).filter(|(_, text)| is_end(text)).map(|(id, _)| id));
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));

    let text = |id: i64| usize::try_from(id).ok().and_then(|id| texts.get(id).copied()).unwrap_or_default();
    let present: HashSet<&[u8]> = ids.iter().map(|&id| text(id)).collect();
    let excepted =
        EXCEPTIONS.iter().filter(|(_, others)| others.iter().all(|other| present.contains(other.as_bytes())));
    let excepted: Vec<&[u8]> = excepted.map(|(end, _)| end.as_bytes()).collect();
    ids.retain(|&id| !excepted.contains(&text(id)));
    Ok(ids)
}
