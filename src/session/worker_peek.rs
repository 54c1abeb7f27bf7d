//! What the worker does to look ahead while a run waits or has ended.

use super::event::{Event, Severity};
use super::live_run::Motion;
use super::peek::Peek;
use super::worker::{Worker, takes_the_model};
use crate::model::ModelError;

impl Worker {
    /// Begins to look ahead, unless the run moves.
    pub(super) fn peek(&mut self, node: usize, token: u32) {
        let (Some(live), Some(ready), None) = (&mut self.live, &mut self.ready, &self.scoring) else {
            return;
        };
        if !matches!(live.motion, Motion::Held | Motion::Ended) {
            return;
        }
        match Peek::begin(&mut live.decode, ready, node, token) {
            Ok(peek) => self.peeking = peek,
            Err(error) => self.fail_peek(&error),
        }
    }

    /// Looks a pass further ahead, and tells what came of it.
    pub(super) fn peek_on(&mut self) {
        let (Some(peek), Some(ready)) = (&mut self.peeking, &mut self.ready) else { return };
        match peek.advance(ready) {
            Ok(()) => {
                self.outbox.send(Event::Peeked(peek.told.clone()));
                if peek.told.done {
                    self.end_peek();
                }
            }
            Err(error) => {
                self.end_peek();
                self.fail_peek(&error);
            }
        }
    }

    /// Gives up looking ahead, and frees the fork.
    pub(super) fn end_peek(&mut self) {
        if let (Some(peek), Some(ready)) = (self.peeking.take(), &mut self.ready) {
            ready.model.release(peek.sequence);
        }
    }

    /// A device that failed takes its model along; otherwise nothing is lost.
    fn fail_peek(&mut self, error: &ModelError) {
        self.outbox.notify(Severity::Error, "What would follow could not be computed", &error.to_string());
        if takes_the_model(error) {
            self.abandon();
        }
    }
}
