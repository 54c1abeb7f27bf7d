//! A tokenizer that is elsewhere: a server's, which makes ids of texts and tells what its tokens are.

use super::chat::Conversation;
use super::spelling::spelled;

/// Whether special tokens are added around a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddSpecial {
    /// As the tokenizer's file says.
    AsFileSays,
    /// None.
    Never,
}

/// A tokenizer that is elsewhere. What it told of a token it need not be asked again.
pub trait RemoteTokenizer: Send {
    /// One more than the highest id.
    fn vocabulary_size(&self) -> usize;

    /// The ids of a text, in which special tokens that are written out are special tokens. An error is a sentence for people.
    fn encode(&self, text: &str, special: AddSpecial) -> Result<Vec<u32>, String>;

    /// The ids of a conversation by its own chat template, up to where the assistant begins to speak.
    fn encode_chat(&self, conversation: &Conversation) -> Result<Vec<u32>, String>;

    /// Asks for those of these tokens that were not told yet, all in as few requests as that takes. Where that fails they stay
    /// unknown.
    fn learn(&self, ids: &[u32]);

    /// A token; `None` if it is not known.
    fn piece(&self, id: u32) -> Option<RemotePiece>;

    /// The text of several ids in a row, in the middle of a text; `None` if it is not told.
    fn text(&self, ids: &[u32]) -> Option<String>;
}

/// What is known of a token that is elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemotePiece {
    /// Its text, in the middle of a text; special tokens written out.
    pub text: String,
    /// Its bytes; `None` for a part of a character whose bytes are not told. Empty for special tokens.
    pub bytes: Option<Vec<u8>>,
    /// Whether it is special: it has no text.
    pub special: bool,
}

impl RemotePiece {
    /// Its text for a person: bytes that make no whole character are written as vocabularies with byte fallback do.
    pub(super) fn readable(&self) -> String {
        match &self.bytes {
            Some(bytes) if std::str::from_utf8(bytes).is_err() => {
                bytes.iter().copied().map(spelled).collect()
            }
            _ => self.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{Detokeniser, Tokenizer};

    /// A letter, an end of a text, and the halves of an emoji: with bytes, and without.
    struct Far;

    impl RemoteTokenizer for Far {
        fn vocabulary_size(&self) -> usize {
            6
        }

        fn encode(&self, text: &str, _: AddSpecial) -> Result<Vec<u32>, String> {
            if text == "a" { Ok(vec![0]) } else { Err("the server is gone".to_owned()) }
        }

        fn encode_chat(&self, _: &Conversation) -> Result<Vec<u32>, String> {
            Ok(vec![1])
        }

        fn learn(&self, _: &[u32]) {}

        fn piece(&self, id: u32) -> Option<RemotePiece> {
            let piece = |text: &str, bytes: Option<&[u8]>, special| {
                Some(RemotePiece { text: text.to_owned(), bytes: bytes.map(<[u8]>::to_vec), special })
            };
            match id {
                0 => piece("a", Some(b"a"), false),
                1 => piece("</s>", Some(b""), true),
                2 => piece("\u{fffd}", Some(b"\xF0\x9F"), false),
                3 => piece("\u{fffd}", Some(b"\x98\x80"), false),
                4 | 5 => piece("\u{fffd}", None, false),
                _ => None,
            }
        }

        fn text(&self, ids: &[u32]) -> Option<String> {
            Some(if ids == [4, 5] { "\u{1f600}" } else { "\u{fffd}" }.to_owned())
        }
    }

    #[test]
    fn characters_in_pieces_become_whole_whether_bytes_are_told_or_not() {
        let far = Tokenizer::remote(Box::new(Far));
        assert_eq!((far.vocabulary_size(), far.id("a"), far.id("b")), (6, Some(0), None));
        for halves in [[2, 3], [4, 5]] {
            let mut detokeniser = Detokeniser::default();
            let first = detokeniser.push(&far, halves[0]);
            assert!(first.text.is_empty() && !first.held.is_empty(), "{first:?}");
            let whole = detokeniser.push(&far, halves[1]);
            assert_eq!((whole.text.as_str(), whole.held.len()), ("\u{1f600}", 0), "{halves:?}");
            assert_eq!(far.decode(&[0, halves[0], halves[1], 1, 0]), "a\u{1f600}a");
        }
        let readable = |id| far.readable_piece(id).unwrap();
        assert_eq!([2, 4, 1, 0].map(readable), ["<0xF0><0x9F>", "\u{fffd}", "</s>", "a"]);
        assert!(far.is_special(1) && !far.is_special(0) && far.readable_piece(9).is_none());
        let error = far.encode("b", AddSpecial::Never).unwrap_err();
        assert_eq!(error.to_string(), "the server is gone");
    }
}
