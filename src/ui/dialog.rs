//! The system's file dialogs, each on a thread of its own.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use egui::Context;

use super::exports::Export;

/// What a dialog asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A model's folder.
    Folder,
    /// A model's file.
    File,
    /// A folder to look for models in.
    LibraryFolder,
    /// A draft model's folder.
    DraftFolder,
    /// A draft model's file.
    DraftFile,
    /// Another model's folder, for the lanes.
    SecondFolder,
    /// Its file.
    SecondFile,
    /// Where to save something.
    New(Export),
    /// A saved trace.
    Trace,
    /// A lesson.
    Lesson,
}

/// A dialog that is open.
pub(super) struct Dialog {
    /// What it asks for.
    pub wanted: Wanted,
    answer: Receiver<Option<PathBuf>>,
    opened: Instant,
}

/// How a dialog ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The user chose this.
    Chosen(PathBuf),
    /// The user closed it.
    Closed,
    /// It was gone before a person can have seen it: the desktop offers none.
    Unavailable,
}

/// Sooner than this no person closes a dialog.
const INSTANT: Duration = Duration::from_millis(200);

impl Dialog {
    /// Opens a dialog; `ctx` is woken when it is answered.
    pub(super) fn open(wanted: Wanted, ctx: &Context) -> Self {
        let (sender, answer) = channel();
        let ctx = ctx.clone();
        std::thread::spawn(move || {
            let dialog = rfd::FileDialog::new().set_title(match wanted {
                Wanted::Folder | Wanted::File => "Open a model",
                Wanted::LibraryFolder => "Look for models in",
                Wanted::DraftFolder | Wanted::DraftFile => "Open a draft model",
                Wanted::SecondFolder | Wanted::SecondFile => "Open another model",
                Wanted::New(Export::Trace) => "Save the trace",
                Wanted::New(_) => "Export",
                Wanted::Lesson => "Open a lesson",
                Wanted::Trace => "Open a trace",
            });
            let chosen = match wanted {
                Wanted::Folder | Wanted::DraftFolder | Wanted::SecondFolder | Wanted::LibraryFolder => {
                    dialog.pick_folder()
                }
                Wanted::File | Wanted::DraftFile | Wanted::SecondFile => dialog
                    .add_filter("Model (safetensors, index, GGUF)", &["safetensors", "json", "gguf"])
                    // A GGUF file may have any name.
                    .add_filter("All files", &["*"])
                    .pick_file(),
                Wanted::New(export) => dialog
                    .set_file_name(export.file_name(None))
                    .add_filter(export.noun(), &[export.extension()])
                    .save_file(),
                Wanted::Trace => dialog.add_filter("Trace", &["json"]).pick_file(),
                Wanted::Lesson => dialog.add_filter("Lesson", &["md", "txt"]).pick_file(),
            };
            // The window may be gone by now; then nobody wants the answer.
            let _ = sender.send(chosen);
            ctx.request_repaint();
        });
        Self { wanted, answer, opened: Instant::now() }
    }

    /// The answer, once there is one.
    pub(super) fn answer(&self) -> Option<Answer> {
        match self.answer.try_recv() {
            Ok(Some(path)) => Some(Answer::Chosen(path)),
            Ok(None) if self.opened.elapsed() < INSTANT => Some(Answer::Unavailable),
            Ok(None) => Some(Answer::Closed),
            Err(std::sync::mpsc::TryRecvError::Empty) => None,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => Some(Answer::Unavailable),
        }
    }
}
