//! What the worker does to branch a run, and to turn to another of its lines.

use super::command::Pace;
use super::event::{Event, Severity};
use super::live_run::Motion;
use super::worker::Worker;

impl Worker {
    /// Lets the run go on from another token, also after its end.
    pub(super) fn branch(&mut self, node: usize, token: u32, pace: Pace) {
        let (Some(live), Some(ready)) = (&mut self.live, &mut self.ready) else {
            let detail =
                "Branches begin at a step of the newest run, while its model is open: run the prompt again.";
            self.outbox.notify(Severity::Error, "There is no run to branch from", detail);
            return;
        };
        match live.decode.branch(ready, node, token) {
            Ok(()) => {
                self.outbox.send(Event::Branched(Box::new(live.update())));
                if let Some(stop) = live.decode.run.stop {
                    // Whatever it did before, it goes on and ends now.
                    live.motion = Motion::Going;
                    self.finish(stop);
                } else if pace == Pace::Continuous {
                    live.motion = Motion::Going;
                } else {
                    live.motion = Motion::Held;
                    self.outbox.send(Event::Paused);
                }
            }
            Err(error) => self.outbox.notify(Severity::Error, "The run cannot branch", &error.to_string()),
        }
    }

    /// Turns to another line of the run, and waits there unless that line has ended.
    pub(super) fn follow(&mut self, tip: usize) {
        let Some(live) = &mut self.live else {
            let detail = "Its model was closed or another run began: run the prompt again.";
            self.outbox.notify(Severity::Error, "That line cannot go on", detail);
            return;
        };
        match live.decode.follow(tip) {
            Ok(()) => {
                let stop = live.decode.run.stop;
                self.outbox.send(Event::Followed { tip, stop });
                live.motion = if stop.is_some() { Motion::Ended } else { Motion::Held };
                self.hold();
                if self.runs().any(|live| live.motion == Motion::Held) {
                    self.outbox.send(Event::Paused);
                }
            }
            Err(error) => self.outbox.notify(Severity::Error, "There is no such line", &error.to_string()),
        }
    }
}
