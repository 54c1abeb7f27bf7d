//! What the window does to run a prompt: it has it counted, run and scored.

use super::app::App;
use super::state::{Awaited, Origin, State};
use crate::session::command::SpecialTokens;
use crate::session::event::Loaded;
use crate::session::{Command, Pace, ProbeTarget, Prompt, RunRequest, Status};

impl App {
    /// Whether the prompt is put as a chat.
    fn chats(&self) -> bool {
        let has_template = |loaded: &Loaded| loaded.chat_problem.is_none();
        self.state.remembered.chat && self.view.loaded.as_deref().is_some_and(has_template)
    }

    /// The prompt as it would be run; `None` without a model, and where nothing was ever asked in a chat.
    pub(super) fn prompt(&self) -> Option<Prompt> {
        self.view.loaded.as_ref()?;
        let remembered = &self.state.remembered;
        if self.chats() {
            return remembered.talk.with(&remembered.prompt).map(Prompt::Chat);
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
        let can = *origin == Origin::Worker && self.view.loaded.is_some() && !run.line.is_empty();
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

    pub(super) fn start(&mut self, pace: Pace) {
        if matches!(self.state.awaited, Awaited::Start(_)) {
            return;
        }
        let Some(prompt) = self.prompt() else { return };
        self.state.asked_in_chat = self.chats();
        let remembered = &mut self.state.remembered;
        if self.state.asked_in_chat {
            let asked = std::mem::take(&mut remembered.prompt);
            remembered.talk.ask(&asked);
            self.state.answering_run = None;
        }
        let mut settings = remembered.decoding.clone().as_used();
        settings.stop.texts.retain(|text| !text.is_empty());
        self.state.wanted_tokens = settings.stop.max_tokens;
        self.state.awaited = Awaited::Start(pace);
        self.worker.send(Command::Start(RunRequest { prompt, settings, pace }));
    }

    pub(super) fn run_or_resume(&mut self) {
        match self.view.status {
            Status::Paused => self.worker.send(Command::Resume),
            _ if !self.view.has_live_run() => self.start(Pace::Continuous),
            _ => {}
        }
    }
}
