//! The draft model of speculative decoding beside the model: loaded to the same device, and checked for fit.

use std::cell::RefCell;
use std::rc::Rc;

use super::load::ReadyModel;
use super::run_error::RunError;
use crate::decoding::{DecodingSettings, Drafter, SharedModel, StrategyInputs, StrategyKind};
use crate::gpu::Progress;
use crate::tokenizer::Tokenizer;
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

/// What was compared of two vocabularies that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VocabularyMatch {
    /// Every id stands for the same token.
    Tokens,
    /// They are of one size; one of the models has no tokenizer that would tell more.
    Sizes,
}

/// Why a model cannot draft for another one: an id has to stand for the same token in both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// Vocabularies of two sizes.
    #[error(
        "{draft} has {draft_vocabulary} ids, but {model} has {model_vocabulary}, and both have to have the same tokens: choose a smaller model of the same family"
    )]
    OtherSize {
        /// The draft model's name.
        draft: String,
        /// Its V.
        draft_vocabulary: usize,
        /// The model's name.
        model: String,
        /// Its V.
        model_vocabulary: usize,
    },
    /// An id with two meanings.
    #[error(
        "id {id} is `{draft_piece}` in {draft}, but `{model_piece}` in {model}, and both have to have the same tokens: choose a smaller model of the same family"
    )]
    OtherToken {
        /// The draft model's name.
        draft: String,
        /// The model's name.
        model: String,
        /// The first such id.
        id: u32,
        /// As the draft model's vocabulary spells it; empty where it has no such token.
        draft_piece: String,
        /// As the model's does.
        model_piece: String,
    },
}

impl DraftModel {
    /// Checks that `draft` has the tokens of `ready`.
    pub fn for_model(draft: ReadyModel, ready: &ReadyModel) -> Result<Self, DraftError> {
        let (sizes, names) = (
            (draft.model.vocabulary(), ready.model.vocabulary()),
            (&draft.loaded.model.name, &ready.loaded.model.name),
        );
        if sizes.0 != sizes.1 {
            return Err(DraftError::OtherSize {
                draft: names.0.clone(),
                draft_vocabulary: sizes.0,
                model: names.1.clone(),
                model_vocabulary: sizes.1,
            });
        }
        let comparison = match (&draft.tokenizer, &ready.tokenizer) {
            (Some(drafts), Some(models)) => match other_token(drafts, models, sizes.0) {
                None => VocabularyMatch::Tokens,
                Some((id, draft_piece, model_piece)) => {
                    let (draft, model) = (names.0.clone(), names.1.clone());
                    return Err(DraftError::OtherToken { draft, model, id, draft_piece, model_piece });
                }
            },
            _ => VocabularyMatch::Sizes,
        };
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

/// The first id below `vocabulary` that stands for two tokens, with both spellings.
fn other_token(one: &Tokenizer, other: &Tokenizer, vocabulary: usize) -> Option<(u32, String, String)> {
    let piece = |tokenizer: &Tokenizer, id| tokenizer.piece(id).unwrap_or_default();
    let pieces = |id: u32| (id, piece(one, id), piece(other, id));
    (0..vocabulary as u32).map(pieces).find(|(_, one, other)| one != other)
}
