//! What a lesson is.

use crate::decoding::DecodingSettings;
use crate::session::BUILT_IN;
use crate::trace::ModelFacts;
use crate::ui::measuring::PhasesView;
use crate::ui::pane::CompactPane;
use crate::ui::remembered::Colouring;

/// A lesson.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// Its title.
    pub title: String,
    /// What it is about, in a sentence or two.
    pub about: String,
    /// The model of which it speaks: the built-in one, or the name of another; `None` where it holds for any.
    pub model: Option<String>,
    /// Its steps, at least one.
    pub steps: Vec<Step>,
}

impl Lesson {
    /// Whether what it says holds for this model.
    pub fn is_about(&self, model: &ModelFacts) -> bool {
        self.model.as_ref().is_none_or(|wanted| match wanted.as_str() {
            BUILT_IN => model.path == BUILT_IN,
            wanted => model.name == wanted,
        })
    }

    /// The model of which it speaks, in words; `None` where it holds for any.
    pub fn model_words(&self) -> Option<String> {
        self.model.as_ref().map(|wanted| match wanted.as_str() {
            BUILT_IN => "the demonstration model".to_owned(),
            wanted => format!("the model “{wanted}”"),
        })
    }

    /// Whether that is the model inside the program.
    pub fn is_about_built_in(&self) -> bool {
        self.model.as_deref() == Some(BUILT_IN)
    }
}

/// A step of a lesson.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its title.
    pub title: String,
    /// What it says.
    pub paragraphs: Vec<String>,
    /// How the window stands when it is reached.
    pub set_up: SetUp,
    /// What the learner is asked, if anything.
    pub question: Option<Question>,
    /// What its button runs, if it has one.
    pub run: Option<RunKind>,
}

/// How the window stands at a step: what this step sets, and those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct SetUp {
    /// The prompt; `None` leaves what is there.
    pub prompt: Option<String>,
    /// How to decode.
    pub settings: DecodingSettings,
    /// The pane to show.
    pub pane: Option<CompactPane>,
    /// What the pane of the two phases shows.
    pub view: Option<PhasesView>,
    /// What to select, once it is there.
    pub select: Option<Select>,
    /// What colours the chips.
    pub colour: Option<Colouring>,
}

/// What a step selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// A generated token, from 1.
    Step(usize),
    /// The newest one.
    Last,
    /// A token of the prompt, from 1.
    Prompt(usize),
}

/// What a step's button runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// The prompt, to the end.
    ToTheEnd,
    /// One step.
    OneStep,
    /// The text with the KV cache and without it.
    BothWays,
}

/// What the learner is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The question.
    pub text: String,
    /// Answers to choose from, one of them right.
    pub answers: Vec<Answer>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub text: String,
    /// Whether it is right.
    pub right: bool,
    /// What to tell whoever chose it.
    pub explanation: String,
}
