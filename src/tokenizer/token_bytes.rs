//! The bytes of a model's tokens, in the form in which a grammar looks at them.

use std::collections::HashMap;
use std::sync::Arc;

use llguidance::toktrie::{ApproximateTokEnv, INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie};

/// The bytes of a model's tokens, in the form in which a grammar looks at them.
#[derive(Clone)]
pub(super) struct TokenBytes {
    /// As the library takes them.
    pub env: TokEnv,
    /// For each id the one that stands for it: the first with the same bytes. Its own for ids without any.
    pub first: Arc<[u32]>,
}

impl TokenBytes {
    /// Of a model with `vocabulary` ids; `bytes` gives those of each.
    pub(super) fn new(vocabulary: usize, bytes: impl Fn(u32) -> Vec<u8>) -> Self {
        let mut words: Vec<Vec<u8>> = Vec::with_capacity(vocabulary);
        let mut first = Vec::with_capacity(vocabulary);
        let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
        for id in 0..vocabulary as u32 {
            let mut word = bytes(id);
            // No text has this byte, and the library marks special tokens with it.
            if word.contains(&0xFF) {
                word.clear();
            }
            let representative = if word.is_empty() { id } else { *seen.entry(word.clone()).or_insert(id) };
            words.push(if representative == id { word } else { Vec::new() });
            first.push(representative);
        }
        let trie = TokTrie::from(&TokRxInfo::new(vocabulary as u32, INVALID_TOKEN), &words);
        Self { env: Arc::new(ApproximateTokEnv::new(trie)), first: first.into() }
    }
}
