//! The rows of logits of a step, one for each live hypothesis, through the stages.

use super::Beam;
use crate::decoding::chain::Filtered;
use crate::decoding::error::DecodingError;
use crate::decoding::initiation::Prefill;
use crate::decoding::row::refuse_broken;
use crate::decoding::settings::CacheUse;
use crate::decoding::stages::Stage;
use crate::decoding::strategy::Control;
use crate::decoding::strategy_settings::Picking;
use crate::model::batch::RowOutput;
use crate::model::selection::MOST_CANDIDATES;
use crate::model::{Batch, LanguageModel, Outputs, Row, Summary};

impl Beam {
    /// Every live hypothesis's row after the stages; `None` where these leave nothing, which ends the hypothesis. A
    /// summary that does not decide is replaced by its row, which takes another pass.
    pub(super) fn judge(
        &mut self,
        step: usize,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<Vec<Option<Filtered>>, DecodingError> {
        let output = self.output(model.vocabulary());
        let outputs = self.compute(output, model, control)?;
        if let RowOutput::Summary(_) = output {
            let summaries = outputs.summaries.iter();
            let decided = summaries.map(|summary| {
                let fine = summary.broken == 0 && self.lists_enough(summary);
                let filtered = fine.then(|| self.chain.run_summary(summary)).flatten()?;
                (self.picking == Picking::Argmax || filtered.row.tail.count == 0).then_some(Some(filtered))
            });
            if let Some(rows) = decided.collect() {
                return Ok(rows);
            }
            let outputs = self.compute(RowOutput::Logits, model, control)?;
            return self.judge_rows(&outputs, step);
        }
        self.judge_rows(&outputs, step)
    }

    /// An error where no hypothesis can go on and none has ended.
    fn judge_rows(&self, outputs: &Outputs, step: usize) -> Result<Vec<Option<Filtered>>, DecodingError> {
        let mut nothing_left = None;
        let mut rows = Vec::with_capacity(self.live.len());
        for (live, logits) in self.live.iter().zip(&outputs.logits) {
            refuse_broken(logits, step)?;
            rows.push(match self.chain.run(logits, self.history(live)) {
                Err(error @ DecodingError::NothingLeft { .. }) => {
                    // That of the best one.
                    nothing_left.get_or_insert(error);
                    None
                }
                filtered => Some(filtered?),
            });
        }
        match nothing_left {
            Some(error) if self.ended.is_empty() && rows.iter().all(Option::is_none) => Err(error),
            _ => Ok(rows),
        }
    }

    /// What a step asks of its rows: summaries where they hold every continuation that could be taken.
    fn output(&self, vocabulary: usize) -> RowOutput {
        let listed = MOST_CANDIDATES.min(vocabulary);
        let enough = match self.picking {
            Picking::Argmax => self.rules.weighed() <= listed || listed == vocabulary,
            // Whatever the stages leave may be drawn.
            Picking::Sample => {
                let few = |stage: &Stage| matches!(stage, Stage::TopK(count) if *count < listed);
                listed == vocabulary || self.chain.stages.iter().any(few)
            }
        };
        match self.chain.sampling_params(vocabulary, 0.0).filter(|_| enough) {
            Some(params) => RowOutput::Summary(params),
            None => RowOutput::Logits,
        }
    }

    /// Whether a summary has every continuation that could be taken.
    fn lists_enough(&self, summary: &Summary) -> bool {
        self.picking == Picking::Sample
            || summary.others() == 0
            || self.rules.weighed() <= summary.tokens.len()
    }

    /// Computes every live hypothesis up to its newest token, and asks `output` of that: all of them in one pass,
    /// but for the first step's prompt and for passes that reuse nothing.
    fn compute(
        &mut self,
        output: RowOutput,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<Outputs, DecodingError> {
        if self.cache == CacheUse::Reuse && self.live.len() > 1 {
            return self.compute_newest(output, model, control);
        }
        let initiation = self.length() == self.ending.prompt;
        let mut silent = |_, _| {};
        let mut control = Control {
            interrupt: control.interrupt,
            progress: if initiation { &mut *control.progress } else { &mut silent },
        };
        let mut results = Outputs::default();
        for live in &mut self.live {
            let sequence = *live.sequence.get_or_insert_with(|| self.ending.new_sequence(model));
            let (chunk, cost) = (&mut self.chunk, &mut self.cost);
            let prefill = Prefill { model, sequence, chunk, cost, control: &mut control };
            let outputs = prefill.pass(&live.tokens, output)?;
            results.logits.extend(outputs.logits);
            results.summaries.extend(outputs.summaries);
        }
        if self.cache == CacheUse::Recompute {
            let sequences = self.live.iter_mut().filter_map(|live| live.sequence.take());
            sequences.for_each(|sequence| model.release(sequence));
        }
        Ok(results)
    }

    /// The newest token of each live hypothesis, in as many passes as the model needs.
    fn compute_newest(
        &mut self,
        output: RowOutput,
        model: &mut dyn LanguageModel,
        control: &mut Control<'_>,
    ) -> Result<Outputs, DecodingError> {
        let newest = self.length() - 1;
        let mut rows = Vec::with_capacity(self.live.len());
        for live in &self.live {
            let sequence = live.sequence.expect("more than one hypothesis go on in sequences of their own");
            // What an attempt before this one has cached goes.
            model.truncate(sequence, newest);
            rows.push(Row { token: live.tokens[newest], position: newest, sequence, parent: None, output });
        }
        let mut results = Outputs::default();
        for rows in rows.chunks(model.max_rows().max(1)) {
            control.check()?;
            let outputs = self.cost.forward_unless(model, &Batch::from(rows.to_vec()), control.interrupt)?;
            results.logits.extend(outputs.logits);
            results.summaries.extend(outputs.summaries);
        }
        Ok(results)
    }
}
