//! What is told of a server that does not answer: nobody is to wait without knowing for whom.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::output::status;
use crate::session::{ModelSource, ReadyModel};

/// How long a server may be silent before that is told.
const FIRST: Duration = Duration::from_secs(3);
/// And how long until it is told again.
const AGAIN: Duration = Duration::from_secs(30);

/// A wait for a server, looked at again and again by whoever waits.
pub(super) struct Wait {
    host: String,
    began: Instant,
    told_at: Duration,
}

impl Wait {
    /// For a model on a server; `None` for others.
    pub(super) fn of(source: &ModelSource) -> Option<Self> {
        match source {
            ModelSource::Server(address) => Some(Self::at(address.host())),
            ModelSource::BuiltIn | ModelSource::BuiltInDraft | ModelSource::Path(_) => None,
        }
    }

    fn at(host: &str) -> Self {
        Self { host: host.to_owned(), began: Instant::now(), told_at: Duration::ZERO }
    }

    /// What is to be told now, if anything.
    pub(super) fn words(&mut self) -> Option<String> {
        self.words_after(self.began.elapsed())
    }

    fn words_after(&mut self, waited: Duration) -> Option<String> {
        let next = if self.told_at.is_zero() { FIRST } else { self.told_at + AGAIN };
        (waited >= next).then(|| {
            self.told_at = waited;
            format!(
                "waiting for {} for {} s now: it has not answered yet (Ctrl-C ends that)",
                self.host,
                waited.as_secs()
            )
        })
    }
}

/// Looks at the waits of a run on a server, from a thread of its own.
pub(super) struct Watch {
    /// `true` where a wait begins, `false` where it ends; dropped, the thread ends.
    news: Option<Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Of a model on a server; of others there is nothing to watch.
    pub(super) fn of(ready: &ReadyModel) -> Self {
        if ready.loaded.server.is_none() {
            return Self { news: None, thread: None };
        }
        let host = ready.loaded.adapter.name.clone();
        let (news, coming) = channel();
        Self { news: Some(news), thread: Some(std::thread::spawn(move || look(&host, &coming))) }
    }

    /// Does something that may wait for the server.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.tell(true);
        let result = work();
        self.tell(false);
        result
    }

    fn tell(&self, waits: bool) {
        if let Some(news) = &self.news {
            // The thread listens as long as this is there.
            let _ = news.send(waits);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.news = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look(host: &str, coming: &Receiver<bool>) {
    const GLANCE: Duration = Duration::from_millis(250);
    let mut wait = None;
    loop {
        match coming.recv_timeout(GLANCE) {
            Ok(waits) => wait = waits.then(|| Wait::at(host)),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(words) = wait.as_mut().and_then(Wait::words) {
                    // The text may stand in the middle of a line there.
                    if std::io::stderr().is_terminal() {
                        let _ = writeln!(std::io::stderr());
                    }
                    status(&words);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_after_a_while_and_then_seldom() {
        let mut wait = Wait::at("HOST:1");
        let told: Vec<u64> =
            (0..=70).filter(|&second| wait.words_after(Duration::from_secs(second)).is_some()).collect();
        assert_eq!(told, [3, 33, 63]);
        assert!(Wait::of(&ModelSource::BuiltIn).is_none());
    }
}
