//! The draft model of speculative decoding beside the model: loaded to the same device, and checked for fit.

use std::cell::RefCell;
use std::rc::Rc;

use super::load::ReadyModel;
use super::run_error::RunError;
use super::vocabularies::{VocabularyMatch, VocabularyMisfit};
use crate::decoding::{DecodingSettings, Drafter, SharedModel, StrategyInputs, StrategyKind};
use crate::gpu::Progress;
use crate::trace::ModelFacts;

/// A model that drafts for another one.
pub struct DraftModel {
    /// What computes; runs that draft with it hold it as well.
    pub model: SharedModel,
    /// Facts for a person.
    pub facts: ModelFacts,
    /// How well its vocabulary is known to be the model's.
    pub comparison: VocabularyMatch,
}

/// Why a model cannot draft for another one: an id has to stand for the same token in both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: choose a smaller model of the same family")]
pub struct DraftError(#[from] VocabularyMisfit);

impl DraftModel {
    /// Checks that `draft` has the tokens of `ready`.
    pub fn for_model(draft: ReadyModel, ready: &ReadyModel) -> Result<Self, DraftError> {
        let comparison = VocabularyMatch::of(ready, &draft)?;
        let facts = draft.loaded.model;
        Ok(Self { model: Rc::new(RefCell::new(draft.model)), facts, comparison })
    }

    /// What a person should know of a comparison that was less than whole.
    pub fn warning(&self) -> Option<String> {
        (self.comparison == VocabularyMatch::Sizes).then(|| {
            format!(
                "Only the sizes of the vocabularies were compared, as a tokenizer is missing. If {} has other tokens, its drafts are useless, but the text stays the model's own.",
                self.facts.name
            )
        })
    }
}

/// What a strategy with these settings uses beside the model: for speculative decoding who drafts, which may be the model's
/// own head; that is loaded where it is not yet, of which `progress` hears.
pub fn strategy_inputs(
    settings: &DecodingSettings,
    ready: &mut ReadyModel,
    draft: Option<&DraftModel>,
    progress: &mut Progress<'_>,
) -> Result<StrategyInputs, RunError> {
    let mut inputs = StrategyInputs::default();
    if settings.strategy != StrategyKind::Speculative {
        return Ok(inputs);
    }
    let head = ready.drafting_head.as_mut();
    match (settings.speculative.drafter, draft, head) {
        (Drafter::Best | Drafter::Model, Some(draft), _) => inputs.draft = Some(Rc::clone(&draft.model)),
        (Drafter::Best | Drafter::Head, _, Some(head)) => {
            inputs.head = Some(head.model(progress).map_err(RunError::DraftingHead)?);
        }
        (Drafter::Best | Drafter::Lookup, _, _) => {}
        (Drafter::Model, None, _) => return Err(RunError::NoDraftModel),
        (Drafter::Head, _, None) => {
            return Err(RunError::NoDraftingHead { model: ready.loaded.model.name.clone() });
        }
    }
    Ok(inputs)
}
