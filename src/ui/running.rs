//! What the window does to run a prompt: it has it counted, run and scored, and looks ahead and back.

use std::time::Duration;

use super::app::App;
use super::cursor::Follow;
use super::panels::phases::stop_words;
use super::state::{Awaited, Origin, PeekAt, State, Toast};
use super::what_if::Foretold;
use crate::decoding::DecodingSettings;
use crate::session::command::SpecialTokens;
use crate::session::{Command, Notice, Pace, ProbeTarget, Prompt, RunRequest, Severity, Status};
use crate::trace::StopReason;

impl App {
    /// Whether the prompt is put as a chat.
    fn chats(&self) -> bool {
        self.state.remembered.chats(self.view.loaded.as_deref())
    }

    /// The prompt as it would be run; `None` without a model, and where nothing was ever asked in a chat.
    pub(super) fn prompt(&self) -> Option<Prompt> {
        self.view.loaded.as_ref()?;
        let remembered = &self.state.remembered;
        if self.chats() {
            return remembered.talk.with(remembered.prompt.trim_end()).map(Prompt::Chat);
        }
        let special = if remembered.add_special { SpecialTokens::Add } else { SpecialTokens::Omit };
        Some(Prompt::Text { text: remembered.prompt.clone(), special })
    }

    /// Keeps the answer of the run on show, if that is what it is.
    pub(super) fn take_answer(&mut self) {
        let State { answering_run, run_number, origin, remembered, .. } = &mut self.state;
        if *answering_run == Some(*run_number)
            && *origin != Origin::File
            && let Some(run) = &self.view.run
        {
            remembered.talk.answered_by(run);
        }
    }

    /// Has the prompt counted when it changed, one count at a time and none while the worker decodes.
    pub(super) fn count_prompt(&mut self) {
        if self.counting || self.view.status != Status::Ready {
            return;
        }
        let prompt = self.prompt();
        if prompt == self.counted {
            return;
        }
        self.counted = prompt.clone();
        self.view.prompt_tokens = self.view.prompt_tokens.filter(|_| prompt.is_some());
        if let Some(prompt) = prompt {
            self.counting = true;
            self.worker.send(Command::Count(prompt));
        }
    }

    /// Has the prompt of the run on show scored, once and after its initiation, if that is wanted: to colour it, or for
    /// the token that is selected.
    pub(super) fn score_prompt(&mut self) {
        let State { remembered, cursor, origin, scored_run, run_number, .. } = &mut self.state;
        let wanted =
            cursor.prompt.is_some() || (remembered.prompt_scores && remembered.colouring.is_of_logits());
        let Some(run) = &self.view.run else { return };
        let sends_rows = run.model.server.as_ref().is_none_or(|server| server.whole_rows);
        let can =
            *origin == Origin::Worker && self.view.loaded.is_some() && !run.line.is_empty() && sends_rows;
        if wanted && can && *scored_run != Some(*run_number) && run.prompt.len() > 1 {
            *scored_run = Some(*run_number);
            self.worker.send(Command::ScorePrompt);
        }
    }

    /// Looks into what the panels would show, once, while the run waits or has ended.
    pub(super) fn look_on(&mut self) {
        let Some(target) = self.state.inside.wanted.take() else { return };
        let waits = matches!(self.view.status, Status::Paused | Status::Ready);
        let can = self.state.origin == Origin::Worker && self.view.loaded.is_some() && waits;
        if can && self.state.inside.asked != Some((self.state.run_number, target)) {
            self.look_inside(target);
        }
    }

    /// Has the worker look inside a pass.
    pub(super) fn look_inside(&mut self, target: ProbeTarget) {
        self.state.inside.asked = Some((self.state.run_number, target));
        self.worker.send(Command::Probe(target));
    }

    /// Tells the worker where runs are to pause by themselves, when that changed.
    pub(super) fn tell_breaks(&mut self) {
        let wanted = &self.state.remembered.break_when;
        if self.told_breaks != *wanted {
            self.told_breaks = wanted.clone();
            self.worker.send(Command::BreakWhen(wanted.clone()));
        }
    }

    /// Asks what would follow the candidate under the pointer once it has rested there, while the run waits; takes that
    /// back when it leaves.
    pub(super) fn look_ahead(&mut self, ctx: &egui::Context) {
        /// Seconds until the pointer counts as resting.
        const RESTS: f64 = 0.35;
        let State { peek, next_peek, origin, .. } = &mut self.state;
        let now = ctx.input(|input| input.time);
        let of = next_peek.take();
        if peek.map(|peek| peek.of) != of {
            if peek.is_some_and(|peek| peek.asked) {
                self.worker.send(Command::EndPeek);
            }
            *peek = of.map(|of| PeekAt { of, since: now, asked: false });
        }
        let waits = matches!(self.view.status, Status::Paused | Status::Ready);
        let Some(peek) = peek.as_mut().filter(|peek| waits && !peek.asked && *origin == Origin::Worker)
        else {
            return;
        };
        let left = RESTS - (now - peek.since);
        if left > 0.0 {
            ctx.request_repaint_after(Duration::from_secs_f64(left));
        } else {
            peek.asked = true;
            let (node, token) = peek.of;
            self.worker.send(Command::Peek { node, token });
        }
    }

    /// Notes that the GPU has not answered for long. While something is under way that is looked at every second, as nothing else
    /// may wake the window.
    pub(super) fn listen_to_gpu(&mut self, ctx: &egui::Context) {
        const UNUSUAL: Duration = Duration::from_secs(30);
        let silence = self.worker.gpu_silence();
        self.state.gpu_silence = silence.filter(|silence| *silence >= UNUSUAL);
        let idle = matches!(self.view.status, Status::Empty | Status::Ready | Status::Paused);
        if silence.is_some() && (!idle || self.state.gpu_silence.is_some()) {
            ctx.request_repaint_after(Duration::from_secs(1));
        }
    }

