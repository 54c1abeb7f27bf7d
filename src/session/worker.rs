//! The thread: takes [`Command`]s, owns model and run, sends [`Event`]s, and outlives their failures.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::break_when::BreakWhen;
use super::command::{Command, Pace, Prompt, RunRequest};
use super::comparing::Comparing;
use super::decode::Decode;
use super::draft::{DraftModel, strategy_inputs};
use super::event::{BrokenAdapter, Event, RunStarted, Severity};
use super::gpu_loader::GpuLoader;
use super::inbox::Inbox;
use super::live_run::{LiveRun, Motion};
use super::load::{LoadError, Loader, ReadyModel};
use super::outbox::Outbox;
use super::peek::Peek;
use super::prompt_scores::PromptScores;
use super::run_error::RunError;
use crate::decoding::{CacheUse, Control, DecodingError};
use crate::model::ModelError;
use crate::trace::StopReason;

/// A worker and the two ends of talking to it. Dropping it ends the thread within one chunk of a pass.
pub struct Session {
    commands: Option<Sender<Command>>,
    events: Receiver<Event>,
    interrupt: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Starts a worker that loads models to a GPU. `wake` is called after every event, on the worker's
    /// thread.
    pub fn start(wake: impl Fn() + Send + 'static) -> Self {
        Self::with_loader(GpuLoader::default(), wake)
    }

    /// Starts a worker on a loader of the caller's.
    pub fn with_loader(loader: impl Loader + Send + 'static, wake: impl Fn() + Send + 'static) -> Self {
        let (commands, inbox) = channel();
        let (outbox, events) = channel();
        let interrupt = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupt);
        let body = move || {
            Worker {
                loader: Box::new(loader),
                inbox: Inbox::of(inbox),
                outbox: Outbox { events: outbox, wake: Box::new(wake) },
                interrupt: flag,
                ready: None,
                draft: None,
                live: None,
                scoring: None,
                break_when: BreakWhen::default(),
                pins: Vec::new(),
                spelled: false,
                peeking: None,
                comparing: None,
                device_measured: false,
                broken_adapters: Vec::new(),
            }
            .work();
        };
        let thread = std::thread::Builder::new().name("session".to_owned()).spawn(body);
        // Without a thread the inbox is gone as well, and `send` says so by doing nothing.
        let thread =
            thread.inspect_err(|error| log::error!("the worker's thread did not start: {error}")).ok();
        Self { commands: Some(commands), events, interrupt, thread }
    }

    /// Hands a command over and returns at once.
    pub fn send(&self, command: Command) {
        let urgent = matches!(
            command,
            Command::Stop
                | Command::Pause
                | Command::Follow { .. }
                | Command::Load(_)
                | Command::LoadDraft(_)
                | Command::Start(_)
        );
        if let Some(commands) = &self.commands
            && commands.send(command).is_err()
        {
            log::error!("the worker is gone; the command is lost");
        }
        // Raised after the command is on its way: the worker lowers it before it looks for commands, so that
        // none is overlooked; one raised too often costs nothing, as an interrupted step goes on.
        if urgent {
            self.interrupt.store(true, Ordering::Release);
        }
    }

    /// The events that arrived since the last call, oldest first.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        self.events.try_iter()
    }

    /// The next event, waited for at most this long.
    pub fn wait(&self, patience: Duration) -> Option<Event> {
        self.events.recv_timeout(patience).ok()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.commands = None;
        self.interrupt.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Panics were caught and reported inside; there is nothing left to tell.
            let _ = thread.join();
        }
    }
}

pub(super) struct Worker {
    pub(super) loader: Box<dyn Loader>,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) interrupt: Arc<AtomicBool>,
    pub(super) ready: Option<ReadyModel>,
    /// Drafts for speculative runs; there only while a model is.
    pub(super) draft: Option<DraftModel>,
    pub(super) live: Option<LiveRun>,
    /// The newest run's prompt while it is scored; steps wait until that is done.
    pub(super) scoring: Option<PromptScores>,
    /// Where runs pause by themselves.
    pub(super) break_when: BreakWhen,
    /// Tokens that a person pinned.
    pub(super) pins: Vec<u32>,
    /// Whether the vocabulary's spelling was told.
    pub(super) spelled: bool,
    /// The look ahead that is under way; only while the run does not move.
    pub(super) peeking: Option<Peek>,
    /// The comparison under way; it goes on only while the run does not move.
    pub(super) comparing: Option<Comparing>,
    /// Whether it was measured what the model's device can do.
    pub(super) device_measured: bool,
    /// Adapters that do not work, as sent last.
    pub(super) broken_adapters: Vec<BrokenAdapter>,
}

