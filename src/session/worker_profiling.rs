//! The worker's part of timing a step's ops, and of telling what lies in the cache.

use std::sync::Arc;

use super::comparison::Profiled;
use super::event::{Event, Severity};
use super::profiling::ProfileError;
use super::worker::{Worker, takes_the_model};

impl Worker {
    /// Times the ops of a step. What goes wrong is told where the times would be seen, but for a device that takes the
    /// model along.
    pub(super) fn profile(&mut self, node: usize) {
        let found = match (&mut self.live, &mut self.ready) {
            (Some(live), Some(ready)) => live.decode.profile(ready, node, &self.interrupt),
            _ => Err(ProfileError::NoRun),
        };
        if matches!(found, Err(ProfileError::Interrupted)) && self.was_interrupted_in_vain() {
            return self.profile(node);
        }
        let failed = matches!(&found, Err(ProfileError::Model(error)) if takes_the_model(error));
        let found = found.map_err(|error| error.to_string());
        if let (Err(reason), true) = (&found, failed) {
            self.outbox.notify(Severity::Error, "The step could not be timed", reason);
        }
        self.outbox.send(Event::Profiled(Box::new(Profiled { node, found })));
        if failed {
            self.abandon();
        }
    }

    /// Tells what lies in the cache.
    pub(super) fn map_cache(&mut self) {
        let profiling = self.ready.as_mut().and_then(|ready| ready.model.profiling());
        if let Some(map) = profiling.map(|profiling| profiling.cache_map()) {
            self.outbox.send(Event::CacheMapped(Arc::new(map)));
        }
    }
}
