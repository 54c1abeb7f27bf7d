//! Ids become text one at a time, and bytes that do not make a whole character yet are held back.

use super::Tokenizer;

/// The streaming state of one text.
#[derive(Clone, Debug, Default)]
pub struct Detokeniser {}

/// What one more id gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detokenised {
    /// The text that became whole; empty while bytes are held back.
    pub text: String,
    /// Bytes held back after this id.
    pub held: Vec<u8>,
}

impl Detokeniser {
    /// Takes the next id; the texts of all pushes together are the tokenizer's own decoding.
    pub fn push(&mut self, _tokenizer: &Tokenizer, _id: u32) -> Detokenised {
        todo!()
    }
}
