//! What a server chooses by itself.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::model::{ServerModel, model_error, waited};
use super::stream::Ended;
use super::summaries::summary;
use crate::model::selection::SamplingParams;
use crate::model::{ModelError, Sampled, Sampler, ServerSampling};

impl Sampler for ServerModel {
    fn begin(
        &mut self,
        text: &[u32],
        sampling: &ServerSampling,
        most_tokens: usize,
    ) -> Result<(), ModelError> {
        self.sampled = None;
        let most_tokens = most_tokens.min(self.context.saturating_sub(text.len()));
        self.sampled = Some(self.stream(text, most_tokens, *sampling)?);
        Ok(())
    }

    fn next(&mut self, interrupt: &AtomicBool) -> Result<Option<Sampled>, ModelError> {
        let start = Instant::now();
        let Some(stream) = &mut self.sampled else { return Ok(None) };
        let Some(row) = stream.next(interrupt).map_err(model_error)? else {
            return match stream.ended_because() {
                Some(Ended::Other(why)) => Err(ModelError::Server { reason: why_not_on(why) }),
                _ => Ok(None),
            };
        };
        self.known.take(&row.pieces);
        let log_probability = row.chosen_log_probability.ok_or_else(|| ModelError::Server {
            reason: "the server does not tell the log-probability of the token that it chose".to_owned(),
        })?;
        let handle = self.remember(Vec::new());
        let summary = summary(handle, &row, self.vocabulary, &SamplingParams::GREEDY);
        let timing = waited(start, row.server_seconds);
        Ok(Some(Sampled { summary, log_probability, timing }))
    }

    fn end(&mut self) {
        self.sampled = None;
    }
}

/// Why the server does not go on by itself, and what to do.
fn why_not_on(why: &str) -> String {
    format!(
        "the server ended its own choice of tokens ({why}): go on with a strategy that decides here, or try again"
    )
}
