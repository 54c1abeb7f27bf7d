//! Looking for the models on this computer, on a thread of its own, as long as somebody wants to know.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use egui::Context;

use super::shelf::Shelf;
use crate::library::{DeviceMemory, Environment, Library, Model, Progress, Search};
use crate::session::{adapter_memory, read_headers};

/// How often the window hears of what is found meanwhile.
const PACE: Duration = Duration::from_millis(100);

/// A search under way; it ends when this goes.
pub(super) struct Looking {
    news: Receiver<News>,
    stop: Arc<AtomicBool>,
}

/// What the thread tells.
enum News {
    /// A model, and how far the search is.
    Read(Box<Model>, usize, usize),
    /// Everything, and the size of the adapter's memory.
    Done(Library, Option<DeviceMemory>),
}

impl Looking {
    /// Begins to look; `ctx` is woken when there is news.
    pub(super) fn start(
        environment: Environment,
        added: Vec<PathBuf>,
        adapter: Option<String>,
        ctx: &Context,
    ) -> Self {
        let (sender, news) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (ctx, stopped) = (ctx.clone(), Arc::clone(&stop));
        std::thread::spawn(move || look(&environment, &added, adapter.as_deref(), &stopped, &sender, &ctx));
        Self { news, stop }
    }

    /// Puts what is new on the shelf; whether that was all.
    pub(super) fn take(&self, shelf: &mut Shelf) -> bool {
        for news in self.news.try_iter() {
            match news {
                News::Read(model, done, total) => shelf.take(Progress { model: &model, done, total }),
                News::Done(library, room) => {
                    shelf.finish(library, room);
                    return true;
                }
            }
        }
        false
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn look(
    environment: &Environment,
    added: &[PathBuf],
    adapter: Option<&str>,
    stop: &AtomicBool,
    sender: &Sender<News>,
    ctx: &Context,
) {
    let mut woken = Instant::now();
    let library = Search { environment, added, read: &read_headers, stop }.run(&mut |progress| {
        // The window may be gone by now; then nobody wants to know.
        let _ = sender.send(News::Read(Box::new(progress.model.clone()), progress.done, progress.total));
        if woken.elapsed() >= PACE {
            woken = Instant::now();
            ctx.request_repaint();
        }
    });
    if !stop.load(Ordering::Relaxed) {
        let _ = sender.send(News::Done(library, adapter_memory(adapter)));
        ctx.request_repaint();
    }
}