impl Worker {
    fn work(mut self) {
        loop {
            self.interrupt.store(false, Ordering::Release);
            let moving = self.scoring.is_some()
                || self.peeking.is_some()
                || self.comparing.is_some()
                || self.live.as_ref().is_some_and(|live| live.moves());
            let command = if moving { self.inbox.poll() } else { self.inbox.wait() };
            if self.inbox.closed {
                return;
            }
            let turn = AssertUnwindSafe(|| match command {
                Some(command) => self.handle(command),
                None if self.scoring.is_some() => self.score_more(),
                None if self.peeking.is_some() => self.peek_on(),
                None if self.compares() => self.compare_on(),
                None => self.advance(),
            });
            if let Err(panic) = catch_unwind(turn) {
                self.recover(&*panic);
            }
        }
    }

    fn handle(&mut self, command: Command) {
        self.end_peek();
        match command {
            Command::ListAdapters => {
                let adapters = self.loader.adapters();
                self.outbox.send(Event::Adapters(adapters));
                self.report_adapters();
            }
            Command::Load(request) => self.load(&request),
            Command::LoadDraft(source) => self.load_draft(source),
            Command::DropDraft => self.drop_draft(),
            Command::Count(prompt) => self.count(&prompt),
            Command::Start(request) => self.start(&request),
            Command::ScorePrompt => self.score_prompt(),
            Command::Resume => self.set_in_motion(Motion::Going),
            Command::StepOnce => self.set_in_motion(Motion::OneStep),
            Command::Peek { node, token } => self.peek(node, token),
            Command::EndPeek => {}
            Command::ReadRow { node } => self.read_row(node),
            Command::Pin(tokens) => self.pin(tokens),
            Command::FindTokens(query) => self.find_tokens(query),
            Command::BreakWhen(conditions) => self.break_when = conditions,
            Command::Branch { node, token, pace } => self.branch(node, token, pace),
            Command::Follow { tip } => self.follow(tip),
            Command::Pause => {
                if let Some(live) = &mut self.live
                    && live.moves()
                {
                    live.motion = Motion::Held;
                    self.outbox.send(Event::Paused);
                }
            }
            Command::Probe(target) => self.probe(target),
            Command::Compare => self.compare(),
            Command::EndComparison => self.end_comparison(),
            Command::Profile(node) => self.profile(node),
            Command::MapCache => self.map_cache(),
            Command::Stop => self.finish(StopReason::Cancelled),
        }
    }

    /// Counts a prompt's tokens. Why one cannot be tokenised is sent when it is run.
    fn count(&self, prompt: &Prompt) {
        let tokens = self.ready.as_ref().and_then(|ready| ready.tokenise(prompt).ok().map(|ids| ids.len()));
        self.outbox.send(Event::Counted { tokens });
    }

    fn start(&mut self, request: &RunRequest) {
        self.end_scoring();
        self.end_comparison();
        self.finish(StopReason::Cancelled);
        let mut before = self.live.take();
        let began = self.begin(request, before.as_mut());
        if let (Some(before), Some(ready)) = (before, &mut self.ready) {
            before.decode.end(ready);
        }
        match began {
            Ok(decode) => {
                let run = &decode.run;
                self.outbox.send(Event::RunStarted(Box::new(RunStarted {
                    prompt: run.prompt.clone(),
                    strategy: run.strategy,
                    seed: run.seed,
                    step_input: run.step_input,
                    continued_positions: run.continued_positions,
                    phases: run.phases,
                })));
                let motion = match request.pace {
                    Pace::Continuous => Motion::Going,
                    Pace::SingleStep => Motion::OneStep,
                };
                self.live = Some(LiveRun::new(decode, motion));
                self.tell_pins();
            }
            Err(NotBegun::NoModel) => {
                self.outbox.notify(Severity::Error, "There is no model to run", "Open a model first.");
            }
            Err(NotBegun::Stopped) => {}
            Err(NotBegun::Refused(error)) => {
                self.outbox.notify(Severity::Error, "The run cannot begin", &error.to_string());
            }
        }
    }

    /// A run that is ready for its first step. A conversation that goes on begins with what the run before has cached of
    /// it.
    fn begin(&mut self, request: &RunRequest, before: Option<&mut LiveRun>) -> Result<Decode, NotBegun> {
        let pins = self.pinned_ids();
        let ready = self.ready.as_mut().ok_or(NotBegun::NoModel)?;
        let outbox = &self.outbox;
        let mut began_loading = false;
        let inputs = strategy_inputs(&request.settings, ready, self.draft.as_ref(), &mut |_, _| {
            if !std::mem::replace(&mut began_loading, true) {
                outbox.send(Event::HeadLoadStarted);
            }
            self.inbox.goes_on_loading(RUN_ENDS)
        });
        if began_loading {
            self.outbox.send(Event::HeadLoadEnded);
        }
        let mut decode = Decode::begin_with(ready, inputs?, &request.prompt, &request.settings)?;
        let goes_on = matches!(&request.prompt, Prompt::Chat(conversation) if conversation.goes_on());
        if let (Some(before), true, CacheUse::Reuse) = (before, goes_on, request.settings.cache)
            && let Some(sequence) = before.decode.lend(ready, &decode.run.prompt_ids())?
        {
            decode.adopt(ready, sequence);
        }
        decode.pin(ready, &pins);
        Ok(decode)
    }

