//! Who drafts: the trait, and what a draft is.

use crate::decoding::chain::Filtered;
use crate::decoding::draw::inverse_cdf;
use crate::decoding::error::DecodingError;
use crate::decoding::random::{Purpose, uniform_for};
use crate::decoding::row_logits::RowLogits;
use crate::decoding::strategy::Control;
use crate::decoding::strategy_settings::Picking;
use crate::decoding::text::Text;
use crate::model::{LanguageModel, ModelError};
use crate::trace::strategies;

/// Whoever guesses how a text goes on, token by token.
pub(super) trait Drafter {
    /// Who it is.
    fn name(&self) -> strategies::DraftSource;

    /// Drafts at most `most` tokens that may follow the text. After an error, another call tries again.
    fn draft(&mut self, text: &Text, most: usize, control: &mut Control<'_>) -> Result<Draft, DecodingError>;

    /// The first position whose final hidden state it lacks, if it drafts from those of the target model.
    fn lacks_hidden_from(&self) -> Option<usize> {
        None
    }

    /// Takes the target's final hidden states at the positions of the text from `first` on.
    fn see(&mut self, _tokens: &[u32], _first: usize, _hidden: Vec<Vec<f32>>) {}

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

impl DraftToken {
    /// The token that a model which drafts would choose by what the stages leave of a row, as the one after `tokens`.
    pub(super) fn chosen(text: &Text, tokens: &[u32], filtered: Filtered) -> Self {
        let id = match text.picking {
            Picking::Argmax => filtered.row.best().unwrap_or_default(),
            Picking::Sample => {
                let value = uniform_for(Purpose::Draft, text.seed, text.step_after(tokens) as u64);
                inverse_cdf(&filtered.row, &filtered.after, value).0
            }
        };
        let token = filtered.token(id);
        let probability = filtered.probability(token);
        let drawn_from = (text.picking == Picking::Sample).then_some(filtered);
        Self { token, probability, drawn_from }
    }
}

/// Runs the chain over the row after `tokens` of a model that drafts, which it just computed; reads all of it where that
/// is needed.
pub(super) fn filtered(
    text: &Text,
    tokens: &[u32],
    seen: RowLogits,
    model: &mut dyn LanguageModel,
) -> Result<Filtered, DecodingError> {
    let (step, history) = (text.step_after(tokens), text.history(tokens));
    if let Some(filtered) = text.filtered(&seen, step, history)?
        && (text.picking == Picking::Argmax || filtered.row.tail.count == 0)
    {
        return Ok(filtered);
    }
    let RowLogits::Summary(summary) = seen else { unreachable!("a whole row decides everything") };
    let row = model.read_row(summary.row)?.expect("the newest row can be read");
    Ok(text.filtered(&RowLogits::Row(row), step, history)?.expect("a whole row decides everything"))
}
