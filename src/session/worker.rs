//! The thread: takes [`Command`]s, owns model and run, sends [`Event`]s, and outlives their failures.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::break_when::BreakWhen;
use super::command::{Command, Prompt, SecondCommand};
use super::comparing::Comparing;
use super::draft::DraftModel;
use super::event::{BrokenAdapter, Event, Severity};
use super::gpu_loader::GpuLoader;
use super::inbox::Inbox;
use super::lane_runs::lane_letter;
use super::lanes::Lanes;
use super::live_run::{LiveRun, Motion};
use super::load::{Loader, ReadyModel};
use super::outbox::Outbox;
use super::peek::Peek;
use super::prompt_scores::PromptScores;
use super::run_error::RunError;
use super::second_model::Second;
use crate::decoding::{Control, DecodingError};
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
                second: None,
                live: None,
                lanes: Lanes::default(),
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
                | Command::StartLanes(_)
                | Command::ShowLane(_)
                | Command::Second(SecondCommand::Load(_) | SecondCommand::Drop)
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
    /// Reads the first lane's text; there only while a model is.
    pub(super) second: Option<Second>,
    pub(super) live: Option<LiveRun>,
    /// The runs beside it.
    pub(super) lanes: Lanes,
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
                || self.reads()
                || self.runs().any(LiveRun::moves);
            let command = if moving { self.inbox.poll() } else { self.inbox.wait() };
            if self.inbox.closed {
                return;
            }
            let turn = AssertUnwindSafe(|| match command {
                Some(command) => self.handle(command),
                None if self.scoring.is_some() => self.score_more(),
                None if self.peeking.is_some() => self.peek_on(),
                None if self.compares() => self.compare_on(),
                None if self.reads() => self.read_on(),
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
            Command::DescribeAdapters => {
                let text = self.loader.describe_adapters();
                self.outbox.send(Event::AdaptersDescribed(text));
            }
            Command::Load(request) => self.load(&request),
            Command::LoadDraft(source) => self.load_draft(source),
            Command::DropDraft => self.drop_draft(),
            Command::Second(command) => self.perform_on_second(command),
            Command::Count(prompt) => self.count(&prompt),
            Command::Start(request) => self.start(&request),
            Command::StartLanes(request) => self.start_lanes(&request),
            Command::ShowLane(lane) => self.show_lane(lane),
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
                if self.hold() {
                    self.outbox.send(Event::Paused);
                }
            }
            Command::Probe(target) => self.probe(target),
            Command::Compare => self.compare(),
            Command::EndComparison => self.end_comparison(),
            Command::Profile(node) => self.profile(node),
            Command::MapCache => self.map_cache(),
            Command::Stop => self.finish_all(StopReason::Cancelled),
        }
    }

    /// Counts a prompt's tokens. Why one cannot be tokenised is sent when it is run.
    fn count(&self, prompt: &Prompt) {
        let tokens = self.ready.as_ref().and_then(|ready| ready.tokenise(prompt).ok().map(|ids| ids.len()));
        self.outbox.send(Event::Counted { tokens });
    }

    /// Whether work was interrupted though no command waits: the flag is raised once a command was sent, by when that may
    /// be the one at hand. Lowers the flag then.
    pub(super) fn was_interrupted_in_vain(&mut self) -> bool {
        let in_vain = self.inbox.is_empty();
        if in_vain {
            self.interrupt.store(false, Ordering::Release);
        }
        in_vain
    }

    /// All runs that are held in the model.
    pub(super) fn runs(&self) -> impl Iterator<Item = &LiveRun> {
        self.live.iter().chain(self.lanes.others())
    }

    fn runs_mut(&mut self) -> impl Iterator<Item = &mut LiveRun> {
        self.live.iter_mut().chain(self.lanes.others_mut().map(|(_, run)| run))
    }

    fn set_in_motion(&mut self, motion: Motion) {
        let mut resumed = false;
        for live in self.runs_mut().filter(|live| live.motion != Motion::Ended) {
            resumed |= live.motion != Motion::Going && motion == Motion::Going;
            // A single step of a run that goes by itself changes nothing.
            if live.motion == Motion::Held || motion == Motion::Going {
                live.motion = motion;
            }
        }
        if resumed {
            self.outbox.send(Event::Resumed);
        }
    }

    /// Holds the runs that move; whether there were any.
    pub(super) fn hold(&mut self) -> bool {
        let moving = self.runs_mut().filter(|live| live.moves()).map(|live| live.motion = Motion::Held);
        moving.count() > 0
    }

    /// Makes one step of a run that moves.
    fn advance(&mut self) {
        if self.lanes.shared.is_some() {
            return self.share_prompt();
        }
        let moves = self.live.as_ref().is_some_and(LiveRun::moves);
        if let Some(lane) = self.lanes.take_turn(moves) {
            return self.advance_lane(lane);
        }
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
                    self.hold();
                    self.outbox.send(Event::Broke(broke));
                    self.outbox.send(Event::Paused);
                } else if live.motion == Motion::OneStep {
                    live.motion = Motion::Held;
                    self.settle();
                }
            }
            Err(RunError::Decoding(DecodingError::Interrupted)) => {}
            Err(error) => self.fail(&error),
        }
    }

    /// Ends the newest run, if it goes on, in good order.
    pub(super) fn finish(&mut self, stop: StopReason) {
        let Some(live) = self.live.as_mut().filter(|live| live.motion != Motion::Ended) else { return };
        live.motion = Motion::Ended;
        let phases = live.decode.run.phases;
        match self.lanes.shown() {
            None => self.outbox.send(Event::Finished { stop, phases }),
            Some(lane) => {
                self.outbox.send(Event::LaneFinished { lane, stop, phases });
                self.settle();
            }
        }
    }

    /// Tells that no run moves any more, if that is so.
    pub(super) fn settle(&mut self) {
        if self.runs().any(LiveRun::moves) {
            return;
        }
        if self.runs().any(|live| live.motion == Motion::Held) {
            self.outbox.send(Event::Paused);
        } else {
            self.outbox.send(Event::LanesFinished);
        }
    }

    /// Ends the run, and frees what it holds in the model.
    pub(super) fn close(&mut self) {
        self.end_scoring();
        self.end_comparison();
        self.finish_all(StopReason::Cancelled);
        self.end_runs();
    }

    /// Ends the run after an error. A device that failed takes its model along; a server that did not answer may do so when the
    /// run goes on, so until then it waits.
    fn fail(&mut self, error: &RunError) {
        if error.may_pass() {
            self.hold();
            self.outbox.notify(Severity::Error, WAITS, &error.to_string());
            self.outbox.send(Event::Paused);
            return;
        }
        let title = match self.lanes.shown() {
            Some(lane) => &format!("Lane {} could not go on", lane_letter(lane)),
            None => "The run could not go on",
        };
        self.outbox.notify(Severity::Error, title, &error.to_string());
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
        let detail = format!(
            "{message}. This is a bug in Logitscope (“Report a problem” in the palette shows more); load the model again to go on."
        );
        self.outbox.notify(Severity::Error, "Internal error", &detail);
        self.abandon();
    }

    pub(super) fn abandon(&mut self) {
        self.fail_lanes();
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
        self.drop_second();
        self.outbox.send(Event::LoadFailed);
        if let Some(live) = live.filter(|live| live.motion != Motion::Ended) {
            self.outbox.send(Event::Finished { stop: StopReason::Failed, phases: live.decode.run.phases });
        }
    }
}

/// The title of a notice about a run that waits for a server.
pub const WAITS: &str = "The run waits";

/// Whether the model cannot be used after this error.
pub(super) fn takes_the_model(error: &ModelError) -> bool {
    match error {
        ModelError::OutOfMemory { .. } | ModelError::DeviceLost { .. } | ModelError::Device { .. } => true,
        ModelError::TokenOutsideVocabulary { .. }
        | ModelError::BeyondContext { .. }
        | ModelError::Interrupted
        | ModelError::Server { .. }
        | ModelError::NotSent { .. }
        | ModelError::NoLayers => false,
    }
}
