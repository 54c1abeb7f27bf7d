//! What the window does to open models and traces.

use std::path::PathBuf;
use std::sync::Arc;

use egui::Context;

use super::app::App;
use super::cards::Inspected;
use super::dialog::{Answer, Dialog, Wanted};
use super::inspecting::{Found, Inspecting, NOTHING_THERE};
use super::remembered::Remembered;
use super::state::{Origin, Toast};
use super::trace_files::{FileWork, Outcome};
use crate::session::{Command, LoadRequest, ModelSource, Notice, Severity};

impl App {
    pub(super) fn take_dialog_answer(&mut self, ctx: &Context) {
        let Some(dialog) = &self.dialog else { return };
        let (wanted, answer) = (dialog.wanted, dialog.answer());
        let Some(answer) = answer else { return };
        self.dialog = None;
        match answer {
            Answer::Chosen(path) => match wanted {
                Wanted::Folder | Wanted::File | Wanted::Lesson => self.inspect(ModelSource::Path(path), ctx),
                Wanted::LibraryFolder => self.add_library_folder(path),
                Wanted::DraftFolder | Wanted::DraftFile => self.load_draft(ModelSource::Path(path)),
                Wanted::SecondFolder | Wanted::SecondFile => self.load_second(ModelSource::Path(path)),
                // The dialog asked whether a file may go.
                Wanted::New(export) => self.export(export, path, true, ctx),
                Wanted::Trace => self.file_work = Some(FileWork::open(path, ctx)),
            },
            Answer::Closed => {}
            Answer::Unavailable => self.view.tell(Notice {
                severity: Severity::Information,
                title: "No file dialog on this desktop".to_owned(),
                detail: match wanted {
                    Wanted::Folder | Wanted::File | Wanted::Trace | Wanted::Lesson => {
                        "Type or paste the path into the field of “Open model…”, or drop the folder or file on the \
                         window."
                    }
                    Wanted::LibraryFolder => {
                        "`logitscope models --folder DIR` lists the models of a folder in the terminal; a link in one of \
                         the folders that are looked into leads there as well."
                    }
                    Wanted::DraftFolder | Wanted::DraftFile => {
                        "Type or paste the draft model's path into the field below the strategy."
                    }
                    Wanted::SecondFolder | Wanted::SecondFile | Wanted::New(_) => "Type or paste the path into the card's field.",
                }
                .to_owned(),
            }),
        }
    }

    pub(super) fn take_inspection(&mut self, ctx: &Context) {
        let Some(inspecting) = &self.inspecting else { return };
        let Some(answer) = inspecting.answer() else { return };
        let source = inspecting.source.clone();
        self.inspecting = None;
        if !matches!(&answer, Found::Nothing(_) | Found::Trace(Outcome::Told(_))) {
            self.forget_open_problem();
        }
        match answer {
            Found::Model(card) => {
                (self.state.cards.open, self.state.cards.get.shows) = (false, false);
                self.state.cards.inspected = Some(Inspected { source, card: *card });
            }
            Found::Nothing(notice) => self.tell_open_problem(notice),
            Found::Trace(Outcome::Told(notice)) => self.tell_open_problem(notice),
            Found::Trace(outcome) => self.take_file_outcome(outcome, ctx),
            Found::Lesson(path, lesson) => self.take_lesson(ctx, &path, lesson),
        }
    }

    /// Says why nothing was opened: in the card that asked, while it shows.
    fn tell_open_problem(&mut self, notice: Notice) {
        self.forget_open_problem();
        if self.state.cards.open {
            self.state.cards.open_problem = Some(notice);
        } else {
            self.view.tell(notice);
        }
    }

    /// What could not be opened before is past, as something else was.
    pub(super) fn forget_open_problem(&mut self) {
        const TITLES: [&str; 3] =
            [NOTHING_THERE, "The trace could not be opened", "The model could not be loaded"];
        self.state.cards.open_problem = None;
        let view = &self.view;
        let told = |toast: &Toast| {
            view.notice(toast.notice).is_some_and(|notice| TITLES.contains(&notice.title.as_str()))
        };
        self.state.toasts.retain(|toast| !told(toast));
    }

