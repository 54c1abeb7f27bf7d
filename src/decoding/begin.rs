//! From settings to the strategy that they ask for: the one file that knows all of them.

use super::beam::Beam;
use super::chain::{Chain, StageContext};
use super::contrastive::Contrastive;
use super::error::{DecodingError, ensure};
use super::lookahead::Lookahead;
use super::server_sampling::ServerSampled;
use super::settings::DecodingSettings;
use super::single_token::SingleToken;
use super::speculative::Speculative;
use super::strategy::{Ending, SharedModel, Strategy};
use super::told;
use crate::model::LanguageModel;
use crate::trace::StrategyKind;

/// What a strategy may use beside the model.
#[derive(Clone, Default)]
pub struct StrategyInputs {
    /// A smaller model with the same tokens, which drafts for speculative decoding.
    pub draft: Option<SharedModel>,
    /// The model's own head that drafts, where no draft model does.
    pub head: Option<SharedModel>,
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
    begin_with(settings, model_eos, prompt, model, &StrategyInputs::default())
}

/// As [`begin`], with what the strategy may use beside the model.
pub fn begin_with(
    settings: &DecodingSettings,
    model_eos: &[u32],
    prompt: &[u32],
    model: &dyn LanguageModel,
    aids: &StrategyInputs,
) -> Result<Box<dyn Strategy>, DecodingError> {
    settings.check(model.vocabulary())?;
    check_prompt(prompt, model)?;
    if prompt.len() >= model.context() {
        return Err(DecodingError::PromptTooLong { tokens: prompt.len(), context: model.context() });
    }
    check_draft(aids, model)?;
    let eos = settings.stop.eos.tokens(model_eos);
    let context = StageContext { eos: eos.clone(), ..aids.stages.clone() };
    told::check(settings, &Chain::of(settings, &context), model)?;
    let ending = Ending { eos, max_tokens: settings.stop.max_tokens, prompt: prompt.len() };
    Ok(match settings.strategy {
        StrategyKind::Greedy | StrategyKind::Sample => {
            Box::new(SingleToken::new(settings, &context, ending, prompt))
        }
        StrategyKind::Beam => Box::new(Beam::new(settings, &context, ending, prompt, model.context())),
        StrategyKind::Contrastive => Box::new(Contrastive::new(settings, &context, ending, prompt)?),
        StrategyKind::Speculative => Box::new(Speculative::new(
            settings,
            &context,
            ending,
            prompt,
            aids.draft.as_ref(),
            aids.head.as_ref(),
        )),
        StrategyKind::Lookahead => Box::new(Lookahead::new(settings, &context, ending, prompt)),
        StrategyKind::Server => Box::new(ServerSampled::new(settings, &context, ending, prompt)),
    })
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

fn check_draft(aids: &StrategyInputs, model: &dyn LanguageModel) -> Result<(), DecodingError> {
    let Some(draft) = &aids.draft else { return Ok(()) };
    let (vocabulary, drafts) = (model.vocabulary(), draft.borrow().vocabulary());
    let rule = format!("it has to be the model's, {vocabulary}, with the same tokens");
    ensure(drafts == vocabulary, "the size of the draft model's vocabulary", drafts, &rule)
}
