//! A tokenizer that is elsewhere: a server's, which makes ids of texts and tells what its tokens are.

use super::chat::Conversation;

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
