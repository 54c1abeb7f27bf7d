//! A look ahead: the greedy tokens that would follow a candidate, in a fork that is gone afterwards. The run stays as
//! it is.

use super::decode::Decode;
use super::event::Peeked;
use super::load::ReadyModel;
use crate::model::batch::RowOutput;
use crate::model::selection::SamplingParams;
use crate::model::{Batch, ModelError, SequenceId};
use crate::trace::Token;

/// Most tokens that are looked ahead.
const MOST_PEEKED: usize = 8;

/// Most rows that one pass computes, so that it is over soon.
const CHUNK_ROWS: usize = 64;

/// A look ahead under way.
pub(super) struct Peek {
    pub sequence: SequenceId,
    /// The text, the candidate and what followed.
    text: Vec<u32>,
    /// Most tokens that it may have.
    room: usize,
    /// What is known so far.
    pub told: Peeked,
}

impl Peek {
    /// What would follow a token in the place of a node's; `None` where there is no such node, or no room.
    pub(super) fn begin(
        decode: &mut Decode,
        ready: &mut ReadyModel,
        node: usize,
        token: u32,
    ) -> Result<Option<Self>, ModelError> {
        let Some(parent) = decode.run.nodes.get(node).map(|node| node.parent) else { return Ok(None) };
        let path = decode.run.path(parent);
        let mut text = decode.text_of(&path);
        text.push(token);
        let room = decode.room(ready);
        if text.len() >= room || token as usize >= ready.model.vocabulary() {
            return Ok(None);
        }
        let sequence = decode.fork_sequence(ready, &path, &text)?;
        let told = Peeked { node, token, tokens: Vec::new(), done: false };
        Ok(Some(Self { sequence, text, room, told }))
    }

    /// Computes a chunk of what is missing, and with the last one a token.
    pub(super) fn advance(&mut self, ready: &mut ReadyModel) -> Result<(), ModelError> {
        let model = &mut *ready.model;
        let cached = model.length(self.sequence);
        let chunk = CHUNK_ROWS.min(model.max_rows()).min(self.text.len() - cached);
        let last = cached + chunk == self.text.len();
        let output = if last { RowOutput::Summary(SamplingParams::GREEDY) } else { RowOutput::Nothing };
        let batch = Batch::chain(self.sequence, cached, &self.text[cached..cached + chunk], output);
        let outputs = model.forward(&batch)?;
        let Some(summary) = outputs.summaries.first() else { return Ok(()) };
        let token = summary.chosen;
        if summary.broken > 0 {
            self.told.done = true;
            return Ok(());
        }
        self.text.push(token);
        let piece = ready.tokenizer.as_ref().and_then(|tokenizer| tokenizer.readable_piece(token));
        self.told.tokens.push(Token { id: token, piece: piece.unwrap_or_default() });
        self.told.done = self.told.tokens.len() >= MOST_PEEKED
            || ready.loaded.eos.contains(&token)
            || self.text.len() >= self.room;
        Ok(())
    }
}
