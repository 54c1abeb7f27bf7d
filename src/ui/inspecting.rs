//! Reading a model's headers, on a thread of its own.

use std::sync::mpsc::{Receiver, channel};

use egui::Context;

use crate::session::{CacheFormat, ModelCard, ModelSource, Notice, Severity, WeightsChoice};

/// A model whose headers are being read.
pub struct Inspecting {
    /// The model.
    pub source: ModelSource,
    answer: Receiver<Result<ModelCard, Notice>>,
}

impl Inspecting {
    /// Begins to read; `ctx` is woken at the end.
    pub fn start(
        source: ModelSource,
        weights: WeightsChoice,
        cache: Option<CacheFormat>,
        ctx: &Context,
    ) -> Self {
        let (sender, answer) = channel();
        let (ctx, of) = (ctx.clone(), source.clone());
        std::thread::spawn(move || {
            let card = ModelCard::read(&of, weights, cache).map_err(|error| Notice {
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
