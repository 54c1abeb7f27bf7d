//! Drafting without a second model: what followed the same tokens earlier in prompt or text (prompt lookup
//! decoding, Saxena 2023).

use super::drafter::{Draft, DraftToken, Drafter};
use crate::decoding::error::DecodingError;
use crate::decoding::strategy::Control;
use crate::decoding::text::Text;
use crate::model::ModelError;
use crate::trace::strategies;

/// Tokens at the text's end that are looked up: the longest that occurred before.
const LONGEST: usize = 5;
const SHORTEST: usize = 2;

/// Looks drafts up in prompt and text.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookupDrafter;

impl Drafter for LookupDrafter {
    fn name(&self) -> strategies::DraftSource {
        strategies::DraftSource::PromptLookup
    }

    fn draft(&mut self, text: &Text, most: usize, _: &mut Control<'_>) -> Result<Draft, DecodingError> {
        let mut tokens = continuation(&text.tokens, most);
        if let Some(end) = tokens.iter().position(|token| text.ending.eos.contains(token)) {
            tokens.truncate(end + 1);
        }
        let certain = |token| DraftToken { token, probability: 1.0, drawn_from: None };
        Ok(Draft { tokens: tokens.into_iter().map(certain).collect(), passes: 0 })
    }

    fn keep(&mut self, _: &[u32]) {}

    fn branch(&mut self, _: &[u32]) -> Result<Box<dyn Drafter>, ModelError> {
        Ok(Box::new(*self))
    }

    fn release(&mut self) {}
}

/// The `most` tokens that followed the latest earlier occurrence of the text's last few tokens, of the longest of
/// these that has one. What follows may reach into the draft itself, so that a text which goes in circles is
/// drafted as far as is asked. Empty if there is none.
fn continuation(text: &[u32], most: usize) -> Vec<u32> {
    let follows = |length: usize| {
        let (before, last) = (text.len().checked_sub(1)?, text.len().checked_sub(length)?);
        text[..before].windows(length).rposition(|window| *window == text[last..]).map(|at| at + length)
    };
    let Some(from) = (SHORTEST..=LONGEST).rev().find_map(follows) else { return Vec::new() };
    let mut tokens = text.to_vec();
    for index in from..from + most {
        tokens.push(tokens[index]);
    }
    tokens.split_off(text.len())
}

#[cfg(test)]
mod tests {
    use super::continuation;

    #[test]
    fn the_longest_match_wins_and_the_latest_of_equally_long_ones() {
        assert_eq!(continuation(&[1, 2, 3, 4, 7, 2, 3, 9, 1, 2, 3], 2), [4, 7]);
        assert_eq!(continuation(&[8, 2, 3, 4, 7, 2, 3, 9, 1, 2, 3], 2), [9, 1]);
        assert_eq!(continuation(&[1, 2, 3, 2], 3), [0; 0], "one token is too little to go by");
        assert_eq!(continuation(&[1], 3), [0; 0]);
        assert_eq!(continuation(&[], 3), [0; 0]);
    }

    #[test]
    fn a_circle_is_followed_beyond_the_end_of_the_text() {
        assert_eq!(continuation(&[5, 1, 2, 3, 1, 2, 3], 7), [1, 2, 3, 1, 2, 3, 1]);
        assert_eq!(continuation(&[4, 4, 4], 3), [4, 4, 4]);
    }
}
