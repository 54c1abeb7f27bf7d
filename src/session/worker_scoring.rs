//! What the worker does to score a run's prompt, a chunk at a time.

use super::event::{Event, Severity};
use super::prompt_scores::PromptScores;
use super::worker::{Worker, takes_the_model};

impl Worker {
    /// Begins to score the newest run's prompt. A prompt of one token has nothing to score.
    pub(super) fn score_prompt(&mut self) {
        let (Some(live), Some(ready), None) = (&mut self.live, &mut self.ready, &self.scoring) else {
            return;
        };
        let ids = live.decode.run.prompt_ids();
        if ids.len() > 1 {
            live.decode.rest(ready);
            self.scoring = Some(PromptScores::begin(live.decode.new_sequence(ready), ids));
        }
    }

    /// Scores some more of the prompt.
    pub(super) fn score_more(&mut self) {
        let (Some(scoring), Some(ready)) = (&mut self.scoring, &mut self.ready) else { return };
        match scoring.advance(&mut *ready.model, ready.tokenizer.as_ref()) {
            Ok(scored) => {
                self.outbox.send(Event::PromptScored { first: scored.first, scores: scored.scores });
                if scoring.is_done() {
                    self.end_scoring();
                }
            }
            Err(error) => {
                let title = "The prompt's probabilities could not be computed";
                self.outbox.notify(Severity::Error, title, &error.to_string());
                self.end_scoring();
                if takes_the_model(&error) {
                    self.abandon();
                }
            }
        }
    }

    pub(super) fn end_scoring(&mut self) {
        if let (Some(scoring), Some(ready)) = (self.scoring.take(), &mut self.ready) {
            scoring.release(&mut *ready.model);
        }
    }
}
