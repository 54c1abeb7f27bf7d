//! A run's text through its own model and a second one, whose tokens are given: what each says of every step. A pass of one
//! of them at a time, so that commands are answered in between; of the rows of logits only those of one chunk are kept.

use std::time::Instant;

use super::opinion::SecondOpinion;
use crate::decoding::initiation::ChunkSize;
use crate::model::batch::RowOutput;
use crate::model::{Batch, LanguageModel, ModelError, SequenceId};
use crate::trace::Run;

/// Rows of logits of a chunk: few enough that a command waits but a moment.
const CHUNK_ROWS: usize = 16;

/// The two models: the text's own, and the second one.
pub struct Pair<'a> {
    /// The model that decoded the text.
    pub first: &'a mut dyn LanguageModel,
    /// The one that reads it.
    pub second: &'a mut dyn LanguageModel,
}

/// Why a text cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// The first model failed.
    #[error(transparent)]
    First(ModelError),
    /// The second one did.
    #[error(transparent)]
    Second(ModelError),
    /// Numbers that mean nothing.
    #[error(
        "at step {step} some of the logits are not finite numbers: a model's file may be damaged, or its numbers may be too large for the precision that was chosen"
    )]
    NotFinite {
        /// The step, from 1.
        step: usize,
    },
}

/// A text that two models read.
pub struct Reading {
    /// Prompt and new tokens, as far as both models can read.
    text: Vec<u32>,
    prompt: usize,
    /// The nodes of the new tokens.
    line: Vec<usize>,
    /// Steps that both have read.
    done: usize,
    first: Reader,
    second: Reader,
}

/// One of the two.
struct Reader {
    sequence: SequenceId,
    chunk: ChunkSize,
    /// Its logits of the chunk under way.
    rows: Vec<Vec<f32>>,
}

impl Reading {
    /// Begins with no text, of a run that may get so many positions: both models compute it as they would such a run.
    pub fn begin(pair: &mut Pair<'_>, longest: usize) -> Self {
        let (first, second) = (Reader::of(pair.first, longest), Reader::of(pair.second, longest));
        Self { text: Vec::new(), prompt: 0, line: Vec::new(), done: 0, first, second }
    }

    /// Takes the present text of a run up: what it has in common with the text before was read. Returns how many steps of
    /// it can be read, as a context may end before it.
    pub fn take_up(&mut self, pair: &mut Pair<'_>, run: &Run) -> usize {
        let mut text = run.prompt_ids();
        self.prompt = text.len();
        text.extend(run.line_nodes().map(|node| node.token));
        // The last token itself is never fed.
        text.truncate(pair.first.context().min(pair.second.context()) + 1);
        let common = text.iter().zip(&self.text).take_while(|(one, other)| one == other).count();
        self.line = run.line[..text.len().saturating_sub(self.prompt)].to_vec();
        self.done = self.done.min(common.saturating_sub(self.prompt));
        // A chunk that one of them has read alone begins anew: there may be more in it now.
        let kept = (self.prompt + self.done).saturating_sub(1).min(common);
        self.first.cut(pair.first, kept);
        self.second.cut(pair.second, kept);
        self.text = text;
        self.line.len()
    }

    /// Steps that both have read.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Whether all of the text was read.
    pub fn is_over(&self) -> bool {
        self.done == self.line.len()
    }

    /// Makes the next pass of one of the models. Returns what both say of the steps that are now read by both.
    pub fn advance(&mut self, pair: &mut Pair<'_>) -> Result<Vec<SecondOpinion>, ReadingError> {
        let most = CHUNK_ROWS.min(pair.first.max_rows()).min(pair.second.max_rows());
        let from = self.prompt + self.done - 1;
        let to = (from + most).min(self.prompt + self.line.len() - 1);
        let Self { text, first, second, .. } = self;
        if !first.has(to - from) {
            first.pass(pair.first, text, from, to).map_err(ReadingError::First)?;
        } else if !second.has(to - from) {
            second.pass(pair.second, text, from, to).map_err(ReadingError::Second)?;
        }
        if first.has(to - from) && second.has(to - from) { self.compare() } else { Ok(Vec::new()) }
    }

    /// What the rows of both say.
    fn compare(&mut self) -> Result<Vec<SecondOpinion>, ReadingError> {
        let rows =
            std::mem::take(&mut self.first.rows).into_iter().zip(std::mem::take(&mut self.second.rows));
        let mut opinions = Vec::new();
        for (first, second) in rows {
            // A logit of −∞ is a probability of 0.
            if first.iter().chain(&second).any(|logit| logit.is_nan() || *logit == f32::INFINITY) {
                return Err(ReadingError::NotFinite { step: self.done + 1 });
            }
            let (node, token) = (self.line[self.done], self.text[self.prompt + self.done]);
            opinions.push(SecondOpinion::of(node, token, &first, &second));
            self.done += 1;
        }
        Ok(opinions)
    }

    /// Frees what it holds in the models.
    pub fn release(self, pair: &mut Pair<'_>) {
        pair.first.release(self.first.sequence);
        pair.second.release(self.second.sequence);
    }
}

impl Reader {
    fn of(model: &mut dyn LanguageModel, longest: usize) -> Self {
        Self { sequence: model.new_sequence_for(longest), chunk: ChunkSize::default(), rows: Vec::new() }
    }

    /// Whether it has as many rows of the chunk under way.
    fn has(&self, rows: usize) -> bool {
        self.rows.len() == rows
    }

    /// Forgets what comes after so many tokens.
    fn cut(&mut self, model: &mut dyn LanguageModel, length: usize) {
        self.rows.clear();
        if model.length(self.sequence) > length {
            model.truncate(self.sequence, length);
        }
    }

    /// A chunk of what comes before `from`, or the rows of the tokens from there to `to`.
    fn pass(
        &mut self,
        model: &mut dyn LanguageModel,
        text: &[u32],
        from: usize,
        to: usize,
    ) -> Result<(), ModelError> {
        let start = model.length(self.sequence);
        if start >= from {
            let batch = Batch::chain_of_outputs(self.sequence, from, &text[from..to], RowOutput::Logits);
            let rows = model.forward(&batch)?.logits;
            if rows.len() != to - from {
                let reason = format!("{} rows of logits came back for {}", rows.len(), to - from);
                return Err(ModelError::Device { reason });
            }
            self.rows = rows;
            return Ok(());
        }
        let rows = self.chunk.rows().min(model.max_rows()).clamp(1, from - start);
        let batch = Batch::chain(self.sequence, start, &text[start..start + rows], RowOutput::Nothing);
        let begun = Instant::now();
        let bus_seconds = model.forward(&batch)?.timing.bus_seconds.unwrap_or_default();
        self.chunk.adapt(rows, begun.elapsed().as_secs_f64(), bus_seconds);
        Ok(())
    }
}
