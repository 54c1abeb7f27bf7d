//! Sequences as the texts that they stand for.

use std::collections::HashMap;

use crate::model::SequenceId;

/// Texts by their handles.
#[derive(Default)]
pub(super) struct Sequences {
    texts: HashMap<SequenceId, Text>,
    next: u32,
}

#[derive(Clone)]
struct Text {
    tokens: Vec<u32>,
    /// Positions that it may get.
    longest: usize,
}

/// Why a handle is always known.
const RELEASED: &str = "the sequence is not released";

impl Sequences {
    pub(super) fn add(&mut self, tokens: Vec<u32>, longest: usize) -> SequenceId {
        self.insert(Text { tokens, longest })
    }

    pub(super) fn fork(&mut self, sequence: SequenceId) -> SequenceId {
        let text = self.texts.get(&sequence).expect(RELEASED).clone();
        self.insert(text)
    }

    fn insert(&mut self, text: Text) -> SequenceId {
        let id = SequenceId(self.next);
        self.next += 1;
        self.texts.insert(id, text);
        id
    }

    pub(super) fn text(&self, sequence: SequenceId) -> &[u32] {
        &self.texts.get(&sequence).expect(RELEASED).tokens
    }

    pub(super) fn length(&self, sequence: SequenceId) -> usize {
        self.text(sequence).len()
    }

    /// Positions that the text may get.
    pub(super) fn longest(&self, sequence: SequenceId) -> usize {
        self.texts.get(&sequence).expect(RELEASED).longest
    }

    pub(super) fn push(&mut self, sequence: SequenceId, token: u32) {
        self.texts.get_mut(&sequence).expect(RELEASED).tokens.push(token);
    }

    /// Puts a token in the place of one that was not known.
    pub(super) fn set(&mut self, sequence: SequenceId, position: usize, token: u32) {
        let text = self.texts.get_mut(&sequence);
        if let Some(place) = text.and_then(|text| text.tokens.get_mut(position)) {
            *place = token;
        }
    }

    pub(super) fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.texts.get_mut(&sequence).expect(RELEASED).tokens.truncate(length);
    }

    pub(super) fn release(&mut self, sequence: SequenceId) {
        self.texts.remove(&sequence).expect(RELEASED);
    }
}
