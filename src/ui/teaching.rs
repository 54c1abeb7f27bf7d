//! What a lesson does to the window: it sets up, runs and selects by the actions that a person has, and puts back what was
//! there before.

use std::path::Path;
use std::sync::Arc;

use egui::Context;

use super::action::Action;
use super::app::App;
use super::arrangement;
use super::following::{Following, Towards};
use super::lessons::{Lesson, RunKind, Select, SetUp};
use super::pane::CompactPane;
use crate::session::{Command, Notice, Pace, Severity, Status};

impl App {
    /// Begins a lesson, in place of one that is followed.
    pub(super) fn begin_lesson(&mut self, ctx: &Context, lesson: Arc<Lesson>) {
        let typed = self.state.lesson.as_ref().is_some_and(|before| before.typed(&self.state.remembered));
        self.leave_lesson(typed);
        // What a lesson sets is no lane's.
        self.state.edited_lane = None;
        self.state.cards.lessons = false;
        self.state.cards.open = false;
        self.state.lesson = Some(Following::begin(lesson, &self.state.remembered));
        self.set_up(ctx, true);
    }

    /// Goes to a step or out of the lesson; asks first where a prompt that was typed would be lost.
    pub(super) fn go_in_lesson(&mut self, ctx: &Context, towards: Towards) {
        let Some(following) = &mut self.state.lesson else { return };
        let typed = following.typed(&self.state.remembered);
        let replaced = match towards {
            Towards::Away => true,
            Towards::Step(step) => {
                let prompt = |step: usize| &following.lesson.steps[step].set_up.prompt;
                step < following.lesson.steps.len() && prompt(step) != prompt(following.at)
            }
        };
        if typed && replaced && following.asking != Some(towards) {
            following.asking = Some(towards);
        } else {
            self.arrive_in_lesson(ctx, towards, typed && !replaced);
        }
    }

    /// Goes there; a prompt that was typed stays, or not.
    pub(super) fn arrive_in_lesson(&mut self, ctx: &Context, towards: Towards, keeps_prompt: bool) {
        let Some(following) = &mut self.state.lesson else { return };
        following.asking = None;
        match towards {
            Towards::Step(step) if step < following.lesson.steps.len() => {
                following.at = step;
                self.set_up(ctx, !keeps_prompt);
            }
            Towards::Step(_) | Towards::Away => self.leave_lesson(keeps_prompt),
        }
    }

    fn leave_lesson(&mut self, keeps_prompt: bool) {
        if let Some(mut following) = self.state.lesson.take() {
            self.state.remembered = following.restored(&self.state.remembered, keeps_prompt);
            // What the lesson left paused would go on beside a prompt and settings that are not its own.
            match following.take_set_aside() {
                Some(run) => self.show_again(run),
                None if following.ran() && self.view.has_live_run() => self.worker.send(Command::Stop),
                None => {}
            }
        }
    }

    /// Sets the window up for the step on show.
    fn set_up(&mut self, ctx: &Context, with_prompt: bool) {
        let Some(following) = &mut self.state.lesson else { return };
        let SetUp { prompt, settings, pane, view, select, colour } = following.step().set_up.clone();
        following.to_select = select;
        let remembered = &mut self.state.remembered;
        if let Some(prompt) = prompt.filter(|_| with_prompt) {
            remembered.prompt = prompt;
        }
        remembered.decoding = settings;
        (remembered.chat, remembered.add_special) = (false, true);
        if let Some(view) = view {
            self.state.measuring.view = view;
        }
        if let Some(colour) = colour {
            self.perform(ctx, Action::UseColouring(colour));
        }
        if let Some(pane) = pane {
            self.show_pane(pane);
        }
    }

    /// Brings a pane to the front.
    fn show_pane(&mut self, pane: CompactPane) {
        self.state.compact_pane = pane;
        match pane {
            CompactPane::Pane(pane) => arrangement::show(&mut self.tree, pane),
            CompactPane::Step => self.state.remembered.inspector = true,
            CompactPane::Prompt => {}
        }
    }

    /// Does what the step's button says.
    pub(super) fn run_lesson_step(&mut self, ctx: &Context) {
        let nodes = self.view.run.as_ref().map_or(0, |run| run.nodes.len());
        let Some(following) = &mut self.state.lesson else { return };
        let Some(kind) = following.step().run else { return };
        following.to_select = following.step().set_up.select;
        if kind == RunKind::BothWays {
            following.begins(self.state.run_number, nodes, &self.state.remembered);
            self.view.comparison = None;
            self.perform(ctx, Action::Compare);
            return;
        }
        let fresh = following.begins(self.state.run_number, nodes, &self.state.remembered);
        match kind {
            RunKind::OneStep if fresh || !self.view.has_live_run() => self.start(Pace::SingleStep),
            RunKind::OneStep => self.perform(ctx, Action::StepOnce),
            // What another prompt or other settings began does not go on.
            _ if fresh => self.start(Pace::Continuous),
            _ => self.perform(ctx, Action::Run),
        }
    }

    /// Selects what the step wants, once it is there.
    pub(super) fn select_for_lesson(&mut self, ctx: &Context) {
        let Some(following) = &self.state.lesson else { return };
        let Some(select) = following.to_select else { return };
        let runs = following.step().run.is_some_and(|kind| kind != RunKind::BothWays);
        let ready = !runs || following.has_run(self.state.run_number, &self.view);
        let waits = matches!(self.view.status, Status::Paused | Status::Ready);
        let (prompt, steps) = self.view.run.as_ref().map_or((0, 0), |run| (run.prompt.len(), run.line.len()));
        let action = match select {
            Select::Step(step) if step <= steps => Action::Select(step - 1),
            Select::Last if steps > 0 => Action::Select(steps - 1),
            Select::Prompt(token) if token <= prompt => Action::SelectPrompt(token - 1),
            _ => return,
        };
        if ready && waits {
            if let Some(following) = &mut self.state.lesson {
                following.to_select = None;
            }
            self.perform(ctx, action);
        }
    }

    /// Begins the lesson of a file, or says what is wrong with it.
    pub(super) fn take_lesson(&mut self, ctx: &Context, path: &Path, lesson: Result<Lesson, String>) {
        match lesson {
            Ok(lesson) => self.begin_lesson(ctx, Arc::new(lesson)),
            Err(reason) => self.view.tell(Notice {
                severity: Severity::Error,
                title: "The lesson cannot be read".to_owned(),
                detail: format!("{}, {reason}", path.display()),
            }),
        }
    }
}
