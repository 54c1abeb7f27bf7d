//! Stages that cut tokens by their id, whatever the logits. They may cut all of them: what is banned is never
//! chosen, and the run ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::decoding::constraint::SharedConstraint;
use crate::decoding::row::Row;

/// Cuts what a grammar does not let follow the new tokens; ids that it does not know as well.
pub fn grammar(row: &mut Row, constraint: &SharedConstraint, generated: &[u32]) -> usize {
    constraint.with_allowed(generated, |allowed| {
        row.kept.retain(|&id| allowed.get(id as usize).copied().unwrap_or_default());
    });
    0
}

/// Cuts each token that followed, anywhere in `tokens`, the same `length − 1` tokens that are the last now.
pub fn no_repeat_ngram(row: &mut Row, length: usize, tokens: &[u32]) -> usize {
    let Some(start) = (tokens.len() + 1).checked_sub(length).filter(|_| length > 0) else { return 0 };
    let last = &tokens[start..];
    let repeats: BTreeSet<u32> =
        tokens.windows(length).filter(|ngram| ngram[..length - 1] == *last).map(|n| n[length - 1]).collect();
    cut(row, &repeats);
    0
}

/// Cuts the last token of each of `words` whose other tokens are the last now; words of one token always.
pub fn bad_words(row: &mut Row, words: &[Vec<u32>], tokens: &[u32]) -> usize {
    let completes = |word: &Vec<u32>| {
        let (&last, before) = word.split_last()?;
        tokens.ends_with(before).then_some(last)
    };
    cut(row, &words.iter().filter_map(completes).collect());
    0
}

/// Cuts the tokens `eos` while fewer than `count` tokens were generated.
pub fn min_new_tokens(row: &mut Row, count: usize, eos: &[u32], generated: usize) -> usize {
    if generated < count {
        cut(row, &eos.iter().copied().collect());
    }
    0
}

/// At a step of `forced` (from 1, so one more than were generated) cuts all but the step's token. That keeps
/// its value, where transformers gives it 0: with nothing beside it its probability is 1 either way. Where that token
/// was cut before, nothing is left.
pub fn forced_tokens(row: &mut Row, forced: &BTreeMap<usize, u32>, generated: usize) -> usize {
    if let Some(&token) = forced.get(&(generated + 1)) {
        row.kept.retain(|&id| id == token);
    }
    0
}

/// Cuts the tokens of `banned`, a forced one as well.
pub fn suppress_tokens(row: &mut Row, banned: &BTreeSet<u32>) -> usize {
    cut(row, banned);
    0
}

fn cut(row: &mut Row, banned: &BTreeSet<u32>) {
    if !banned.is_empty() {
        row.kept.retain(|id| !banned.contains(id));
    }
}
