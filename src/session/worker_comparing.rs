//! The worker's part of comparing a run with and without the KV cache: while the run waits or has ended.

use super::comparing::{Comparing, Gained};
use super::event::{Event, Severity};
use super::live_run::LiveRun;
use super::worker::{Worker, takes_the_model};
use crate::model::ModelError;

impl Worker {
    /// Begins to compare the newest run's line, in place of a comparison before.
    pub(super) fn compare(&mut self) {
        self.end_comparison();
        let (Some(live), Some(ready)) = (&mut self.live, &mut self.ready) else { return };
        let run = &live.decode.run;
        let Some(tip) = run.tip() else { return };
        let (prompt, tokens) = (run.prompt.len(), run.line.len());
        let text = live.decode.text_of(&run.line);
        let longest = live.decode.longest();
        let comparing = Comparing::begin(&mut *ready.model, text, prompt, longest, !self.device_measured);
        self.comparing = Some(comparing);
        self.outbox.send(Event::ComparisonStarted { tip, prompt, tokens });
    }

    /// Whether a comparison goes on now: the run comes first.
    pub(super) fn compares(&self) -> bool {
        self.comparing.is_some() && !self.runs().any(LiveRun::moves)
    }

    /// Goes on with the comparison.
    pub(super) fn compare_on(&mut self) {
        let (Some(comparing), Some(ready)) = (&mut self.comparing, &mut self.ready) else { return };
        if let Some(live) = &mut self.live {
            live.decode.rest(ready);
        }
        let measures = comparing.has_all_steps();
        match comparing.advance(&mut *ready.model) {
            Ok(gained) => {
                match gained {
                    Gained::Nothing => {}
                    Gained::Step(step) => self.outbox.send(Event::Compared(step)),
                    Gained::Limits(limits) => {
                        self.device_measured = true;
                        self.outbox.send(Event::DeviceMeasured(Ok(limits)));
                    }
                }
                if comparing.is_over() {
                    self.end_comparison();
                }
            }
            // There was no room for the two buffers: nothing of the model is lost.
            Err(error @ ModelError::OutOfMemory { .. }) if measures => {
                self.device_measured = true;
                self.outbox.send(Event::DeviceMeasured(Err(error.to_string())));
                self.end_comparison();
            }
            Err(error) => {
                self.end_comparison();
                let title = "The comparison could not go on";
                self.outbox.notify(Severity::Error, title, &error.to_string());
                if takes_the_model(&error) {
                    self.abandon();
                }
            }
        }
    }

    /// Ends the comparison, and frees what it holds.
    pub(super) fn end_comparison(&mut self) {
        if let (Some(comparing), Some(ready)) = (self.comparing.take(), &mut self.ready) {
            comparing.release(&mut *ready.model);
            self.outbox.send(Event::ComparisonEnded);
        }
    }
}
