//! What the worker does to load models, and draft models beside them.

use super::command::{Command, LoadRequest, ModelSource};
use super::draft::DraftModel;
use super::event::{Event, Severity};
use super::load::{LoadError, ReadyModel};
use super::worker::Worker;
use super::worker_beside::Told;

/// What makes it useless to go on loading a model.
pub(super) const LOAD_ENDS: fn(&Command) -> bool =
    |command| matches!(command, Command::Stop | Command::Load(_));

/// What makes it useless to go on loading a draft model.
const DRAFT_ENDS: fn(&Command) -> bool =
    |command| LOAD_ENDS(command) || matches!(command, Command::LoadDraft(_) | Command::DropDraft);

impl Worker {
    /// Loads a model in place of the one before.
    pub(super) fn load(&mut self, request: &LoadRequest) {
        self.close();
        // The old model goes first: both may not fit.
        self.drop_draft();
        self.drop_second();
        (self.ready, self.spelled, self.device_measured) = (None, false, false);
        self.outbox.send(Event::LoadStarted { name: request.source.name() });
        let (inbox, outbox) = (&mut self.inbox, &self.outbox);
        let mut progress = |part, share| {
            outbox.send(Event::LoadProgress { part, share });
            inbox.goes_on_loading(LOAD_ENDS)
        };
        let loaded = self.loader.load(request, &mut progress);
        self.report_adapters();
        match loaded {
            Ok(ready) => {
                self.outbox.send(Event::Loaded(Box::new(ready.loaded.clone())));
                for warning in &ready.warnings {
                    self.outbox.notify(Severity::Warning, "The model's files", warning);
                }
                self.ready = Some(ready);
                self.pin(Vec::new());
            }
            Err(LoadError::Stopped) => {
                self.outbox.notify(Severity::Information, "Loading was stopped", "No model is open now.");
                self.outbox.send(Event::LoadFailed);
            }
            Err(error) => {
                self.outbox.notify(Severity::Error, "The model could not be loaded", &error.to_string());
                self.outbox.send(Event::LoadFailed);
            }
        }
    }

    /// Loads a draft model beside the model.
    pub(super) fn load_draft(&mut self, source: ModelSource) {
        self.drop_draft();
        let told = Told {
            started: |name| Event::DraftLoadStarted { name },
            progress: |part, share| Event::DraftLoadProgress { part, share },
            dropped: Event::DraftDropped,
            ends: DRAFT_ENDS,
            failed: "The draft model could not be loaded",
            alone: "It drafts for a model: open that one first.",
            stopped: [
                "Loading the draft model was stopped",
                "Speculative decoding looks drafts up in the text.",
            ],
        };
        self.load_beside(&LoadRequest::of(source), told, Self::take_draft);
    }

    fn take_draft(&mut self, draft: ReadyModel) -> Result<(), String> {
        let Some(model) = &self.ready else { return Ok(()) };
        let draft = DraftModel::for_model(draft, model).map_err(|misfit| misfit.to_string())?;
        self.outbox.send(Event::DraftLoaded(Box::new(draft.facts.clone())));
        if let Some(warning) = draft.warning() {
            self.outbox.notify(Severity::Warning, "The draft model's tokens", &warning);
        }
        self.draft = Some(draft);
        Ok(())
    }

    /// Tells which adapters do not work, as far as that is new.
    pub(super) fn report_adapters(&mut self) {
        for warning in self.loader.take_warnings() {
            self.outbox.notify(Severity::Warning, "An adapter does not work", &warning);
        }
        let broken = self.loader.broken_adapters();
        if broken != self.broken_adapters {
            self.outbox.send(Event::BrokenAdapters(broken.clone()));
            self.broken_adapters = broken;
        }
    }

    pub(super) fn drop_draft(&mut self) {
        if self.draft.take().is_some() {
            self.outbox.send(Event::DraftDropped);
        }
    }
}
