//! What the worker does for a second model: it is loaded beside the model, and reads the first lane's text while all lanes
//! wait or have ended.

use super::command::{Command, LoadRequest, SecondCommand};
use super::event::{Event, Severity};
use super::live_run::LiveRun;
use super::load::ReadyModel;
use super::reading::ReadingError;
use super::second::SecondEvent;
use super::second_model::{ReadOn, Second};
use super::vocabularies::{VocabularyMatch, VocabularyMisfit};
use super::worker::{Worker, takes_the_model};
use super::worker_beside::Told;
use super::worker_loading::LOAD_ENDS;

/// What makes it useless to go on loading a second model.
const SECOND_ENDS: fn(&Command) -> bool = |command| {
    LOAD_ENDS(command) || matches!(command, Command::Second(SecondCommand::Load(_) | SecondCommand::Drop))
};

impl Worker {
    pub(super) fn perform_on_second(&mut self, command: SecondCommand) {
        match command {
            SecondCommand::Load(request) => self.load_second(&request),
            SecondCommand::Drop => self.drop_second(),
            SecondCommand::Read => self.let_second_read(true),
            SecondCommand::EndReading => self.let_second_read(false),
        }
    }

    /// Loads a second model.
    fn load_second(&mut self, request: &LoadRequest) {
        self.drop_second();
        let told = Told {
            started: |name| Event::Second(SecondEvent::LoadStarted { name }),
            progress: |part, share| Event::Second(SecondEvent::LoadProgress { part, share }),
            dropped: Event::Second(SecondEvent::Dropped),
            ends: SECOND_ENDS,
            failed: "The other model could not be loaded",
            alone: "It is held against a model: open that one first.",
            stopped: ["Loading the other model was stopped", "The lanes are as they were."],
        };
        self.load_beside(request, told, Self::take_second);
    }

    fn take_second(&mut self, ready: ReadyModel) -> Result<(), String> {
        let Some(model) = &self.ready else { return Ok(()) };
        let comparison = VocabularyMatch::of(model, &ready).map_err(|misfit| misfit_words(&misfit))?;
        self.outbox.send(Event::Second(SecondEvent::Loaded(Box::new(ready.loaded.model.clone()))));
        for warning in &ready.warnings {
            self.outbox.notify(Severity::Warning, "The other model's files", warning);
        }
        if comparison == VocabularyMatch::Sizes {
            let detail = "Only the sizes of the vocabularies were compared, as a tokenizer is missing. If the other model \
                          has other tokens, what it says of the text makes no sense.";
            self.outbox.notify(Severity::Warning, "The other model's tokens", detail);
        }
        self.second = Some(Second::new(ready));
        self.let_second_read(true);
        Ok(())
    }

    /// Forgets the second model.
    pub(super) fn drop_second(&mut self) {
        self.end_reading();
        if self.second.take().is_some() {
            self.outbox.send(Event::Second(SecondEvent::Dropped));
        }
    }

    /// Whether it reads along from now on.
    pub(super) fn let_second_read(&mut self, reads: bool) {
        if let Some(second) = self.second.as_mut().filter(|second| second.reads != reads) {
            second.reads = reads;
            self.outbox.send(Event::Second(SecondEvent::Reads(reads)));
        }
    }

    /// Lets it forget the text.
    pub(super) fn end_reading(&mut self) {
        if let (Some(second), Some(ready)) = (&mut self.second, &mut self.ready) {
            second.leave_text(ready);
        }
    }

    /// Whether the second model has something to read now: runs come first.
    pub(super) fn reads(&self) -> bool {
        let Some(second) = self.second.as_ref().filter(|second| second.reads) else { return false };
        let tip = self.lanes.first(self.live.as_ref()).and_then(|live| live.decode.run.tip());
        tip.is_some_and(|tip| second.has_unread(tip)) && !self.runs().any(LiveRun::moves)
    }

    /// Lets it read some more.
    pub(super) fn read_on(&mut self) {
        let (Some(second), Some(ready)) = (&mut self.second, &mut self.ready) else { return };
        if let Some(live) = &mut self.live {
            live.decode.rest(ready);
        }
        let Some(first) = self.lanes.first(self.live.as_ref()) else { return };
        match second.read(ready, &first.decode) {
            Ok(ReadOn { place, opinions, cache_bytes, ends_at }) => {
                self.outbox.send(Event::Second(SecondEvent::Read { place, opinions, cache_bytes }));
                if let Some(steps) = ends_at {
                    let detail = format!(
                        "It can read {steps} of {} steps: {} has a context of {} positions, {} one of {}.",
                        first.decode.run.line.len(),
                        second.ready.loaded.model.name,
                        second.ready.model.context(),
                        ready.loaded.model.name,
                        ready.model.context()
                    );
                    self.outbox.notify(
                        Severity::Warning,
                        "The other model cannot read all of the text",
                        &detail,
                    );
                }
            }
            Err(error) => self.fail_reading(&error),
        }
    }

    /// Ends reading after an error; a model that is lost goes. The runs stay, unless it is theirs.
    fn fail_reading(&mut self, error: &ReadingError) {
        self.outbox.notify(Severity::Error, "The other model could not read the text", &error.to_string());
        match error {
            ReadingError::First(error) if takes_the_model(error) => self.abandon(),
            ReadingError::Second(error) if takes_the_model(error) => self.drop_second(),
            _ => {
                self.let_second_read(false);
                self.end_reading();
            }
        }
    }
}

/// Why two models cannot be held against each other.
fn misfit_words(misfit: &VocabularyMisfit) -> String {
    format!("{misfit}: choose a model of the same family, or the same model in another precision")
}
