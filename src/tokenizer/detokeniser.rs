//! Ids become text one at a time, and bytes that do not make a whole character yet are held back.
//!
//! Each id is turned into the bytes it adds after the id before it, so a push costs the same however long
//! the text is. A generated text goes on where its prompt ends: push the prompt's ids first, or the first
//! generated token loses its leading space under a decoder that strips one at the start of a text.

use super::codec::{BytesAre, NEUTRAL, Tokenizer};
use super::spelling::Spelling;

/// The streaming state of one text.
#[derive(Clone, Debug, Default)]
pub struct Detokeniser {
    /// The piece before, special tokens left out, or a neutral one after raw bytes; `None` at the start of
    /// the text.
    before: Option<String>,
    /// Bytes of a character that is not whole yet.
    held: Vec<u8>,
    /// The ids that are parts of that character, where what they add is not told byte by byte.
    parts: Vec<u32>,
}

/// Most ids of one character: its bytes.
const MOST_PARTS: usize = 4;

/// What one more id gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detokenised {
    /// The text that became whole; empty while bytes are held back.
    pub text: String,
    /// Bytes held back after this id.
    pub held: Vec<u8>,
}

impl Detokeniser {
    /// The state after `ids`, such as those of a prompt.
    pub fn after(tokenizer: &Tokenizer, ids: &[u32]) -> Self {
        let mut detokeniser = Self::default();
        for &id in ids {
            detokeniser.push(tokenizer, id);
        }
        detokeniser
    }

    /// Takes the next id; the texts of all pushes together are the tokenizer's own decoding, special tokens
    /// left out, up to the bytes still held.
    ///
    /// Bytes that cannot become a character any more turn into U+FFFD. With byte fallback a whole character
    /// once given stays, whereas the tokenizer's own decoding drops it when broken bytes follow at once.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Detokenised {
        let Some((piece, bytes, kind)) = tokenizer.added_text(self.before.as_deref(), id) else {
            return Detokenised { text: String::new(), held: self.held.clone() };
        };
        let mut text = String::new();
        self.parts.push(id);
        if let Some(parts) = tokenizer.text_of_parts(&self.parts) {
            // Told together only, and whole once no character of it is replaced.
            if parts.ends_with('\u{fffd}') && self.parts.len() < MOST_PARTS {
                self.held = parts.into_bytes();
                return Detokenised { text, held: self.held.clone() };
            }
            (self.held, self.parts) = (Vec::new(), Vec::new());
            return Detokenised { text: parts, held: Vec::new() };
        }
        self.parts.clear();
        match kind {
            BytesAre::Raw => self.before = Some(NEUTRAL.to_owned()),
            BytesAre::Text => {
                self.before = Some(piece);
                text = self.finish(tokenizer);
            }
        }
        self.held.extend(bytes);
        self.take_whole(tokenizer.spelling, &mut text);
        Detokenised { text, held: self.held.clone() }
    }

    /// The end of the text: the bytes still held, as U+FFFD, in the way in which the tokenizer writes them.
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> String {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { String::new() } else { replacement(tokenizer.spelling, held.len()) }
    }

    /// Moves what is whole, and what can never be, from the held bytes to `text`.
    fn take_whole(&mut self, spelling: Spelling, text: &mut String) {
        let mut rest = self.held.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (whole, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    rest = after;
                    let Some(broken) = error.error_len() else { break };
                    text.push_str(&replacement(spelling, broken));
                    rest = &rest[broken..];
                }
            }
        }
        self.held = rest.to_vec();
    }
}

impl Tokenizer {
    /// The text of ids, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        if self.is_remote() || ids.iter().any(|id| self.odd.get(id).is_some_and(|odd| odd.bytes.is_some())) {
            let mut detokeniser = Detokeniser::default();
            let text: String = ids.iter().map(|&id| detokeniser.push(self, id).text).collect();
            return text + &detokeniser.finish(self);
        }
        let pieces: Vec<String> = ids.iter().filter_map(|&id| self.text_piece(id)).collect();
        self.joined(&pieces.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// U+FFFD for one broken run of bytes: one for each byte under byte fallback, one in all otherwise.
fn replacement(spelling: Spelling, bytes: usize) -> String {
    let count = if spelling == Spelling::ByteFallback { bytes } else { 1 };
    "\u{fffd}".repeat(count)
}
