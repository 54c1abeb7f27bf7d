//! What all strategies have in common: one `step` call makes one decision and appends it to the run.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::beam::Beam;
use super::chain::StageContext;
use super::contrastive::Contrastive;
use super::error::DecodingError;
use super::lookahead::Lookahead;
use super::settings::{DecodingSettings, ensure};
use super::single_token::SingleToken;
use super::speculative::Speculative;
use super::strategy_settings::StrategyChoice;
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

    /// Gives up what is under way ahead of the next step: another strategy is about to use the model.
    fn rest(&mut self, _model: &mut dyn LanguageModel) {}

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
    /// Why a text of these tokens, the prompt's included, ends after the last one; `None` if it goes on.
    pub fn reason(&self, tokens: &[u32], context: usize) -> Option<StopReason> {
        self.reason_at(*tokens.last()?, tokens.len(), context)
    }

    /// The same for a text of so many tokens that ends in `newest`.
    pub fn reason_at(&self, newest: u32, length: usize, context: usize) -> Option<StopReason> {
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

/// What a strategy may use beside the model.
#[derive(Clone, Default)]
pub struct Aids {
    /// A smaller model with the same tokens, which drafts for speculative decoding.
    pub draft: Option<SharedModel>,
    /// What the stages know of texts; the tokens that end one come from model and settings.
    pub stages: StageContext,
}

/// Checks prompt and settings and gives the strategy that they ask for. `model_eos` are the ids that end a
/// text by the model's own files.
pub fn begin(
    settings: &DecodingSettings,
    model_eos: &[u32],
    prompt: &[u32],
    model: &dyn LanguageModel,
) -> Result<Box<dyn Strategy>, DecodingError> {
    begin_with(settings, model_eos, prompt, model, &Aids::default())
}

/// As [`begin`], with what the strategy may use beside the model.
pub fn begin_with(
    settings: &DecodingSettings,
    model_eos: &[u32],
    prompt: &[u32],
    model: &dyn LanguageModel,
    aids: &Aids,
) -> Result<Box<dyn Strategy>, DecodingError> {
    settings.check(model.vocabulary())?;
    check_prompt(prompt, model)?;
    if prompt.len() >= model.context() {
        return Err(DecodingError::PromptTooLong { tokens: prompt.len(), context: model.context() });
    }
    check_draft(aids, model)?;
    let eos = settings.stop.eos.tokens(model_eos);
    let context = StageContext { eos: eos.clone(), ..aids.stages.clone() };
    let ending = Ending { eos, max_tokens: settings.stop.max_tokens, prompt: prompt.len() };
    Ok(match settings.strategy {
        StrategyChoice::Greedy | StrategyChoice::Sample => {
            Box::new(SingleToken::new(settings, &context, ending, prompt))
        }
        StrategyChoice::Beam => Box::new(Beam::new(settings, &context, ending, prompt, model.context())),
        StrategyChoice::Contrastive => Box::new(Contrastive::new(settings, &context, ending, prompt)?),
        StrategyChoice::Speculative => {
            Box::new(Speculative::new(settings, &context, ending, prompt, aids.draft.as_ref()))
        }
        StrategyChoice::Lookahead => Box::new(Lookahead::new(settings, &context, ending, prompt)),
    })
}

/// How many tokens two texts have in common from the beginning.
pub(super) fn common_prefix(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// A fork of a sequence that computed `cached` tokens, up to where `tokens` differ from them; always without the
/// last one of `tokens`, whose logits are still to be computed.
pub(super) fn fork_shared(
    model: &mut dyn LanguageModel,
    sequence: SequenceId,
    cached: &[u32],
    tokens: &[u32],
) -> Result<SequenceId, ModelError> {
    let fork = model.fork(sequence)?;
    let shared = common_prefix(cached, tokens).min(tokens.len().saturating_sub(1));
    model.truncate(fork, shared);
    Ok(fork)
}

fn check_draft(aids: &Aids, model: &dyn LanguageModel) -> Result<(), DecodingError> {
    let Some(draft) = &aids.draft else { return Ok(()) };
    let (vocabulary, drafts) = (model.vocabulary(), draft.borrow().vocabulary());
    let rule = format!("it has to be the model's, {vocabulary}, with the same tokens");
    ensure(drafts == vocabulary, "the size of the draft model's vocabulary", drafts, &rule)
}

/// Checks that the model can compute a prompt, which may fill the context.
pub fn check_prompt(prompt: &[u32], model: &dyn LanguageModel) -> Result<(), DecodingError> {
    let (vocabulary, context) = (model.vocabulary(), model.context());
    if prompt.is_empty() {
        return Err(DecodingError::EmptyPrompt);
    }
    if let Some(index) = prompt.iter().position(|&token| token as usize >= vocabulary) {
        let token = prompt[index];
        return Err(DecodingError::PromptOutsideVocabulary { index, token, vocabulary });
    }
    if prompt.len() > context {
        return Err(DecodingError::PromptTooLong { tokens: prompt.len(), context });
    }
    Ok(())
}
