//! What the worker does to begin a run.

use super::command::{Command, Prompt, RunRequest};
use super::decode::Decode;
use super::draft::strategy_inputs;
use super::event::{Event, RunStarted, Severity};
use super::live_run::{LiveRun, Motion};
use super::load::LoadError;
use super::run_error::RunError;
use super::worker::Worker;
use crate::decoding::{CacheUse, DecodingSettings};
use crate::trace::StopReason;

impl Worker {
    /// Begins a run in place of those before.
    pub(super) fn start(&mut self, request: &RunRequest) {
        self.end_scoring();
        self.end_comparison();
        self.finish_all(StopReason::Cancelled);
        let mut before = self.live.take();
        let began = self.begin(request, before.as_mut());
        if let (Some(before), Some(ready)) = (before, &mut self.ready) {
            before.decode.end(ready);
        }
        self.end_runs();
        match began {
            Ok(decode) => {
                self.outbox.send(Event::RunStarted(Box::new(started(&decode))));
                self.live = Some(LiveRun::new(decode, Motion::at(request.pace)));
                self.tell_pins();
            }
            Err(error) => self.tell_not_begun(&error, "The run cannot begin"),
        }
    }

    /// Tells why a run does not begin.
    pub(super) fn tell_not_begun(&self, error: &NotBegun, title: &str) {
        match error {
            NotBegun::NoModel => {
                self.outbox.notify(Severity::Error, "There is no model to run", "Open a model first.");
            }
            NotBegun::Stopped => {}
            NotBegun::Refused(error) => self.outbox.notify(Severity::Error, title, &error.to_string()),
        }
    }

    /// A run that is ready for its first step. A conversation that goes on begins with what the run before has cached of
    /// it.
    fn begin(&mut self, request: &RunRequest, before: Option<&mut LiveRun>) -> Result<Decode, NotBegun> {
        let mut decode = self.prepare(&request.prompt, &request.settings)?;
        let ready = self.ready.as_mut().ok_or(NotBegun::NoModel)?;
        let goes_on = matches!(&request.prompt, Prompt::Chat(conversation) if conversation.goes_on());
        if let (Some(before), true, CacheUse::Reuse) = (before, goes_on, request.settings.cache)
            && before.decode.computes_as(&decode)
            && let Some(sequence) = before.decode.lend(ready, &decode.run.prompt_ids())?
        {
            decode.adopt(ready, sequence);
        }
        Ok(decode)
    }

    /// A run of which nothing is cached.
    pub(super) fn prepare(
        &mut self,
        prompt: &Prompt,
        settings: &DecodingSettings,
    ) -> Result<Decode, NotBegun> {
        let pins = self.pinned_ids();
        let ready = self.ready.as_mut().ok_or(NotBegun::NoModel)?;
        let outbox = &self.outbox;
        let mut began_loading = false;
        let inputs = strategy_inputs(settings, ready, self.draft.as_ref(), &mut |_, _| {
            if !std::mem::replace(&mut began_loading, true) {
                outbox.send(Event::HeadLoadStarted);
            }
            self.inbox.goes_on_loading(RUN_ENDS)
        });
        if began_loading {
            self.outbox.send(Event::HeadLoadEnded);
        }
        let decode = Decode::begin_with(ready, inputs?, prompt, settings)?;
        decode.pin(ready, &pins);
        Ok(decode)
    }

    /// Frees what all runs hold in the model, and forgets them.
    pub(super) fn end_runs(&mut self) {
        self.end_reading();
        if let Some(ready) = &mut self.ready {
            if let Some(live) = self.live.take() {
                live.decode.end(ready);
            }
            self.lanes.end(ready);
        }
    }
}

/// What is told of a run that begins.
pub(super) fn started(decode: &Decode) -> RunStarted {
    let run = &decode.run;
    RunStarted {
        prompt: run.prompt.clone(),
        strategy: run.strategy,
        seed: run.seed,
        step_input: run.step_input,
        continued_positions: run.continued_positions,
        long_rope: run.long_rope,
        phases: run.phases,
    }
}

/// Why no run began.
pub(super) enum NotBegun {
    /// There is no model.
    NoModel,
    /// A person ended it.
    Stopped,
    /// Prompt, settings or what the run needs.
    Refused(RunError),
}

impl From<RunError> for NotBegun {
    fn from(error: RunError) -> Self {
        match error {
            RunError::DraftingHead(LoadError::Stopped) => Self::Stopped,
            error => Self::Refused(error),
        }
    }
}

/// What makes it useless to go on with what a run needs before it begins.
const RUN_ENDS: fn(&Command) -> bool = |command| {
    matches!(command, Command::Stop | Command::Load(_) | Command::Start(_) | Command::StartLanes(_))
};
