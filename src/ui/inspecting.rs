//! Reading what a path leads to, on a thread of its own: a model's headers, or a saved trace.

use std::sync::mpsc::{Receiver, channel};

use egui::Context;

use super::trace_files::{self, Outcome};
use crate::session::{LoadRequest, ModelCard, ModelSource, Notice, Severity};
use crate::trace::file::is_trace;

/// What a path led to.
pub(super) enum Found {
    /// A model.
    Model(Box<ModelCard>),
    /// Neither model nor trace, or one that cannot be read.
    Nothing(Notice),
    /// A trace, as it came out.
    Trace(Outcome),
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
    match ModelCard::read(request) {
        Ok(card) => Found::Model(Box::new(card)),
        Err(error) => Found::Nothing(Notice {
            severity: Severity::Error,
            title: "No model can be opened there".to_owned(),
            detail: error.to_string(),
        }),
    }
}
