//! Drafting with a smaller model, token by token, with the stages of the run.

use std::rc::Rc;

use super::drafter::{Draft, DraftToken, Drafter, filtered};
use crate::decoding::chain::Filtered;
use crate::decoding::error::DecodingError;
use crate::decoding::initiation::{ChunkSize, PassCost, Prefill};
use crate::decoding::row_logits::RowLogits;
use crate::decoding::strategy::{Control, SharedModel, common_prefix, fork_shared};
use crate::decoding::text::Text;
use crate::model::{LanguageModel, ModelError, SequenceId};
use crate::trace::strategies;

/// A draft model and what it has in its cache.
pub(super) struct ModelDrafter {
    model: SharedModel,
    sequence: Option<SequenceId>,
    /// The tokens that are cached.
    cached: Vec<u32>,
    chunk: ChunkSize,
}

impl ModelDrafter {
    /// With nothing cached.
    pub(super) fn new(model: &SharedModel) -> Self {
        Self { model: Rc::clone(model), sequence: None, cached: Vec::new(), chunk: ChunkSize::default() }
    }

    /// Computes everything up to the last of `tokens`, and runs the chain over that one's row.
    fn filtered(
        &mut self,
        text: &Text,
        tokens: &[u32],
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<Filtered, DecodingError> {
        let sequence = *self.sequence.get_or_insert_with(|| text.ending.new_sequence(model));
        let shared = common_prefix(&self.cached, tokens).min(tokens.len() - 1);
        model.truncate(sequence, shared);
        let output = text.output(model.vocabulary());
        let mut cost = PassCost::default();
        let (chunk, cost) = (&mut self.chunk, &mut cost);
        let prefill = Prefill { model: &mut *model, sequence, chunk, cost, control };
        let outputs = prefill.pass(tokens, output);
        // After an interruption as well: what was computed stays.
        self.cached = tokens[..model.length(sequence)].to_vec();
        filtered(text, tokens, RowLogits::one(outputs?), model)
    }
}

impl Drafter for ModelDrafter {
    fn name(&self) -> strategies::DraftSource {
        strategies::DraftSource::Model
    }

    /// Ends early with a token that ends the text, where the draft model's context does, and where the stages leave
    /// nothing, which the target tells itself.
    fn draft(&mut self, text: &Text, most: usize, control: &mut Control<'_>) -> Result<Draft, DecodingError> {
        let shared = Rc::clone(&self.model);
        let mut model = shared.borrow_mut();
        let mut control = Control { interrupt: control.interrupt, progress: &mut |_, _| {} };
        let mut tokens = text.tokens.clone();
        let mut draft = Draft::default();
        while draft.tokens.len() < most && tokens.len() <= model.context() {
            let filtered = match self.filtered(text, &tokens, &mut **model, &mut control) {
                Err(DecodingError::NothingLeft { .. }) => break,
                filtered => filtered?,
            };
            draft.passes += 1;
            let chosen = DraftToken::chosen(text, &tokens, filtered);
            let token = chosen.token;
            draft.tokens.push(chosen);
            tokens.push(token);
            if text.ending.eos.contains(&token) {
                break;
            }
        }
        Ok(draft)
    }

    fn keep(&mut self, tokens: &[u32]) {
        if let Some(sequence) = self.sequence {
            self.cached.truncate(common_prefix(&self.cached, tokens));
            self.model.borrow_mut().truncate(sequence, self.cached.len());
        }
    }

    fn branch(&mut self, tokens: &[u32]) -> Result<Box<dyn Drafter>, ModelError> {
        let mut model = self.model.borrow_mut();
        let sequence = fork_shared(&mut **model, self.sequence, &self.cached, tokens)?;
        let length = sequence.map_or(0, |sequence| model.length(sequence));
        let (cached, chunk) = (tokens[..length].to_vec(), self.chunk);
        Ok(Box::new(Self { model: Rc::clone(&self.model), sequence, cached, chunk }))
    }

    fn release(&mut self) {
        self.cached.clear();
        if let Some(sequence) = self.sequence.take() {
            self.model.borrow_mut().release(sequence);
        }
    }
}
