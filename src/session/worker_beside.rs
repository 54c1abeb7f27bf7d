//! What the worker does to load models beside the model: one that drafts for it, or another one that reads the text.

use super::command::{Command, LoadRequest};
use super::event::{Event, Severity};
use super::load::{LoadError, ReadyModel};
use super::worker::Worker;
use crate::gpu::{LoadPart, Share};

/// What is told of loading a model beside the model.
pub(super) struct Told {
    /// That it begins, of a model of this name.
    pub started: fn(String) -> Event,
    /// How far it is.
    pub progress: fn(LoadPart, Share) -> Event,
    /// That there is none now.
    pub dropped: Event,
    /// What makes it useless to go on.
    pub ends: fn(&Command) -> bool,
    /// That it did not work, and why it cannot without a model.
    pub failed: &'static str,
    pub alone: &'static str,
    /// That it was stopped, and what that means.
    pub stopped: [&'static str; 2],
}

impl Worker {
    /// Loads a model beside the model, and lets `take` have it, whose error says why it is of no use. Runs that are under
    /// way wait meanwhile, and go on whatever comes of it.
    pub(super) fn load_beside(
        &mut self,
        request: &LoadRequest,
        told: Told,
        take: impl FnOnce(&mut Self, ReadyModel) -> Result<(), String>,
    ) {
        if self.ready.is_none() {
            return self.outbox.notify(Severity::Error, told.failed, told.alone);
        }
        self.outbox.send((told.started)(request.source.name()));
        let (inbox, outbox) = (&mut self.inbox, &self.outbox);
        let mut progress = |part, share| {
            outbox.send((told.progress)(part, share));
            inbox.goes_on_loading(told.ends)
        };
        let loaded = self.loader.load_beside(request, &mut progress);
        self.report_adapters();
        let taken = match loaded {
            Ok(ready) => take(self, ready),
            Err(LoadError::Stopped) => {
                let [title, detail] = told.stopped;
                self.outbox.notify(Severity::Information, title, detail);
                return self.outbox.send(told.dropped);
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(failure) = taken {
            self.outbox.notify(Severity::Error, told.failed, &failure);
            self.outbox.send(told.dropped);
        }
    }
}
