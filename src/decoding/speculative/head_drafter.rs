//! Drafting with the model's own head (multi-token prediction: Gloeckle et al. 2024; DeepSeek-V3 technical report 2024,
//! section 2.2; as a drafter: section 5.4.3 there).
//!
//! The head's position i has the model's final hidden state at position i and the token at i + 1, and says which token
//! comes at i + 2. Of tokens that it drafted itself, its own hidden state takes the model's place; what it computed from
//! those is forgotten after the draft, so that its cache never holds a guess.

use std::collections::VecDeque;
use std::rc::Rc;

use super::drafter::{Draft, DraftToken, Drafter, filtered};
use crate::decoding::error::DecodingError;
use crate::decoding::row_logits::RowLogits;
use crate::decoding::strategy::{Control, SharedModel, common_prefix};
use crate::decoding::text::Text;
use crate::model::batch::{Batch, RowOutput};
use crate::model::{LanguageModel, ModelError, Outputs, SequenceId};
use crate::trace::strategies;

/// A head, what it has in its cache, and what is to come there next.
pub(super) struct HeadDrafter {
    head: SharedModel,
    /// Positions that the text may get.
    longest: usize,
    sequence: Option<SequenceId>,
    /// The text that all it knows is of.
    tokens: Vec<u32>,
    /// The model's final hidden states from the head's first position on that is not cached.
    hidden: VecDeque<Vec<f32>>,
    /// That of the head's last cached position, for a draft that is asked for once more.
    last: Option<Vec<f32>>,
    /// An error on the way, for the next draft to tell.
    failed: Option<ModelError>,
}

impl HeadDrafter {
    /// That knows nothing yet of a text of at most so many positions.
    pub(super) fn new(head: &SharedModel, longest: usize) -> Self {
        Self {
            head: Rc::clone(head),
            longest,
            sequence: None,
            tokens: Vec::new(),
            hidden: VecDeque::new(),
            last: None,
            failed: None,
        }
    }

    /// Positions in the head's cache.
    fn cached(&self) -> usize {
        self.sequence.map_or(0, |sequence| self.head.borrow().length(sequence))
    }

    /// Computes the head's next `rows` positions of the text, and what `output` asks of the last one.
    fn advance(
        &mut self,
        head: &mut dyn LanguageModel,
        rows: usize,
        output: RowOutput,
    ) -> Result<Outputs, ModelError> {
        let sequence = *self.sequence.get_or_insert_with(|| head.new_sequence_for(self.longest));
        let first = head.length(sequence);
        let carried = self.hidden.iter().take(rows).cloned().collect();
        let tokens = &self.tokens[first + 1..][..rows];
        let outputs = head.forward(&batch(sequence, first, tokens, carried, output))?;
        self.last = self.hidden.drain(..rows).next_back();
        Ok(outputs)
    }

    /// Computes all that is known of the text, and what `output` asks of the last position. `None` if that is not known.
    fn after_text(
        &mut self,
        head: &mut dyn LanguageModel,
        output: RowOutput,
        control: &Control<'_>,
    ) -> Result<Option<Outputs>, DecodingError> {
        if let (true, Some(sequence), Some(last)) = (self.hidden.is_empty(), self.sequence, self.last.take())
        {
            head.truncate(sequence, head.length(sequence) - 1);
            self.hidden.push_back(last);
        }
        let most = head.max_rows();
        while self.hidden.len() > most {
            control.check()?;
            self.advance(head, most, RowOutput::Nothing)?;
        }
        let rows = self.hidden.len();
        Ok(if rows == 0 { None } else { Some(self.advance(head, rows, output)?) })
    }
}

/// The head's positions of these tokens, from `first` on.
fn batch(
    sequence: SequenceId,
    first: usize,
    tokens: &[u32],
    carried: Vec<Vec<f32>>,
    output: RowOutput,
) -> Batch {
    let mut batch = Batch::chain(sequence, first, tokens, output).with_carried(carried);
    batch.hidden = batch.outputs().collect();
    batch
}