    /// Asks for the whole row of the step that the vocabulary field lacks, once.
    pub(super) fn read_row(&mut self) {
        let Some(node) = self.state.field_wants.take().filter(|node| self.state.row_asked != Some(*node))
        else {
            return;
        };
        self.state.row_asked = Some(node);
        self.worker.send(Command::ReadRow { node });
    }

    /// Goes on working out what the settings would have made of the run, where that is wanted.
    pub(super) fn foretell(&mut self, ctx: &egui::Context) {
        let State { what_if, foretold, run_number, remembered, .. } = &mut self.state;
        let Some(run) = self.view.run.as_ref().filter(|run| *what_if && !run.line.is_empty()) else {
            *foretold = None;
            return;
        };
        let loaded = self.view.loaded.as_ref().filter(|loaded| loaded.model == run.model);
        let eos = loaded.map(|loaded| &loaded.eos[..]);
        let suppressed = loaded.map_or(&[][..], |loaded| &loaded.defaults.suppress_tokens);
        let settings = &remembered.decoding.suppressing(suppressed);
        let fits = foretold.as_ref().is_some_and(|told| told.fits(run, *run_number, settings, eos));
        let fresh = || Foretold::new(run, *run_number, settings, eos);
        let told = match foretold {
            Some(told) if fits => told,
            _ => foretold.insert(fresh()),
        };
        if told.go_on(run) {
            ctx.request_repaint();
        }
    }

    /// Selects the step at which the run paused by itself, which is the newest of its line.
    pub(super) fn show_break(&mut self) {
        let count = self.view.run.as_ref().map_or(0, |run| run.line.len());
        let cursor = &mut self.state.cursor;
        if let (Follow::Stay, Some(newest)) = (cursor.follow, count.checked_sub(1)) {
            cursor.select(newest, count);
        }
    }

    pub(super) fn start(&mut self, pace: Pace) {
        if matches!(self.state.awaited, Awaited::Start(_)) {
            return;
        }
        let Some(prompt) = self.ask_prompt() else { return };
        let settings = as_run(&self.state.remembered.decoding);
        self.state.wanted_tokens = settings.stop.max_tokens;
        // From now on the settings are those of this run and the next ones, and no lane's.
        self.state.edited_lane = None;
        self.state.awaited = Awaited::Start(pace);
        self.begun_with = Some((prompt.clone(), settings.clone()));
        self.worker.send(Command::Start(RunRequest { prompt, settings, pace }));
    }

    /// Whether a run came to its end so short a time ago that a key was meant to hold it.
    pub(super) fn has_just_ended(&self, ctx: &egui::Context) -> bool {
        /// Seconds in which a person sees that it ended.
        const JUST: f64 = 1.0;
        self.state.ended_at.is_some_and(|ended| ctx.input(|input| input.time) - ended < JUST)
    }

    /// Whether the worker's run came to its end by itself, and nothing was changed since: there is no further step.
    pub(super) fn is_at_its_end(&self) -> bool {
        let stop = self.view.run.as_ref().and_then(|run| run.stop);
        let by_itself = stop.is_some_and(|stop| !matches!(stop, StopReason::Cancelled | StopReason::Failed));
        let same = if self.chats() {
            self.state.remembered.prompt.trim().is_empty()
        } else {
            let with = self.prompt().map(|prompt| (prompt, as_run(&self.state.remembered.decoding)));
            with.is_some() && with == self.begun_with
        };
        by_itself && same && self.state.origin == Origin::Worker
    }

    /// Says that the run has no further step.
    pub(super) fn tell_end(&mut self) {
        const TITLE: &str = "The run is at its end";
        let view = &self.view;
        let told = |toast: &Toast| view.notice(toast.notice).is_some_and(|notice| notice.title == TITLE);
        if self.state.toasts.iter().any(told) {
            return;
        }
        let why = view.run.as_ref().and_then(|run| run.stop).map_or("it ended", stop_words);
        self.view.tell(Notice {
            severity: Severity::Information,
            title: TITLE.to_owned(),
            detail: format!("{why}: there is no further step. The buttons Step and Run begin it anew."),
        });
    }

    /// The prompt to run; in a chat it is asked with that.
    pub(super) fn ask_prompt(&mut self) -> Option<Prompt> {
        let prompt = self.prompt()?;
        self.state.asked_in_chat = self.chats();
        if self.state.asked_in_chat {
            let remembered = &mut self.state.remembered;
            let asked = std::mem::take(&mut remembered.prompt);
            remembered.talk.ask(asked.trim_end());
            self.state.answering_run = None;
        }
        Some(prompt)
    }

    pub(super) fn run_or_resume(&mut self) {
        match self.view.status {
            // A new message is sent, and ends the answer to the one before.
            Status::Paused if self.chats() && !self.state.remembered.prompt.trim().is_empty() => {
                self.start(Pace::Continuous);
            }
            Status::Paused => self.worker.send(Command::Resume),
            _ if !self.view.has_live_run() => self.start(Pace::Continuous),
            _ => {}
        }
    }
}

/// Settings as they are run.
pub(super) fn as_run(settings: &DecodingSettings) -> DecodingSettings {
    let mut settings = settings.clone().as_used();
    settings.stop.texts.retain(|text| !text.is_empty());
    settings
}
