//! What the worker does to show a step's whole row: it is computed once more, in a fork that is gone afterwards.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::event::{Event, Severity, WholeRow};
use super::live_run::Motion;
use super::worker::{Worker, takes_the_model};
use crate::model::batch::RowOutput;
use crate::model::{Batch, LanguageModel, ModelError, SequenceId};

/// Most rows that one pass computes, so that an interrupt is answered soon.
const CHUNK_ROWS: usize = 64;

impl Worker {
    /// Tells the whole row of a step, and how the vocabulary is spelled if nobody was told; not while the run moves.
    pub(super) fn read_row(&mut self, node: usize) {
        let (Some(live), Some(ready), None) = (&mut self.live, &mut self.ready, &self.scoring) else {
            return;
        };
        let waits = matches!(live.motion, Motion::Held | Motion::Ended);
        let Some(parent) = live.decode.run.nodes.get(node).map(|node| node.parent).filter(|_| waits) else {
            return;
        };
        let path = live.decode.run.path(parent);
        let text = live.decode.text_of(&path);
        let stopped = || self.interrupt.load(Ordering::Acquire);
        let read = live.decode.fork_sequence(ready, &path, &text).and_then(|sequence| {
            let row = last_row(&mut *ready.model, sequence, &text, stopped);
            ready.model.release(sequence);
            row
        });
        match read {
            Ok(None) => {
                if self.was_interrupted_in_vain() {
                    self.read_row(node);
                }
            }
            Ok(Some(logits)) => {
                let cut_by = live.decode.cut_by(&logits, parent, &text);
                if !self.spelled {
                    self.spelled = true;
                    let spell = |id| ready.tokenizer.as_ref()?.readable_piece(id);
                    let pieces = (0..logits.len() as u32).map(|id| spell(id).unwrap_or_default());
                    self.outbox.send(Event::Vocabulary(pieces.collect()));
                }
                self.outbox.send(Event::Row(Arc::new(WholeRow { node, logits, cut_by })));
            }
            Err(error) => {
                self.outbox.notify(
                    Severity::Error,
                    "The step's row could not be computed",
                    &error.to_string(),
                );
                if takes_the_model(&error) {
                    self.abandon();
                }
            }
        }
    }
}

/// The logits after a text, whose beginning the sequence has cached; `None` if that was stopped.
fn last_row(
    model: &mut dyn LanguageModel,
    sequence: SequenceId,
    text: &[u32],
    stopped: impl Fn() -> bool,
) -> Result<Option<Vec<f32>>, ModelError> {
    loop {
        if stopped() {
            return Ok(None);
        }
        let cached = model.length(sequence);
        let end = text.len().min(cached + CHUNK_ROWS.min(model.max_rows()));
        let output = if end == text.len() { RowOutput::Logits } else { RowOutput::Nothing };
        let batch = Batch::chain(sequence, cached, &text[cached..end], output);
        let logits = model.forward(&batch)?.logits.pop();
        if logits.is_some() {
            return Ok(logits);
        }
    }
}
