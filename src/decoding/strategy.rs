//! What all strategies have in common: one `step` call makes one decision and appends it to the run.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::DecodingError;
use crate::model::{LanguageModel, ModelError, SequenceId};
use crate::trace::{Run, StopReason};

/// A way of choosing tokens, as a machine that is resumable at every step: pausing is to call it later,
/// single-stepping to call it once, cancelling to call it no more.
pub trait Strategy {
    /// Makes one decision: appends its nodes to `run.nodes`, lets `run.line` end where its text ends now, appends
    /// to `run.steps` what else it weighed, and adds to `run.phases` what it cost.
    ///
    /// The first step includes initiation. After an error, [`DecodingError::Interrupted`] included, nothing
    /// was appended, and another call tries the same step again, initiation from the chunk where it stopped.
    fn step(
        &mut self,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError>;

    /// The same strategy on another text of the same prompt, from the beginning of its next step on: `tokens` are
    /// the prompt's, those of a line of the run, and the one that a person chose. It begins in a fork that shares
    /// the cached positions that both texts have in common.
    fn branch(&mut self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Branched, DecodingError>;

    /// A fork of the sequence that has most in common with a text of these tokens, cut to what that is; always without the
    /// last token. `None` where nothing is cached. [`Self::rest`] comes before it.
    fn fork(&self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Option<SequenceId>, ModelError>;

    /// Begins in a sequence that holds the beginning of its prompt. Gives it back where it cannot.
    fn adopt(&mut self, sequence: SequenceId) -> Option<SequenceId> {
        Some(sequence)
    }

    /// Gives up what is under way ahead of the next step: another strategy is about to use the model.
    fn rest(&mut self, _model: &mut dyn LanguageModel) {}

    /// Begins no pass ahead of the next step from now on: others use the model in between.
    fn take_turns(&mut self) {}

    /// Forgets the strategy's sequences. To be called before the strategy is dropped, unless the model goes too.
    fn release(&mut self, model: &mut dyn LanguageModel);
}

/// How a caller watches and interrupts a step.
pub struct Control<'a> {
    /// Set from any thread to end the step within one chunk.
    pub interrupt: &'a AtomicBool,
    /// Called during initiation with prompt tokens done and in all.
    pub progress: &'a mut dyn FnMut(usize, usize),
}

impl Control<'_> {
    /// An error once the step was interrupted.
    pub(super) fn check(&self) -> Result<(), DecodingError> {
        if self.interrupt.load(Ordering::Relaxed) { Err(DecodingError::Interrupted) } else { Ok(()) }
    }
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// Indices in [`Run::nodes`] of the new nodes.
    pub nodes: Range<usize>,
    /// Why there is no next step; `None` while there is one. Stop texts are the session's to find.
    pub stop: Option<StopReason>,
}

/// A strategy on another text.
pub struct Branched {
    /// The strategy.
    pub strategy: Box<dyn Strategy>,
    /// Why the text ends with the token that the person chose, if it does.
    pub stop: Option<StopReason>,
}

/// What ends a text, as far as its tokens tell. As with transformers' maximum length and llama.cpp's context, the
/// context counts prompt and text together, the newest token included, although that one is not cached.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// Tokens that end it.
    pub eos: Vec<u32>,
    /// Most new tokens.
    pub max_tokens: usize,
    /// Tokens of the prompt.
    pub prompt: usize,
}

impl Ending {
    /// Positions that a text may get, the newest token's included.
    pub(super) fn longest(&self, context: usize) -> usize {
        longest(self.prompt, self.max_tokens, context)
    }

    /// An empty sequence for such a text.
    pub(super) fn new_sequence(&self, model: &mut dyn LanguageModel) -> SequenceId {
        model.new_sequence_for(self.longest(model.context()))
    }

    /// Why a text of these tokens, the prompt's included, ends after the last one; `None` if it goes on.
    pub(super) fn reason(&self, tokens: &[u32], context: usize) -> Option<StopReason> {
        self.reason_at(*tokens.last()?, tokens.len(), context)
    }

    /// The same for a text of so many tokens that ends in `newest`.
    pub(super) fn reason_at(&self, newest: u32, length: usize, context: usize) -> Option<StopReason> {
        let generated = length - self.prompt;
        if generated > 0 && self.eos.contains(&newest) {
            Some(StopReason::Eos)
        } else if generated >= self.max_tokens {
            Some(StopReason::MaxTokens)
        } else if length >= context {
            Some(StopReason::ContextFull)
        } else {
            None
        }
    }
}

/// A model that several hold: whoever uses it has it to himself only for the length of a call.
pub type SharedModel = Rc<RefCell<Box<dyn LanguageModel>>>;

/// Positions that a text may get, of a prompt and at most so many new tokens.
pub fn longest(prompt: usize, max_tokens: usize, context: usize) -> usize {
    prompt.saturating_add(max_tokens).min(context)
}

/// How many tokens two texts have in common from the beginning.
pub(super) fn common_prefix(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// A fork of a sequence that computed `cached` tokens, up to where `tokens` differ from them; always without the
/// last one of `tokens`, whose logits are still to be computed. `None` if there is no sequence yet.
pub(super) fn fork_shared(
    model: &mut dyn LanguageModel,
    sequence: Option<SequenceId>,
    cached: &[u32],
    tokens: &[u32],
) -> Result<Option<SequenceId>, ModelError> {
    let Some(sequence) = sequence else { return Ok(None) };
    let fork = model.fork(sequence)?;
    let shared = common_prefix(cached, tokens).min(tokens.len().saturating_sub(1));
    model.truncate(fork, shared);
    Ok(Some(fork))
}
