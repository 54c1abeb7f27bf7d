//! Whether two models have the same tokens, so that an id of one is an id of the other.

use super::load::ReadyModel;
use crate::tokenizer::Tokenizer;

/// What was compared of two vocabularies that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VocabularyMatch {
    /// Every id stands for the same token.
    Tokens,
    /// They are of one size; one of the models has no tokenizer that would tell more.
    Sizes,
}

/// Why two models do not have the same tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyMisfit {
    /// Vocabularies of two sizes.
    #[error(
        "{other} has {other_size} ids, but {model} has {model_size}, and both have to have the same tokens"
    )]
    Size {
        /// The other model's name.
        other: String,
        /// Its V.
        other_size: usize,
        /// The model's name.
        model: String,
        /// Its V.
        model_size: usize,
    },
    /// An id with two meanings.
    #[error(
        "id {id} is `{other_piece}` in {other}, but `{model_piece}` in {model}, and both have to have the same tokens"
    )]
    Token {
        /// The other model's name.
        other: String,
        /// The model's name.
        model: String,
        /// The first such id.
        id: u32,
        /// As the other model's vocabulary spells it.
        other_piece: String,
        /// As the model's does.
        model_piece: String,
    },
}

impl VocabularyMatch {
    /// Of the vocabularies of a model and of another one beside it.
    pub fn of(model: &ReadyModel, other: &ReadyModel) -> Result<Self, VocabularyMisfit> {
        let (model_size, other_size) = (model.model.vocabulary(), other.model.vocabulary());
        let names = (other.loaded.model.name.clone(), model.loaded.model.name.clone());
        if model_size != other_size {
            let (other, model) = names;
            return Err(VocabularyMisfit::Size { other, other_size, model, model_size });
        }
        let (Some(models), Some(others)) = (&model.tokenizer, &other.tokenizer) else {
            return Ok(Self::Sizes);
        };
        match other_token(others, models, model_size) {
            None => Ok(Self::Tokens),
            Some((id, other_piece, model_piece)) => {
                let (other, model) = names;
                Err(VocabularyMisfit::Token { other, model, id, other_piece, model_piece })
            }
        }
    }
}

/// The first id below `vocabulary` that stands for two tokens, with both spellings. What one of them has no token for
/// fills a matrix up to a round size, and no text has it.
fn other_token(one: &Tokenizer, other: &Tokenizer, vocabulary: usize) -> Option<(u32, String, String)> {
    let pieces = |id: u32| Some((id, one.piece(id)?, other.piece(id)?));
    (0..vocabulary as u32).filter_map(pieces).find(|(_, one, other)| one != other)
}