    fn set_in_motion(&mut self, motion: Motion) {
        let Some(live) = self.live.as_mut().filter(|live| live.motion != Motion::Ended) else { return };
        if live.motion != Motion::Going && motion == Motion::Going {
            self.outbox.send(Event::Resumed);
        }
        // A single step of a run that goes by itself changes nothing.
        if live.motion == Motion::Held || motion == Motion::Going {
            live.motion = motion;
        }
    }

    /// Makes one step of the run that moves.
    fn advance(&mut self) {
        let (Some(live), Some(ready)) = (&mut self.live, &mut self.ready) else { return };
        let outbox = &self.outbox;
        let mut progress = |done, total| outbox.send(Event::InitiationProgress { done, total });
        let mut control = Control { interrupt: &self.interrupt, progress: &mut progress };
        match live.decode.advance_until(ready, &mut control, &self.break_when) {
            Ok(broke) => {
                self.outbox.send(Event::Stepped(Box::new(live.update())));
                if let Some(stop) = live.decode.run.stop {
                    // A run that has ended has nothing to hold.
                    self.finish(stop);
                } else if let Some(broke) = broke {
                    live.motion = Motion::Held;
                    self.outbox.send(Event::Broke(broke));
                    self.outbox.send(Event::Paused);
                } else if live.motion == Motion::OneStep {
                    live.motion = Motion::Held;
                    self.outbox.send(Event::Paused);
                }
            }
            Err(RunError::Decoding(DecodingError::Interrupted)) => {}
            Err(error) => self.fail(&error),
        }
    }

    /// Ends the run, if one goes on, in good order.
    pub(super) fn finish(&mut self, stop: StopReason) {
        let Some(live) = self.live.as_mut().filter(|live| live.motion != Motion::Ended) else { return };
        live.motion = Motion::Ended;
        let phases = live.decode.run.phases;
        self.outbox.send(Event::Finished { stop, phases });
    }

    /// Ends the run, and frees what it holds in the model.
    pub(super) fn close(&mut self) {
        self.end_scoring();
        self.end_comparison();
        self.finish(StopReason::Cancelled);
        if let (Some(live), Some(ready)) = (self.live.take(), &mut self.ready) {
            live.decode.end(ready);
        }
    }

    /// Ends the run after an error. A device that failed takes its model along.
    fn fail(&mut self, error: &RunError) {
        self.outbox.notify(Severity::Error, "The run could not go on", &error.to_string());
        if matches!(error, RunError::Decoding(DecodingError::Model(error)) if takes_the_model(error)) {
            self.abandon();
        } else {
            self.finish(StopReason::Failed);
        }
    }

    /// After a panic nothing is known of model and run: both go, the trace stays with its watchers.
    fn recover(&mut self, panic: &(dyn Any + Send)) {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        let detail = format!("{message}. This is a bug in Logitscope; load the model again to go on.");
        self.outbox.notify(Severity::Error, "Internal error", &detail);
        self.abandon();
    }

    pub(super) fn abandon(&mut self) {
        let live = self.live.take();
        self.peeking = None;
        self.scoring = None;
        if self.comparing.take().is_some() {
            self.outbox.send(Event::ComparisonEnded);
        }
        // A model that is in an unknown state may panic once more when it goes.
        let ready = self.ready.take();
        if catch_unwind(AssertUnwindSafe(|| drop(ready))).is_err() {
            log::error!("the model could not be freed in good order");
        }
        self.drop_draft();
        self.outbox.send(Event::LoadFailed);
        if let Some(live) = live.filter(|live| live.motion != Motion::Ended) {
            self.outbox.send(Event::Finished { stop: StopReason::Failed, phases: live.decode.run.phases });
        }
    }
}

/// Why no run began.
enum NotBegun {
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
const RUN_ENDS: fn(&Command) -> bool =
    |command| matches!(command, Command::Stop | Command::Load(_) | Command::Start(_));

/// Whether the model cannot be used after this error.
pub(super) fn takes_the_model(error: &ModelError) -> bool {
    match error {
        ModelError::OutOfMemory { .. } | ModelError::DeviceLost { .. } | ModelError::Device { .. } => true,
        ModelError::TokenOutsideVocabulary { .. }
        | ModelError::BeyondContext { .. }
        | ModelError::NoLayers => false,
    }
}
