//! What the ops of a step take: the text before its token, in a fork of what is cached of it, and its pass once more with
//! a timestamp after each op.

use std::sync::atomic::{AtomicBool, Ordering};

use super::comparison::StepProfile;
use super::decode::Decode;
use super::load::ReadyModel;
use super::probing::cache;
use crate::model::batch::{Batch, RowOutput};
use crate::model::profiling::OpTime;
use crate::model::{LanguageModel, ModelError, SequenceId};
use crate::trace::StepInput;

/// Most rows of a chunk, so that a command waits but a moment.
const CHUNK_ROWS: usize = 128;

/// How often a pass of one row is timed.
const TIMES: usize = 5;

/// Why the ops were not timed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProfileError {
    #[error("its model was closed or another run began: run the prompt again")]
    NoRun,
    #[error("the adapter has no timestamps, so the time of a single op cannot be measured")]
    NoTimestamps,
    #[error("another command came first: measure again")]
    Interrupted,
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Decode {
    /// Times the ops of the pass that led to a node, one row of it, or all of the text where the step computed that. The
    /// run's sequences stay as they are.
    pub(super) fn profile(
        &mut self,
        ready: &mut ReadyModel,
        node: usize,
        interrupt: &AtomicBool,
    ) -> Result<StepProfile, ProfileError> {
        let parent = self.run.nodes.get(node).ok_or(ProfileError::NoRun)?.parent;
        let path = self.run.path(parent);
        let text = self.text_of(&path);
        let whole = parent.is_none() || self.run.step_input == StepInput::WholeText;
        let sequence = if whole {
            self.rest(ready);
            self.new_sequence(ready)
        } else {
            self.fork_sequence(ready, &path, &text)?
        };
        let profiled = profile_text(&mut *ready.model, sequence, &text, whole, interrupt);
        ready.model.release(sequence);
        profiled
    }
}

/// The pass over the last row of a text, or over all of it.
fn profile_text(
    model: &mut dyn LanguageModel,
    sequence: SequenceId,
    text: &[u32],
    whole: bool,
    interrupt: &AtomicBool,
) -> Result<StepProfile, ProfileError> {
    // What is not cached of the text before the step's rows is computed first, and not timed.
    let before = if whole { &[] } else { &text[..text.len() - 1] };
    if !cache(model, sequence, before, CHUNK_ROWS, interrupt)? {
        return Err(ProfileError::Interrupted);
    }
    let mut profile = StepProfile { times: if whole { 1 } else { TIMES }, ..StepProfile::default() };
    let mut cached = before.len();
    while cached < text.len() {
        if interrupt.load(Ordering::Relaxed) {
            return Err(ProfileError::Interrupted);
        }
        let rows = CHUNK_ROWS.min(model.max_rows()).min(text.len() - cached);
        let output = if cached + rows == text.len() { RowOutput::Logits } else { RowOutput::Nothing };
        let batch = Batch::chain(sequence, cached, &text[cached..cached + rows], output);
        profile.add(rows, fastest(model, sequence, &batch, cached, profile.times)?);
        cached += rows;
    }
    Ok(profile)
}

/// The ops' times of the fastest of several passes.
fn fastest(
    model: &mut dyn LanguageModel,
    sequence: SequenceId,
    batch: &Batch,
    cached: usize,
    times: usize,
) -> Result<Vec<OpTime>, ProfileError> {
    let sum = |ops: &[OpTime]| ops.iter().map(|op| op.seconds).sum::<f64>();
    let mut fastest: Option<Vec<OpTime>> = None;
    for _ in 0..times {
        model.truncate(sequence, cached);
        let ops = model.profiling().map(|profiling| profiling.op_times(batch)).transpose()?.flatten();
        let ops = ops.ok_or(ProfileError::NoTimestamps)?;
        if fastest.as_ref().is_none_or(|fastest| sum(&ops) < sum(fastest)) {
            fastest = Some(ops);
        }
    }
    fastest.ok_or(ProfileError::NoTimestamps)
}
