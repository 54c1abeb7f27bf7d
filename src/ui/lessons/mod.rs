//! Lessons: short tours that set up the live window, ask, and run. Each is a text file that a teacher can copy and change;
//! `docs/lessons.md` says how one is written.

mod built_in;
mod lesson;
mod parse;
mod settings;

pub use built_in::built_in;
pub use lesson::{Answer, Lesson, Question, RunKind, Select, SetUp, Step};
pub use parse::{LessonError, parse};