/// Lets the head guess token after token, beginning with what it says after the text.
fn guess(
    text: &Text,
    most: usize,
    after_text: Outputs,
    (head, sequence): (&mut dyn LanguageModel, SequenceId),
    control: &Control<'_>,
) -> Result<Draft, DecodingError> {
    let output = text.output(head.vocabulary());
    let (mut draft, mut tokens, mut outputs) = (Draft::default(), text.tokens.clone(), after_text);
    loop {
        draft.passes += 1;
        let carried = std::mem::take(&mut outputs.hidden);
        let filtered = match filtered(text, &tokens, RowLogits::one(outputs), head) {
            Err(DecodingError::NothingLeft { .. }) => return Ok(draft),
            filtered => filtered?,
        };
        let chosen = DraftToken::chosen(text, &tokens, filtered);
        let token = chosen.token;
        draft.tokens.push(chosen);
        tokens.push(token);
        let first = head.length(sequence);
        if draft.tokens.len() == most || text.ending.eos.contains(&token) || first == head.context() {
            return Ok(draft);
        }
        control.check()?;
        outputs = head.forward(&batch(sequence, first, &[token], carried, output))?;
    }
}

impl Drafter for HeadDrafter {
    fn name(&self) -> strategies::DraftSource {
        strategies::DraftSource::Head
    }

    /// Ends early with a token that ends the text, where the head's context does, and where the stages leave nothing, which
    /// the target tells itself.
    fn draft(&mut self, text: &Text, most: usize, control: &mut Control<'_>) -> Result<Draft, DecodingError> {
        if let Some(error) = self.failed.take() {
            return Err(error.into());
        }
        let newest = text.tokens.len() - 1;
        let shared = Rc::clone(&self.head);
        let mut head = shared.borrow_mut();
        if most == 0 || newest > head.context() {
            return Ok(Draft::default());
        }
        let output = text.output(head.vocabulary());
        let after_text = self.after_text(&mut **head, output, control)?;
        let (Some(outputs), Some(sequence)) = (after_text, self.sequence) else {
            return Ok(Draft::default());
        };
        let draft = guess(text, most, outputs, (&mut **head, sequence), control);
        head.truncate(sequence, newest);
        draft
    }

    fn lacks_hidden_from(&self) -> Option<usize> {
        Some(self.cached() + self.hidden.len())
    }

    fn see(&mut self, tokens: &[u32], first: usize, hidden: Vec<Vec<f32>>) {
        let next = self.cached() + self.hidden.len();
        if first > next {
            return;
        }
        self.hidden.extend(hidden.into_iter().skip(next - first));
        self.tokens = tokens.to_vec();
        // A long prompt's states go into the head's cache as they come.
        let shared = Rc::clone(&self.head);
        let mut head = shared.borrow_mut();
        let most = head.max_rows();
        while self.failed.is_none() && self.hidden.len() > most {
            self.failed = self.advance(&mut **head, most, RowOutput::Nothing).err();
        }
    }

    fn keep(&mut self, tokens: &[u32]) {
        let common = common_prefix(&self.tokens, tokens);
        let cached = self.cached();
        // A position of the head has the token after it as well.
        match self.sequence {
            Some(sequence) if common < cached + 1 => {
                // The last one that is left has to be computed again, to be drafted from.
                self.head.borrow_mut().truncate(sequence, common.saturating_sub(2));
                self.hidden.clear();
                self.last = None;
            }
            _ => self.hidden.truncate(common - cached),
        }
        self.tokens = tokens.to_vec();
    }

    fn branch(&mut self, tokens: &[u32]) -> Result<Box<dyn Drafter>, ModelError> {
        let sequence = self.sequence.map(|sequence| self.head.borrow_mut().fork(sequence)).transpose()?;
        let mut branched = Self {
            head: Rc::clone(&self.head),
            longest: self.longest,
            sequence,
            tokens: self.tokens.clone(),
            hidden: self.hidden.clone(),
            last: self.last.clone(),
            failed: None,
        };
        branched.keep(tokens);
        Ok(Box::new(branched))
    }

    fn release(&mut self) {
        self.hidden.clear();
        self.last = None;
        if let Some(sequence) = self.sequence.take() {
            self.head.borrow_mut().release(sequence);
        }
    }
}
