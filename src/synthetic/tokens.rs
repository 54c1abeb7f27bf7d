//! Prompts without a text.

/// Made-up tokens: spread over the vocabulary, the same each time.
pub fn spread_tokens(count: usize, vocabulary: usize) -> Vec<u32> {
    (0..count).map(|index| (index * 7919 % vocabulary) as u32).collect()
}