    pub(super) fn take_file_work(&mut self, ctx: &Context) {
        let Some(outcome) = self.file_work.as_ref().and_then(FileWork::outcome) else { return };
        self.file_work = None;
        self.take_file_outcome(outcome, ctx);
    }

    pub(super) fn take_file_outcome(&mut self, outcome: Outcome, ctx: &Context) {
        match outcome {
            Outcome::Told(notice) => self.view.tell(notice),
            Outcome::Saved(notice) => {
                self.state.cards.saving = None;
                self.state.cards.taken_path = None;
                self.view.tell(notice);
            }
            Outcome::Taken(path) => self.state.cards.taken_path = Some(path),
            // A run that goes on is what the window shows; its steps must not end in another trace.
            Outcome::Opened(_) if self.view.has_live_run() => self.view.tell(Notice {
                severity: Severity::Information,
                title: "A run is under way".to_owned(),
                detail: "Stop it first (Esc), then open the trace.".to_owned(),
            }),
            Outcome::Opened(run) => {
                self.keep_before_trace(ctx.input(|input| input.time));
                self.state.run_number += 1;
                self.state.cursor.follow_newest(0);
                self.state.cards.open = false;
                self.state.lines_left.clear();
                self.state.origin = Origin::File;
                self.view.show_run(Arc::from(run));
            }
        }
    }

    /// Opens a file dialog, unless one is open.
    pub(super) fn ask(&mut self, wanted: Wanted, ctx: &Context) {
        if self.dialog.is_none() {
            self.dialog = Some(Dialog::open(wanted, ctx));
        }
    }

    /// Turns Chat on for a model that was just opened and has a template. A model that is loaded again keeps what
    /// the person chose for it.
    pub(super) fn offer_chat(&mut self, has_template: bool) {
        let opened = Some(&self.asked_for) != self.chat_offered_to.as_ref();
        self.chat_offered_to = Some(self.asked_for.clone());
        if opened && has_template && self.asked_for != ModelSource::BuiltIn {
            self.state.remembered.chat = true;
        }
    }

    pub(super) fn load(&mut self, source: ModelSource) {
        self.asked_for = source.clone();
        self.worker.send(Command::Load(self.request(source, self.asked_context)));
    }

    /// A model, loaded as the person chose.
    pub(super) fn request(&self, source: ModelSource, context: Option<usize>) -> LoadRequest {
        let Remembered { adapter, weights, cache, gpu_memory, .. } = &self.state.remembered;
        LoadRequest {
            adapter: adapter.clone(),
            context,
            weights: *weights,
            cache: *cache,
            gpu_memory: *gpu_memory,
            key: self.key_of(&source),
            ..LoadRequest::of(source)
        }
    }

    /// Reads a model's headers; the answer comes in a later frame.
    pub(super) fn inspect(&mut self, source: ModelSource, ctx: &Context) {
        let known = self.state.cards.inspected.as_ref().is_some_and(|inspected| inspected.source == source);
        let context = self.state.cards.context.filter(|_| known);
        self.inspect_with(source, context, ctx);
    }

    /// The same, with so many positions to allow.
    pub(super) fn inspect_with(&mut self, source: ModelSource, context: Option<usize>, ctx: &Context) {
        self.state.cards.context = context;
        self.inspecting = Some(Inspecting::start(self.request(source, context), ctx));
    }

    /// Reads the headers of the model that is asked about once more.
    pub(super) fn inspect_again(&mut self, ctx: &Context) {
        if let Some(inspected) = &self.state.cards.inspected {
            self.inspect(inspected.source.clone(), ctx);
        }
    }

    /// Takes a change of how models are loaded into account: for the one that is asked about, or for the open one.
    pub(super) fn load_otherwise(&mut self, ctx: &Context) {
        match &self.state.cards.inspected {
            Some(inspected) => self.inspect(inspected.source.clone(), ctx),
            // What a server does with its model is its own matter.
            None if matches!(self.asked_for, ModelSource::Server(_)) => {}
            None if self.view.loaded.is_some() => self.load(self.asked_for.clone()),
            None => {}
        }
    }

    pub(super) fn take_drops(&mut self, ctx: &Context) {
        let dropped =
            ctx.input(|input| input.raw.dropped_files.first().map(|file| PathBuf::from(file.path())));
        if let Some(path) = dropped {
            self.inspect(ModelSource::Path(path), ctx);
        }
    }
}
