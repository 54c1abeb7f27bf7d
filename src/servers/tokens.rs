//! A server's tokenizer.

use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::error::ServerError;
use super::known::KnownPieces;
use super::model::{Shared, locked};
use crate::tokenizer::chat::Conversation;
use crate::tokenizer::{AddSpecial, RemotePiece, RemoteTokenizer};

/// A server's tokenizer.
pub(super) struct ServerTokenizer {
    pub server: Shared,
    pub known: KnownPieces,
    pub vocabulary: usize,
}

impl RemoteTokenizer for ServerTokenizer {
    fn vocabulary_size(&self) -> usize {
        self.vocabulary
    }

    fn encode(&self, text: &str, special: AddSpecial) -> Result<Vec<u32>, String> {
        // Many servers refuse an empty text.
        if text.is_empty() && special == AddSpecial::Never {
            return Ok(Vec::new());
        }
        let adds = special == AddSpecial::AsFileSays;
        said(locked(&self.server).tokenise(text, adds, &AtomicBool::new(false)))
    }

    fn encode_chat(&self, conversation: &Conversation) -> Result<Vec<u32>, String> {
        let messages = conversation.messages.iter().map(|message| message.0.clone().into()).collect();
        let (messages, switches) = (Value::Array(messages), Value::Object(conversation.arguments.clone()));
        said(locked(&self.server).chat(&messages, &switches, &AtomicBool::new(false)))
    }

    fn learn(&self, ids: &[u32]) {
        let unknown = self.known.unknown(ids);
        if unknown.is_empty() {
            return;
        }
        if let Err(error) = locked(&self.server).pieces(&unknown, &AtomicBool::new(false)) {
            log::warn!("the texts of {} tokens are not known: {error}", unknown.len());
        }
    }

    fn piece(&self, id: u32) -> Option<RemotePiece> {
        if self.known.get(id).is_none() && (id as usize) < self.vocabulary {
            self.learn(&[id]);
        }
        self.known.get(id)
    }

    fn text(&self, ids: &[u32]) -> Option<String> {
        locked(&self.server).detokenise(ids, &AtomicBool::new(false)).ok()
    }
}

fn said<T>(result: Result<T, ServerError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
