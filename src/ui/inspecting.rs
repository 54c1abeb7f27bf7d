//! Reading what a path leads to, on a thread of its own: a model's headers, or a saved trace.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use egui::Context;

use super::lessons::{Lesson, parse};
use super::trace_files::{self, Outcome};
use crate::session::{LoadRequest, ModelCard, ModelSource, Notice, Severity};
use crate::trace::file::is_trace;

/// What a person is told where neither model nor trace is.
pub(super) const NOTHING_THERE: &str = "No model can be opened there";

/// What a path led to.
pub(super) enum Found {
    /// A model.
    Model(Box<ModelCard>),
    /// Neither model nor trace, or one that cannot be read.
    Nothing(Notice),
    /// A trace, as it came out.
    Trace(Outcome),
    /// A lesson's file, with the lesson, or what is wrong with it.
    Lesson(PathBuf, Result<Lesson, String>),
}

/// A path that is being read.
pub(super) struct Inspecting {
    /// Where it leads.
    pub source: ModelSource,
    answer: Receiver<Found>,
}

impl Inspecting {
    /// Begins to read what would be loaded; `ctx` is woken at the end.
    pub(super) fn start(request: LoadRequest, ctx: &Context) -> Self {
        let (sender, answer) = channel();
        let (ctx, source) = (ctx.clone(), request.source.clone());
        std::thread::spawn(move || {
            // The window may be gone by now; then nobody wants the answer.
            let _ = sender.send(find(&request));
            ctx.request_repaint();
        });
        Self { source, answer }
    }

    /// What is there, once it is read.
    pub(super) fn answer(&self) -> Option<Found> {
        self.answer.try_recv().ok()
    }
}

/// What is there, by its content.
fn find(request: &LoadRequest) -> Found {
    if let ModelSource::Path(path) = &request.source
        && is_trace(path)
    {
        return Found::Trace(trace_files::read(path));
    }
    if let ModelSource::Path(path) = &request.source
        && is_lesson(path)
    {
        return Found::Lesson(path.clone(), read_lesson(path));
    }
    match ModelCard::read(request) {
        Ok(card) => Found::Model(Box::new(card)),
        Err(error) => Found::Nothing(Notice {
            severity: Severity::Error,
            title: NOTHING_THERE.to_owned(),
            detail: error.to_string(),
        }),
    }
}

/// Whether a path is that of a lesson: a text file.
fn is_lesson(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    path.is_file() && ["md", "txt"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

fn read_lesson(path: &Path) -> Result<Lesson, String> {
    /// Bytes of the longest lesson.
    const LONGEST: u64 = 1 << 20;
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > LONGEST {
        return Err("it is larger than 1 MB, so it is no lesson".to_owned());
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text).map_err(|error| error.to_string())
}
