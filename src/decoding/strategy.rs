//! What all strategies have in common: one `step` call makes one decision and appends it to the run.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use super::error::DecodingError;
use super::settings::{DecodingSettings, EosRule};
use super::single_token::SingleToken;
use crate::model::LanguageModel;
use crate::trace::{Run, StopReason};

/// A way of choosing tokens, as a machine that is resumable at every step: pausing is to call it later,
/// single-stepping to call it once, cancelling to call it no more.
pub trait Strategy {
    /// Makes one decision: appends its nodes to `run.nodes`, and adds to `run.phases` what it cost.
    ///
    /// The first step includes initiation. After an error, [`DecodingError::Interrupted`] included, nothing
    /// was appended, and another call tries the same step again, initiation from the chunk where it stopped.
    fn step(
        &mut self,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError>;

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

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// Indices in [`Run::nodes`] of the new nodes.
    pub nodes: Range<usize>,
    /// Why there is no next step; `None` while there is one. Stop texts are the session's to find.
    pub stop: Option<StopReason>,
}

/// Checks prompt and settings and gives the strategy that they ask for. `model_eos` are the ids that end a
/// text by the model's own files.
pub fn begin(
    settings: &DecodingSettings,
    model_eos: &[u32],
    prompt: &[u32],
    model: &dyn LanguageModel,
) -> Result<Box<dyn Strategy>, DecodingError> {
    settings.check(model.vocabulary())?;
    check_prompt(prompt, model)?;
    let eos = match &settings.stop.eos {
        EosRule::Model => model_eos.to_vec(),
        EosRule::Tokens(tokens) => tokens.clone(),
        EosRule::Ignore => Vec::new(),
    };
    Ok(Box::new(SingleToken::new(settings, eos, prompt)))
}

fn check_prompt(prompt: &[u32], model: &dyn LanguageModel) -> Result<(), DecodingError> {
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
