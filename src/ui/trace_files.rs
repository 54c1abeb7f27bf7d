//! Files saved and traces opened, each on a thread of its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use egui::Context;

use crate::session::{Notice, Severity};
use crate::trace::{Run, file};

/// A file to write.
pub(super) struct Save {
    /// What it is: `trace`.
    pub noun: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Whether one that is there may go.
    pub replace: bool,
}

/// Work on a file that goes on.
pub(super) struct FileWork {
    outcome: Receiver<Outcome>,
}

/// How it ended.
pub(super) enum Outcome {
    /// Something to tell: what went wrong.
    Told(Notice),
    /// The trace to show.
    Opened(Box<Run>),
    /// The file is saved.
    Saved(Notice),
    /// Nothing was written: a file is there.
    Taken(PathBuf),
}

impl FileWork {
    /// Lets `write` write a file; one that is there stays, unless it may be replaced. `ctx` is woken at the end.
    pub(super) fn save(
        save: Save,
        ctx: &Context,
        write: impl FnOnce(&Path) -> Result<(), String> + Send + 'static,
    ) -> Self {
        let Save { noun, path, replace } = save;
        Self::start(ctx, move || {
            if !replace && path.exists() {
                return Outcome::Taken(path);
            }
            let whole = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
            match write(&path) {
                Ok(()) => Outcome::Saved(Notice {
                    severity: Severity::Information,
                    title: format!("The {noun} is saved"),
                    detail: whole.display().to_string(),
                }),
                Err(error) => notice(Severity::Error, &format!("The {noun} could not be saved"), error),
            }
        })
    }

    /// Reads a run; `ctx` is woken at the end.
    pub(super) fn open(path: PathBuf, ctx: &Context) -> Self {
        Self::start(ctx, move || read(&path))
    }

    /// How it ended, once it did.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome.try_recv().ok()
    }

    fn start(ctx: &Context, work: impl FnOnce() -> Outcome + Send + 'static) -> Self {
        let (sender, outcome) = channel();
        let ctx = ctx.clone();
        std::thread::spawn(move || {
            // The window may be gone by now; then nobody wants to know.
            let _ = sender.send(work());
            ctx.request_repaint();
        });
        Self { outcome }
    }
}

/// Reads a run.
pub(super) fn read(path: &Path) -> Outcome {
    match file::read(path) {
        Ok(run) => Outcome::Opened(Box::new(run)),
        Err(error) => notice(Severity::Error, "The trace could not be opened", error.to_string()),
    }
}

fn notice(severity: Severity, title: &str, detail: String) -> Outcome {
    Outcome::Told(Notice { severity, title: title.to_owned(), detail })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::trace::StrategyKind;

    fn outcome(work: &FileWork) -> Outcome {
        work.outcome.recv_timeout(Duration::from_secs(20)).expect("the work ends")
    }

    #[test]
    fn a_saved_trace_opens_again_and_a_missing_one_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trace.json");
        let ctx = Context::default();
        let run = Run { strategy: StrategyKind::Lookahead, seed: 9, ..Run::default() };
        let save = |run: Run| {
            let save = Save { noun: "trace", path: path.clone(), replace: false };
            FileWork::save(save, &ctx, move |path| file::write(path, &run).map_err(|error| error.to_string()))
        };
        let saved = outcome(&save(run.clone()));
        assert!(matches!(saved, Outcome::Saved(notice) if notice.severity == Severity::Information));
        let taken = outcome(&save(Run::default()));
        assert!(matches!(taken, Outcome::Taken(there) if there == path), "what is there stays");
        let opened = outcome(&FileWork::open(path, &ctx));
        assert!(matches!(opened, Outcome::Opened(read) if *read == run));
        let missing = outcome(&FileWork::open(folder.path().join("no.json"), &ctx));
        let Outcome::Told(notice) = missing else { panic!("there is nothing to open") };
        assert_eq!(notice.severity, Severity::Error);
        assert!(notice.detail.contains("no.json"));
    }
}
