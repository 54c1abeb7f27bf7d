//! Passes that begin before the one before is read: the server goes on by itself, greedily, and each token that it sends is the
//! forecast of the next pass. Where the choice here is another one, what it goes on with is given up.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::asking::StreamAsk;
use super::model::{ServerModel, is_greedy, locked, model_error, waited};
use super::passes::Pass;
use super::row::SentRow;
use super::stream::TokenStream;
use super::summaries::summary;
use crate::model::batch::RowOutput;
use crate::model::language_model::PassId;
use crate::model::selection::SamplingParams;
use crate::model::{Batch, ChainedModel, ModelError, Outputs, ServerSampling};

/// Most tokens that a server is asked to go on with at once: what it computes in vain when a run pauses stays small.
const MOST_TOKENS: usize = 256;
/// Stands for a token that is not known yet.
const UNKNOWN: u32 = u32::MAX;

impl ServerModel {
    /// The row of a pass: the next one of what the server goes on with, or asked for.
    fn row(&mut self, pass: Pass, interrupt: &AtomicBool) -> Result<SentRow, ModelError> {
        let text = self.sequences.text(pass.sequence)[..=pass.position].to_vec();
        let greedy = is_greedy(pass.output);
        let longest = self.sequences.longest(pass.sequence).min(self.context);
        let room = longest.saturating_sub(text.len()).min(MOST_TOKENS);
        // A run that ends with this token needs no more.
        if greedy && self.going.stream.is_none() && room > 1 {
            self.going.stream = Some(self.stream(&text, room, ServerSampling::GREEDY)?);
        }
        if let Some(stream) = self.going.stream.as_mut().filter(|_| greedy) {
            if let Some(row) = stream.next(interrupt).map_err(model_error)? {
                return Ok(row);
            }
            self.going.stream = None;
        }
        let rows = locked(&self.server).rows(&[&text], self.top(), interrupt).map_err(model_error)?;
        rows.into_iter()
            .next()
            .ok_or_else(|| ModelError::Server { reason: "the server sent no row".to_owned() })
    }

    /// Lets the server go on with a text.
    pub(super) fn stream(
        &self,
        text: &[u32],
        most_tokens: usize,
        sampling: ServerSampling,
    ) -> Result<TokenStream, ModelError> {
        // Whether a text ends is decided here, but for what the server chooses itself.
        let stop_at_eos = sampling != ServerSampling::GREEDY;
        let ask = StreamAsk { top: self.top(), most_tokens, sampling, stop_at_eos };
        locked(&self.server).stream(text, &ask).map_err(model_error)
    }
}

impl ChainedModel for ServerModel {
    fn submit(&mut self, batch: &Batch) -> Result<PassId, ModelError> {
        batch.check(self.vocabulary, self.context, |sequence| self.sequences.length(sequence))?;
        let row = batch.rows.last().expect("a pass has a row");
        // What the server went on with belongs to another text.
        self.going.stream = None;
        for row in &batch.rows {
            self.sequences.push(row.sequence, row.token);
        }
        Ok(self.going.begin(row.sequence, row.position, row.output))
    }

    fn follow(&mut self, pass: PassId, output: RowOutput) -> Result<PassId, ModelError> {
        let before = self.going.passes.iter().find(|other| other.id == pass).copied();
        let before = before.filter(|before| is_greedy(before.output) && is_greedy(output));
        let before = before.ok_or_else(|| ModelError::Server {
            reason: "a draw made here cannot be foreseen by the server".to_owned(),
        })?;
        self.sequences.push(before.sequence, UNKNOWN);
        Ok(self.going.begin(before.sequence, before.position + 1, output))
    }

    fn collect(&mut self, pass: PassId) -> Result<Outputs, ModelError> {
        self.collect_unless(pass, &AtomicBool::new(false))
    }

    fn collect_unless(&mut self, pass: PassId, interrupt: &AtomicBool) -> Result<Outputs, ModelError> {
        let start = Instant::now();
        let pass = self.going.take(pass).expect("a pass is collected once");
        let row = self.row(pass, interrupt).inspect_err(|_| {
            self.going.stream = None;
            self.sequences.truncate(pass.sequence, pass.position);
        })?;
        self.known.take(&row.pieces);
        self.sequences.set(pass.sequence, pass.position + 1, row.chosen);
        let params = match pass.output {
            RowOutput::Summary(params) => params,
            _ => SamplingParams::GREEDY,
        };
        let text = self.sequences.text(pass.sequence)[..=pass.position].to_vec();
        let summary = summary(self.remember(text), &row, self.vocabulary, &params);
        let timing = waited(start, row.server_seconds);
        Ok(Outputs { summaries: vec![summary], timing, ..Outputs::default() })
    }

    fn discard(&mut self, pass: PassId) {
        let Some(pass) = self.going.take(pass) else { return };
        self.going.stream = None;
        self.sequences.truncate(pass.sequence, pass.position);
    }
}
