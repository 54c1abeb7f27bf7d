//! Sequences as the texts that they stand for.

use std::collections::HashMap;

use crate::model::SequenceId;

/// Texts by their handles.
#[derive(Default)]
pub(super) struct Sequences {
    texts: HashMap<SequenceId, Vec<u32>>,
    next: u32,
}

/// Why a handle is always known.
const RELEASED: &str = "the sequence is not released";

impl Sequences {
    pub(super) fn add(&mut self, text: Vec<u32>) -> SequenceId {
        let id = SequenceId(self.next);
        self.next += 1;
        self.texts.insert(id, text);
        id
    }

    pub(super) fn text(&self, sequence: SequenceId) -> &[u32] {
        self.texts.get(&sequence).expect(RELEASED)
    }

    pub(super) fn length(&self, sequence: SequenceId) -> usize {
        self.text(sequence).len()
    }

    pub(super) fn push(&mut self, sequence: SequenceId, token: u32) {
        self.texts.get_mut(&sequence).expect(RELEASED).push(token);
    }

    /// Puts a token in the place of one that was not known.
    pub(super) fn set(&mut self, sequence: SequenceId, position: usize, token: u32) {
        if let Some(place) = self.texts.get_mut(&sequence).and_then(|text| text.get_mut(position)) {
            *place = token;
        }
    }

    pub(super) fn truncate(&mut self, sequence: SequenceId, length: usize) {
        self.texts.get_mut(&sequence).expect(RELEASED).truncate(length);
    }

    pub(super) fn release(&mut self, sequence: SequenceId) {
        self.texts.remove(&sequence).expect(RELEASED);
    }
}
