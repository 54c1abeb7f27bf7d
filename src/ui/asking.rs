//! Asking a server which models it serves, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use egui::Context;

use crate::session::{
    ApiKey, Patience, SERVER_PATIENCE, ServedModel, ServerAddress, ServerError, served_models,
};

/// How long a list of models may take: nothing is computed for it.
const PATIENCE: Patience = Patience { silence: Duration::from_secs(30), ..SERVER_PATIENCE };

/// Why a server did not tell.
pub(super) struct Problem {
    /// In words for a person.
    pub words: String,
    /// Whether it wants another key, or one at all.
    pub wants_key: bool,
}

impl Problem {
    fn of(error: &ServerError) -> Self {
        let wants_key = matches!(error, ServerError::KeyMissing { .. } | ServerError::KeyRefused { .. });
        Self { words: error.to_string(), wants_key }
    }
}

/// A question to a server; it ends when this goes.
pub(super) struct Asking {
    /// The server.
    pub address: ServerAddress,
    answer: Receiver<Result<Vec<ServedModel>, Problem>>,
    interrupt: Arc<AtomicBool>,
}

impl Asking {
    /// Asks which models there are; `ctx` is woken at the answer.
    pub(super) fn start(address: ServerAddress, key: Option<ApiKey>, ctx: &Context) -> Self {
        let ((sender, answer), interrupt) = (channel(), Arc::new(AtomicBool::new(false)));
        let (ctx, stop, of_thread) = (ctx.clone(), Arc::clone(&interrupt), address.clone());
        std::thread::spawn(move || {
            let served = served_models(&of_thread, key.as_ref(), &PATIENCE, &stop);
            // The window may be gone by now; then nobody wants to know.
            let _ = sender.send(served.map_err(|error| Problem::of(&error)));
            ctx.request_repaint();
        });
        Self { address, answer, interrupt }
    }

    /// What it said, once that is known.
    pub(super) fn answer(&self) -> Option<Result<Vec<ServedModel>, Problem>> {
        self.answer.try_recv().ok()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.interrupt.store(true, Ordering::Release);
    }
}
