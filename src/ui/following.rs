//! A lesson that is followed: where the learner is, what was answered and run, and what the window had before.

use std::sync::Arc;

use super::earlier::EarlierRun;
use super::lessons::{Lesson, RunKind, Select, Step};
use super::remembered::{Colouring, Remembered};
use crate::decoding::DecodingSettings;
use crate::session::{Status, View};

/// A lesson that is followed.
pub struct Following {
    /// The lesson.
    pub lesson: Arc<Lesson>,
    /// The step on show, from 0.
    pub at: usize,
    /// What is left to select once it is there.
    pub to_select: Option<Select>,
    /// Where the learner wants to go, while it is asked what becomes of a prompt that was typed.
    pub asking: Option<Towards>,
    /// The step whose explanation came into view, from 0.
    pub explained: Option<usize>,
    /// What was done at each step.
    done: Vec<Done>,
    /// With what the run on show was begun, if the lesson began it.
    ran_with: Option<(String, DecodingSettings)>,
    before: Before,
    /// The run that was on show before those that the lesson made.
    earlier_run: Option<EarlierRun>,
}

/// Where a learner wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// To a step of the lesson.
    Step(usize),
    /// Out of it.
    Away,
}

/// What was done at a step.
#[derive(Clone, Copy, Default)]
struct Done {
    answer: Option<usize>,
    begun: Option<Begun>,
}

/// What there was when a step's run began.
#[derive(Clone, Copy)]
struct Begun {
    run: u64,
    nodes: usize,
}

/// What the window had before the lesson.
struct Before {
    prompt: String,
    decoding: DecodingSettings,
    chat: bool,
    add_special: bool,
    colouring: Colouring,
}

impl Following {
    /// Begins a lesson in a window that remembers this.
    pub(super) fn begin(lesson: Arc<Lesson>, remembered: &Remembered) -> Self {
        let before = Before {
            prompt: remembered.prompt.clone(),
            decoding: remembered.decoding.clone(),
            chat: remembered.chat,
            add_special: remembered.add_special,
            colouring: remembered.colouring,
        };
        let done = vec![Done::default(); lesson.steps.len()];
        Self {
            lesson,
            at: 0,
            to_select: None,
            asking: None,
            explained: None,
            done,
            ran_with: None,
            before,
            earlier_run: None,
        }
    }

    /// Whether a run was set aside for the lesson's own.
    pub(super) fn has_set_aside(&self) -> bool {
        self.earlier_run.is_some()
    }

    /// Sets the run aside that was on show before.
    pub(super) fn set_aside(&mut self, run: EarlierRun) {
        self.earlier_run = Some(run);
    }

    /// The run that was on show before the lesson's own.
    pub(super) fn take_set_aside(&mut self) -> Option<EarlierRun> {
        self.earlier_run.take()
    }

    /// The step on show.
    pub fn step(&self) -> &Step {
        &self.lesson.steps[self.at]
    }

    /// What was answered at the step on show.
    pub fn answer(&self) -> Option<usize> {
        self.done[self.at].answer
    }

    /// Answers the question of the step on show.
    pub fn choose(&mut self, answer: usize) {
        self.done[self.at].answer = Some(answer);
    }

    /// Whether the prompt is one that the learner typed since the step was set up.
    pub(super) fn typed(&self, remembered: &Remembered) -> bool {
        self.step().set_up.prompt.as_ref().is_some_and(|prompt| *prompt != remembered.prompt)
    }

    /// Notes that the step's run begins; gives whether it is another run than the one on show.
    pub(super) fn begins(&mut self, run: u64, nodes: usize, remembered: &Remembered) -> bool {
        self.done[self.at].begun = Some(Begun { run, nodes });
        let with = Some((remembered.prompt.clone(), remembered.decoding.clone()));
        let fresh = self.ran_with != with;
        self.ran_with = with;
        fresh
    }

    /// Whether the lesson began any run.
    pub(super) fn ran(&self) -> bool {
        self.ran_with.is_some()
    }

    /// Whether the step's run was begun and has come to what the step wants.
    pub fn has_run(&self, run_number: u64, view: &View) -> bool {
        let (Some(kind), Some(begun)) = (self.step().run, self.done[self.at].begun) else { return false };
        let nodes = view.run.as_ref().map_or(0, |run| run.nodes.len());
        let more = run_number > begun.run || nodes > begun.nodes;
        match kind {
            RunKind::ToTheEnd => more && !view.has_live_run(),
            RunKind::OneStep => more && matches!(view.status, Status::Paused | Status::Ready),
            RunKind::BothWays => view.comparison.as_ref().is_some_and(|comparison| comparison.ended),
        }
    }

    /// Whether the step's run was begun.
    pub fn has_begun(&self) -> bool {
        self.done[self.at].begun.is_some()
    }

    /// What the window remembered before, with what was not the lesson's as it is now.
    pub(super) fn restored(&self, remembered: &Remembered, keeps_prompt: bool) -> Remembered {
        let Before { prompt, decoding, chat, add_special, colouring } = &self.before;
        Remembered {
            prompt: if keeps_prompt { remembered.prompt.clone() } else { prompt.clone() },
            decoding: decoding.clone(),
            chat: *chat,
            add_special: *add_special,
            colouring: *colouring,
            ..remembered.clone()
        }
    }
}
