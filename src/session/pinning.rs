//! Pinned tokens: which pin themselves, and the search for others in the vocabulary.

use super::event::{Event, PinnedToken};
use super::load::ReadyModel;
use super::worker::Worker;
use crate::model::selection::MOST_PINNED;
use crate::tokenizer::Tokenizer;
use crate::tokenizer::markers::ends_of_thinking;
use crate::trace::Token;

/// Most tokens that pin themselves: half of all, so that there is room for a person's.
const MOST_AUTOMATIC: usize = MOST_PINNED / 2;

/// Most tokens that a search gives.
const MOST_FOUND: usize = 40;

impl Worker {
    /// Pins these tokens beside those that pin themselves, and tells which are pinned now.
    pub(super) fn pin(&mut self, tokens: Vec<u32>) {
        self.pins = tokens;
        self.tell_pins();
        let ids = self.pinned_ids();
        if let Some(ready) = &mut self.ready {
            for run in self.live.iter().chain(self.lanes.others()) {
                run.decode.pin(ready, &ids);
            }
        }
    }

    /// The ids to pin: those that pin themselves, then a person's, each once.
    pub(super) fn pinned_ids(&self) -> Vec<u32> {
        let Some(ready) = &self.ready else { return Vec::new() };
        let mut ids = automatic(ready);
        for &id in &self.pins {
            if (id as usize) < ready.model.vocabulary() && !ids.contains(&id) && ids.len() < MOST_PINNED {
                ids.push(id);
            }
        }
        ids
    }

    /// Tells which tokens are pinned.
    pub(super) fn tell_pins(&self) {
        let Some(ready) = &self.ready else { return };
        let automatic = automatic(ready);
        let pinned = self.pinned_ids().into_iter().map(|id| PinnedToken {
            automatic: automatic.contains(&id),
            token: token(ready.tokenizer.as_ref(), id),
        });
        self.outbox.send(Event::Pinned(pinned.collect()));
    }

    /// Looks for tokens by their spelling, or by id.
    pub(super) fn find_tokens(&self, query: String) {
        let tokens = self.ready.as_ref().map(|ready| find(ready, &query)).unwrap_or_default();
        self.outbox.send(Event::FoundTokens { query, tokens });
    }
}

/// The tokens that pin themselves: they end a text, or the model's thinking.
fn automatic(ready: &ReadyModel) -> Vec<u32> {
    let spelled = |piece: &str| ready.tokenizer.as_ref().and_then(|tokenizer| tokenizer.id(piece));
    let thoughts = ends_of_thinking(|tag| spelled(tag).is_some()).filter_map(spelled);
    let ends = ready.loaded.eos.iter().copied().chain(thoughts);
    let mut ids: Vec<u32> = Vec::new();
    for id in ends {
        if (id as usize) < ready.model.vocabulary() && !ids.contains(&id) && ids.len() < MOST_AUTOMATIC {
            ids.push(id);
        }
    }
    ids
}

/// The first tokens that fit: of this id, then those of this text, those that begin with it, and those that hold it,
/// whatever the case of their letters and with or without a space before them.
fn find(ready: &ReadyModel, query: &str) -> Vec<Token> {
    let vocabulary = ready.model.vocabulary() as u32;
    let tokenizer = ready.tokenizer.as_ref();
    let by_id = query.trim().parse().ok().filter(|&id| id < vocabulary);
    let wanted = query.to_lowercase();
    let mut found: Vec<(usize, u32)> = Vec::new();
    if let (Some(tokenizer), false) = (tokenizer, wanted.trim().is_empty()) {
        found.extend((0..vocabulary).filter_map(|id| Some((closeness(tokenizer, id, query, &wanted)?, id))));
        found.sort_unstable();
    }
    let ids = by_id.into_iter().chain(found.into_iter().map(|(_, id)| id).filter(|id| Some(*id) != by_id));
    ids.take(MOST_FOUND).map(|id| token(tokenizer, id)).collect()
}

/// How far a token is from a query, from 0; `None` where it does not hold it. Longer tokens are farther.
fn closeness(tokenizer: &Tokenizer, id: u32, query: &str, lowered: &str) -> Option<usize> {
    /// More than any token has characters.
    const CLASS: usize = 1 << 20;
    let bytes = tokenizer.bytes(id);
    let text = if bytes.is_empty() { tokenizer.piece(id)? } else { String::from_utf8(bytes).ok()? };
    let (bare, small) = (text.strip_prefix(' ').unwrap_or(&text), text.to_lowercase());
    let class = if text == query {
        0
    } else if bare == query {
        1
    } else if small.trim_start() == lowered {
        2
    } else if small.trim_start().starts_with(lowered.trim_start()) {
        3
    } else if small.contains(lowered) {
        4
    } else {
        return None;
    };
    Some(class * CLASS + text.chars().count())
}

fn token(tokenizer: Option<&Tokenizer>, id: u32) -> Token {
    let piece = tokenizer.and_then(|tokenizer| tokenizer.readable_piece(id)).unwrap_or_default();
    Token { id, piece }
}
