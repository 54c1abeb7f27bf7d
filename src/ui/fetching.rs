//! Asking the hub, and downloading from it, on threads of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use egui::Context;

use super::downloads::Wanted;
use crate::hub::{Client, HubError, Order, Progress, Repository, RepositoryName, Settings, Stop};
use crate::session::adapter_memory;

/// The branch whose files are taken.
const REVISION: &str = "main";
/// How often the window hears how far it is.
const PACE: Duration = Duration::from_millis(100);

/// A question to the hub; it ends when this goes.
pub(super) struct Finding {
    answer: Receiver<Result<Box<Repository>, String>>,
    /// Bytes of the adapter's memory.
    memory: Receiver<Option<u64>>,
    stop: Stop,
}

impl Finding {
    /// Asks what a repository has; `ctx` is woken at the answer.
    pub(super) fn start(
        settings: Settings,
        name: RepositoryName,
        adapter: Option<String>,
        ctx: &Context,
    ) -> Result<Self, HubError> {
        let client = Client::new(settings)?;
        let ((sender, answer), (of_memory, memory)) = (channel(), channel());
        let (ctx, stop) = (ctx.clone(), client.stop());
        std::thread::spawn(move || {
            // The window may be gone by now; then nobody wants to know.
            let _ = of_memory.send(adapter_memory(adapter.as_deref()).map(|memory| memory.bytes));
            let found = client.repository(&name, REVISION);
            let _ = sender.send(found.map(Box::new).map_err(|error| error.to_string()));
            ctx.request_repaint();
        });
        Ok(Self { answer, memory, stop })
    }

    /// What it has, once that is known.
    pub(super) fn answer(&self) -> Option<Result<Box<Repository>, String>> {
        self.answer.try_recv().ok()
    }

    /// Bytes of the adapter's memory, where they are known; told before the answer.
    pub(super) fn memory(&self) -> Option<u64> {
        self.memory.try_recv().ok().flatten()
    }
}

impl Drop for Finding {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// What a download tells.
pub(super) enum News {
    /// Its files.
    Order(Box<Order>),
    /// How far it is.
    Progress(Progress),
    /// It is here, or did not work.
    End(Result<PathBuf, String>),
}

/// A download under way; it ends when this goes, and what came stays.
pub(super) struct Fetching {
    /// What is downloaded.
    pub wanted: Wanted,
    news: Receiver<News>,
    stop: Stop,
    discards: Arc<AtomicBool>,
}

impl Fetching {
    /// Begins; `ctx` is woken when there is news.
    pub(super) fn start(settings: Settings, wanted: Wanted, ctx: &Context) -> Result<Self, HubError> {
        let client = Client::new(settings.clone())?;
        let (sender, news) = channel();
        let discards = Arc::new(AtomicBool::new(false));
        let (ctx, stop) = (ctx.clone(), client.stop());
        let (of_thread, discarded) = (wanted.clone(), Arc::clone(&discards));
        std::thread::spawn(move || {
            let mut order = None;
            let end = fetch(&client, &of_thread, &mut order, &sender, &ctx);
            if let Some(order) = order.filter(|_| end.is_err() && discarded.load(Ordering::Acquire)) {
                settings.discard(&order);
            }
            let _ = sender.send(News::End(end.map_err(|error| error.to_string())));
            ctx.request_repaint();
        });
        Ok(Self { wanted, news, stop, discards })
    }

    /// What is new.
    pub(super) fn news(&self) -> impl Iterator<Item = News> + '_ {
        self.news.try_iter()
    }

    /// Ends it, and throws away what came.
    pub(super) fn discard(self) {
        self.discards.store(true, Ordering::Release);
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

fn fetch(
    client: &Client,
    wanted: &Wanted,
    ordered: &mut Option<Order>,
    sender: &Sender<News>,
    ctx: &Context,
) -> Result<PathBuf, HubError> {
    let Wanted { repository: name, file } = wanted;
    let repository = client.repository(name, REVISION)?;
    let offer = repository.named(file);
    let offer = offer.ok_or_else(|| HubError::NoFile { repository: name.to_string(), file: file.clone() })?;
    let order = repository.order(offer);
    *ordered = Some(order.clone());
    // The window may be gone by now; then nobody wants to know.
    let _ = sender.send(News::Order(Box::new(order.clone())));
    let (mut told, mut doing) = (Instant::now(), None);
    client.download(&order, &mut |progress| {
        let is_new = doing.as_ref() != Some(&progress.doing);
        if is_new || told.elapsed() >= PACE {
            (told, doing) = (Instant::now(), Some(progress.doing.clone()));
            let _ = sender.send(News::Progress(progress));
            ctx.request_repaint();
        }
    })
}
