//! Asking a server which models it serves, and a keyring for its key, on threads of their own: both may take long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use egui::Context;

use super::keys::KeyInUse;
use crate::session::{
    ApiKey, Kept, Patience, SERVER_PATIENCE, ServedModel, ServerAddress, ServerError, ServerKeys,
    served_models,
};

/// How long a list of models may take: nothing is computed for it.
const PATIENCE: Patience = Patience { silence: Duration::from_secs(30), ..SERVER_PATIENCE };

/// With which key a server is asked.
pub(super) enum WithKey {
    /// One that was just typed: it is kept if the server takes it.
    Typed(ApiKey),
    /// One that is in use already.
    InUse(KeyInUse),
    /// What the keyring has, or the variable.
    Found,
}

/// What a server said.
pub(super) struct Said {
    /// Its models.
    pub models: Vec<ServedModel>,
    /// The key that it took.
    pub key: Option<KeyInUse>,
}

/// Why a server did not tell.
pub(super) struct Problem {
    /// In words for a person.
    pub words: String,
    /// Whether it wants another key, or one at all.
    pub wants_key: bool,
}

impl From<ServerError> for Problem {
    fn from(error: ServerError) -> Self {
        let wants_key = matches!(error, ServerError::KeyMissing { .. } | ServerError::KeyRefused { .. });
        Self { words: error.to_string(), wants_key }
    }
}

/// A question to a server; it ends when this goes.
pub(super) struct Asking {
    /// The server.
    pub address: ServerAddress,
    answer: Receiver<Result<Said, Problem>>,
    interrupt: Arc<AtomicBool>,
}

impl Asking {
    /// Asks which models there are; `ctx` is woken at the answer.
    pub(super) fn start(address: ServerAddress, key: WithKey, keys: Arc<ServerKeys>, ctx: &Context) -> Self {
        let ((sender, answer), interrupt) = (channel(), Arc::new(AtomicBool::new(false)));
        let (ctx, stop, of_thread) = (ctx.clone(), Arc::clone(&interrupt), address.clone());
        std::thread::spawn(move || {
            // The window may be gone by now; then nobody wants to know.
            let _ = sender.send(ask(&of_thread, key, &keys, &stop));
            ctx.request_repaint();
        });
        Self { address, answer, interrupt }
    }

    /// What it said, once that is known.
    pub(super) fn answer(&self) -> Option<Result<Said, Problem>> {
        self.answer.try_recv().ok()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.interrupt.store(true, Ordering::Release);
    }
}

fn ask(address: &ServerAddress, key: WithKey, keys: &ServerKeys, stop: &AtomicBool) -> Result<Said, Problem> {
    let origin = address.origin();
    let (key, is_new) = match key {
        WithKey::Typed(key) => (Some(KeyInUse { key, kept: None }), true),
        WithKey::InUse(key) => (Some(key), false),
        WithKey::Found => match keys.get(&origin) {
            Some(key) => (Some(KeyInUse { key, kept: Some(Kept::InKeyring) }), false),
            None => (ApiKey::from_environment()?.map(|key| KeyInUse { key, kept: None }), false),
        },
    };
    let models = served_models(address, key.as_ref().map(|key| &key.key), &PATIENCE, stop)?;
    let keep = |key: KeyInUse| KeyInUse { kept: Some(keys.keep(&origin, &key.key)), ..key };
    Ok(Said { models, key: if is_new { key.map(keep) } else { key } })
}

/// Has the keyring forget a key. The answer is why it has it still.
pub(super) fn forget(
    address: &ServerAddress,
    keys: Arc<ServerKeys>,
    ctx: &Context,
) -> Receiver<Result<(), String>> {
    let (sender, answer) = channel();
    let (origin, ctx) = (address.origin(), ctx.clone());
    std::thread::spawn(move || {
        let _ = sender.send(keys.forget(&origin));
        ctx.request_repaint();
    });
    answer
}
