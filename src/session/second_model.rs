//! A second model beside the model, and how far it has read a run's text.

use super::decode::Decode;
use super::load::ReadyModel;
use super::opinion::SecondOpinion;
use super::reading::{Pair, Reading, ReadingError};

/// The second model.
pub(super) struct Second {
    /// What computes.
    pub ready: ReadyModel,
    /// Whether it reads along.
    pub reads: bool,
    reading: Option<Reading>,
    /// The last node of the text that it took up.
    tip: Option<usize>,
    /// Whether it was told that its context ends before the text does.
    told_end: bool,
}

/// What came of reading on.
pub(super) struct ReadOn {
    /// The place in the line of the first opinion.
    pub place: usize,
    /// What both models say of the steps that were read.
    pub opinions: Vec<SecondOpinion>,
    /// Bytes that the second one's KV cache and states take now.
    pub cache_bytes: u64,
    /// That the text can be read no further than so many steps, where that is new.
    pub ends_at: Option<usize>,
}

impl Second {
    /// One that has read nothing.
    pub(super) fn new(ready: ReadyModel) -> Self {
        Self { ready, reads: false, reading: None, tip: None, told_end: false }
    }

    /// Whether there is something of a text with this last node that it has not read.
    pub(super) fn has_unread(&self, tip: usize) -> bool {
        self.tip != Some(tip) || !self.reading.as_ref().is_some_and(Reading::is_over)
    }

    /// Lets both models read some more of a run's text.
    pub(super) fn read(&mut self, first: &mut ReadyModel, decode: &Decode) -> Result<ReadOn, ReadingError> {
        let run = &decode.run;
        let mut pair = Pair { first: &mut *first.model, second: &mut *self.ready.model };
        let reading = self.reading.get_or_insert_with(|| Reading::begin(&mut pair, decode.longest()));
        let mut ends_at = None;
        if self.tip != run.tip() {
            self.tip = run.tip();
            let readable = reading.take_up(&mut pair, run);
            let ends = readable < run.line.len();
            ends_at = (ends && !self.told_end).then_some(readable);
            self.told_end = ends;
        }
        let place = reading.done();
        let mut opinions = if reading.is_over() { Vec::new() } else { reading.advance(&mut pair)? };
        let usage = self.ready.model.cache_usage();
        opinions.iter_mut().for_each(|opinion| self.spell(opinion));
        Ok(ReadOn { place, opinions, cache_bytes: usage.bytes + usage.state_bytes, ends_at })
    }

    /// Names the tokens.
    fn spell(&self, opinion: &mut SecondOpinion) {
        let tokenizer = self.ready.tokenizer.as_ref();
        for top in [&mut opinion.first.top, &mut opinion.second.top] {
            top.piece = tokenizer.and_then(|tokenizer| tokenizer.readable_piece(top.id)).unwrap_or_default();
        }
    }

    /// Forgets the text, and frees what it took in both models.
    pub(super) fn leave_text(&mut self, first: &mut ReadyModel) {
        (self.tip, self.told_end) = (None, false);
        if let Some(reading) = self.reading.take() {
            reading.release(&mut Pair { first: &mut *first.model, second: &mut *self.ready.model });
        }
    }
}
