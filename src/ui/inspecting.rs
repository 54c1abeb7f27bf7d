//! Reading a model's headers, on a thread of its own.

use std::sync::mpsc::{Receiver, channel};

use egui::Context;

use crate::session::{LoadRequest, ModelCard, ModelSource, Notice, Severity};

/// A model whose headers are being read.
pub struct Inspecting {
    /// The model.
    pub source: ModelSource,
    answer: Receiver<Result<ModelCard, Notice>>,
}

impl Inspecting {
    /// Begins to read what would be loaded; `ctx` is woken at the end.
    pub fn start(request: LoadRequest, ctx: &Context) -> Self {
        let (sender, answer) = channel();
        let (ctx, source) = (ctx.clone(), request.source.clone());
        std::thread::spawn(move || {
            let card = ModelCard::read(&request).map_err(|error| Notice {
                severity: Severity::Error,
                title: "No model can be opened there".to_owned(),
                detail: error.to_string(),
            });
            // The window may be gone by now; then nobody wants the answer.
            let _ = sender.send(card);
            ctx.request_repaint();
        });
        Self { source, answer }
    }

    /// The card, or what to tell, once it is read.
    pub fn answer(&self) -> Option<Result<ModelCard, Notice>> {
        self.answer.try_recv().ok()
    }
}
