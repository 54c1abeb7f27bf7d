//! Speculative decoding (Leviathan, Kalman and Matias 2023; Chen et al. 2023): somebody drafts tokens, and one pass
//! of the target model over all of them tells how many are right.
//!
//! What the text becomes is the target's own: its greedy tokens, or draws from its distribution. Only how many
//! passes it takes depends on the draft. Random numbers are those of [`super::random::Purpose`]: the token at step
//! s is drafted with (seed, s, draft), accepted with (seed, s, acceptance), and otherwise drawn with (seed, s,
//! choice), the number that sampling draws it with. A token that was drafted again because one before it had been
//! rejected meets the same numbers, of which nothing that is known of the text depends.

mod drafter;
mod head_drafter;
mod judge;
mod lookup_drafter;
mod model_drafter;

use std::time::Instant;

use drafter::{Draft, Drafter};
use head_drafter::HeadDrafter;
use judge::{Judged, judge};
use lookup_drafter::LookupDrafter;
use model_drafter::ModelDrafter;

use super::chain::StageContext;
use super::error::DecodingError;
use super::initiation::TakeHidden;
use super::row_logits::RowLogits;
use super::settings::DecodingSettings;
use super::strategy::{Branched, Control, Ending, SharedModel, Stepped, Strategy};
use super::text::{Emitted, Text};
use crate::model::batch::RowOutput;
use crate::model::{Batch, LanguageModel, ModelError, SequenceId};
use crate::trace::strategies::SpeculativeStep;
use crate::trace::{Run, StepDetail};

/// Speculative decoding of one text.
pub struct Speculative {
    text: Text,
    drafter: Box<dyn Drafter>,
    /// Most tokens of a draft by the settings.
    most: usize,
    /// Most tokens of the next one: after a draft that was accepted whole two more, otherwise one more than were
    /// accepted.
    next: usize,
}

impl Speculative {
    /// For a prompt and settings that were checked. A draft model drafts, without one the model's own head, and without
    /// either drafts are looked up in the text.
    pub(super) fn new(
        settings: &DecodingSettings,
        stages: &StageContext,
        ending: Ending,
        prompt: &[u32],
        draft: Option<&SharedModel>,
        head: Option<&SharedModel>,
    ) -> Self {
        let drafter: Box<dyn Drafter> = match (draft, head) {
            (Some(model), _) => Box::new(ModelDrafter::new(model)),
            (None, Some(head)) => {
                let longest = ending.longest(head.borrow().context());
                Box::new(HeadDrafter::new(head, longest))
            }
            (None, None) => Box::new(LookupDrafter),
        };
        let most = settings.speculative.draft_tokens;
        Self { text: Text::new(settings, stages, ending, prompt), drafter, most, next: most }
    }

    /// Gives the drafter what it lacks of the text before its newest token: after a branch, for one.
    fn prepare_drafter(
        &mut self,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<(), DecodingError> {
        let newest = self.text.tokens.len() - 1;
        let Some(first) = self.drafter.lacks_hidden_from().filter(|&first| first < newest) else {
            return Ok(());
        };
        let (drafter, tokens) = (&mut self.drafter, self.text.tokens.clone());
        let mut see = |first: usize, hidden: Vec<Vec<f32>>| drafter.see(&tokens, first, hidden);
        self.text.hidden_from(first, &mut see, model, control)
    }

    /// The rows of the newest token and of each drafted one, and their hidden states where the drafter needs them.
    fn verify(
        &mut self,
        draft: &Draft,
        output: RowOutput,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<(Vec<RowLogits>, Vec<Vec<f32>>), DecodingError> {
        let wants_hidden = self.drafter.lacks_hidden_from().is_some();
        if self.text.generated() == 0 {
            let (drafter, tokens) = (&mut self.drafter, self.text.tokens.clone());
            let mut see = |first: usize, hidden: Vec<Vec<f32>>| drafter.see(&tokens, first, hidden);
            let hidden: Option<TakeHidden<'_>> = if wants_hidden { Some(&mut see) } else { None };
            return Ok((vec![self.text.initiate(output, hidden, model, control)?], Vec::new()));
        }
        let sequence = self.text.catch_up(model, control)?;
        let done = self.text.tokens.len() - 1;
        let drafted = draft.tokens.iter().map(|drafted| drafted.token);
        let tokens: Vec<u32> = self.text.tokens[done..].iter().copied().chain(drafted).collect();
        let batch = Batch::chain_of_outputs(sequence, done, &tokens, output);
        let batch = if wants_hidden { batch.with_hidden() } else { batch };
        self.text.try_out(&batch, model, control)
    }
}

impl Strategy for Speculative {
    /// The first step is initiation, without a draft; each further one drafts, and verifies in one pass.
    fn step(
        &mut self,
        model: &mut dyn LanguageModel,
        run: &mut Run,
        control: &mut Control<'_>,
    ) -> Result<Stepped, DecodingError> {
        let start = Instant::now();
        control.check()?;
        let context = model.context();
        let (mut draft, mut draft_seconds) = (Draft::default(), 0.0);
        let newest = self.text.tokens.len() - 1;
        if self.text.generated() > 0 {
            self.prepare_drafter(model, control)?;
            // The last token that may join the text needs no draft: the target adds it itself.
            let most = self.text.room(context).min(model.max_rows()).saturating_sub(1).min(self.next);
            draft = self.drafter.draft(&self.text, most, control)?;
            draft_seconds = start.elapsed().as_secs_f64();
        }
        let output = self.text.output(model.vocabulary());
        let (rows, mut hidden) = self.verify(&draft, output, model, control)?;
        let mut choosing = Instant::now();
        let judged = match judge(&self.text, &draft, &rows, context)? {
            Some(judged) => judged,
            None => {
                let (rows, again) = self.verify(&draft, RowOutput::Logits, model, control)?;
                hidden = again;
                choosing = Instant::now();
                judge(&self.text, &draft, &rows, context)?.expect("whole rows decide everything")
            }
        };
        let Judged { nodes, drafted, added, accepted } = judged;
        if !drafted.is_empty() {
            let whole = accepted == drafted.len();
            self.next = if whole { self.next + 2 } else { accepted + 1 }.min(self.most);
        }
        let detail = StepDetail::Speculative(SpeculativeStep {
            drafter: self.drafter.name(),
            drafted,
            added,
            draft_passes: draft.passes,
            draft_seconds,
        });
        let stepped = self.text.take(Emitted { nodes, detail, start, choosing }, model, run);
        self.drafter.keep(&self.text.tokens);
        // Those of the newest token and of the accepted ones: what came after is no part of the text.
        hidden.truncate(accepted + 1);
        self.drafter.see(&self.text.tokens, newest, hidden);
        Ok(stepped)
    }

    fn branch(&mut self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Branched, DecodingError> {
        let mut text = self.text.branch(model, tokens)?;
        let drafter = self.drafter.branch(tokens).inspect_err(|_| text.release(model))?;
        let stop = text.reason(tokens, model.context());
        Ok(Branched { strategy: Box::new(Self { text, drafter, ..*self }), stop })
    }

    fn adopt(&mut self, sequence: SequenceId) -> Option<SequenceId> {
        self.text.adopt(sequence)
    }

    fn fork(&self, model: &mut dyn LanguageModel, tokens: &[u32]) -> Result<Option<SequenceId>, ModelError> {
        self.text.fork(model, tokens)
    }

    fn release(&mut self, model: &mut dyn LanguageModel) {
        self.text.release(model);
        self.drafter.release();
    }
}
