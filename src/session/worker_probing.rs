//! The worker's part of a look inside a pass: asked for by a command, answered by an event.

use super::command::ProbeTarget;
use super::event::{Event, Probed, Severity};
use super::probing::ProbeError;
use super::worker::Worker;
use crate::model::ModelError;

impl Worker {
    /// Looks inside a pass. What goes wrong is told where it would be seen, but for a device that takes the model along.
    pub(super) fn probe(&mut self, target: ProbeTarget) {
        let found = match (&mut self.live, &mut self.ready) {
            (Some(live), Some(ready)) => live.decode.probe(ready, target, &self.interrupt),
            _ => Err(ProbeError::NoRun),
        };
        if matches!(found, Err(ProbeError::Interrupted)) && self.was_interrupted_in_vain() {
            return self.probe(target);
        }
        let failed = matches!(
            found,
            Err(ProbeError::Model(ModelError::DeviceLost { .. } | ModelError::Device { .. }))
        );
        let found = found.map_err(|error| error.to_string());
        if let (Err(reason), true) = (&found, failed) {
            self.outbox.notify(Severity::Error, "The step could not be looked into", reason);
        }
        self.outbox.send(Event::Probed(Box::new(Probed { target, found })));
        if failed {
            self.abandon();
        }
    }
}
