//! Who drafts: the trait, and what a draft is.

use crate::decoding::chain::Filtered;
use crate::decoding::error::DecodingError;
use crate::decoding::strategy::Control;
use crate::decoding::text::Text;
use crate::model::ModelError;
use crate::trace::strategies;

/// Whoever guesses how a text goes on, token by token.
pub(super) trait Drafter {
    /// Who it is.
    fn name(&self) -> strategies::DraftSource;

    /// Drafts at most `most` tokens that may follow the text. After an error, another call tries again.
    fn draft(&mut self, text: &Text, most: usize, control: &mut Control<'_>) -> Result<Draft, DecodingError>;

    /// Forgets what it knows of tokens that are no part of the text.
    fn keep(&mut self, tokens: &[u32]);

    /// The same on another text, with which it shares what both have in common.
    fn branch(&mut self, tokens: &[u32]) -> Result<Box<dyn Drafter>, ModelError>;

    /// Forgets everything it holds in a model.
    fn release(&mut self);
}

/// Tokens that may follow a text.
#[derive(Default)]
pub(super) struct Draft {
    /// The tokens, in order.
    pub tokens: Vec<DraftToken>,
    /// Passes of a draft model that it took.
    pub passes: usize,
}

/// A drafted token.
pub(super) struct DraftToken {
    /// The token.
    pub token: u32,
    /// q: its probability in what it was drafted from.
    pub probability: f64,
    /// What it was drawn from; `None` where it was not drawn: it had the probability 1.
    pub drawn_from: Option<Filtered>,
}
