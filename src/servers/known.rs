//! The tokens that a server has told so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::row::SentPiece;
use crate::tokenizer::RemotePiece;

/// Tokens by their ids; all copies are one.
#[derive(Clone, Default)]
pub(super) struct KnownPieces {
    pieces: Arc<Mutex<HashMap<u32, RemotePiece>>>,
    /// Tokens that end a text.
    eos: Arc<[u32]>,
}

impl KnownPieces {
    /// None yet, of a server whose texts end with these.
    pub(super) fn of(eos: &[u32]) -> Self {
        Self { eos: eos.into(), ..Self::default() }
    }

    /// Takes what a server told.
    pub(super) fn take<'a>(&self, sent: impl IntoIterator<Item = &'a SentPiece>) {
        let mut pieces = self.pieces();
        for piece in sent {
            pieces.entry(piece.id).or_insert_with(|| {
                let special = piece.special.unwrap_or(self.eos.contains(&piece.id));
                let bytes = if special { Some(Vec::new()) } else { piece.bytes.clone() };
                RemotePiece { text: piece.piece.clone(), bytes, special }
            });
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<RemotePiece> {
        self.pieces().get(&id).cloned()
    }

    /// Those of the ids that are not known, once each.
    pub(super) fn unknown(&self, ids: &[u32]) -> Vec<u32> {
        let pieces = self.pieces();
        let mut unknown: Vec<u32> = ids.iter().copied().filter(|id| !pieces.contains_key(id)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    fn pieces(&self) -> MutexGuard<'_, HashMap<u32, RemotePiece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
