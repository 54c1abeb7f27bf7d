//! The window's frame: takes events in, lays the panels out, performs what the person asked for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{Context, ThemePreference, Ui};

use super::action::Action;
use super::dialog::{Answer, Dialog, Wanted};
use super::dock::{self, Pane};
use super::inspecting::{Found, Inspecting};
use super::keyboard;
use super::layout;
use super::pacing::Pacing;
use super::scene::Scene;
use super::state::{Awaited, Follow, Inspected, Origin, Pointer, Remembered, State, ThemeChoice};
use super::theme;
use super::trace_files::{Outcome, TraceWork};
use super::worker::Worker;
use crate::session::command::SpecialTokens;
use crate::session::{
    Command, Event, LoadRequest, ModelSource, Notice, Pace, Prompt, RunRequest, Severity, Status, View,
};
use crate::trace::file::is_trace;

/// Where what is remembered is stored.
const STORAGE_KEY: &str = "remembered";

/// Longest time that taking events in may use of a frame.
const DRAIN_BUDGET: Duration = Duration::from_millis(6);

/// The window.
pub struct App {
    pub(super) worker: Box<dyn Worker>,
    pub(super) view: View,
    pub(super) state: State,
    tree: egui_tiles::Tree<Pane>,
    dialog: Option<Dialog>,
    trace_work: Option<TraceWork>,
    inspecting: Option<Inspecting>,
    /// The model that is being loaded, to be remembered once it is ready.
    asked_for: ModelSource,
    /// The prompt that was counted last.
    counted: Option<Prompt>,
    /// Whether a prompt is being counted.
    counting: bool,
    /// Positions that were allowed for it; `None` is its own context.
    asked_context: Option<usize>,
    /// The model for which Chat was turned on, or not, when it was opened.
    chat_offered_to: Option<ModelSource>,
}

impl App {
    /// The window's program: takes the fonts and the theme into the context, and asks the worker for the
    /// adapters and the first model.
    pub fn new(
        creation: &eframe::CreationContext<'_>,
        worker: Box<dyn Worker>,
        initial: ModelSource,
    ) -> Self {
        theme::install(&creation.egui_ctx);
        creation.egui_ctx.add_plugin(Pacing::default());
        let remembered = creation
            .storage
            .and_then(|storage| eframe::get_value::<Remembered>(storage, STORAGE_KEY))
            .unwrap_or_default();
        let mut app = Self {
            worker,
            view: View::default(),
            state: State::new(remembered),
            tree: dock::arrangement(),
            dialog: None,
            trace_work: None,
            inspecting: None,
            asked_for: initial.clone(),
            counted: None,
            counting: false,
            asked_context: None,
            chat_offered_to: None,
        };
        app.apply_theme(&creation.egui_ctx);
        app.worker.send(Command::ListAdapters);
        match initial {
            // A saved run shows beside the model that the program begins with.
            ModelSource::Path(path) if is_trace(&path) => {
                app.load(ModelSource::BuiltIn);
                app.inspect(ModelSource::Path(path), &creation.egui_ctx);
            }
            model => app.load(model),
        }
        app
    }

    /// What the worker told so far.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The window's own state.
    pub fn state(&self) -> &State {
        &self.state
    }

    fn take_events(&mut self, ctx: &Context) {
        let begun = Instant::now();
        while let Some(event) = self.worker.receive() {
            self.take(event, ctx);
            if begun.elapsed() > DRAIN_BUDGET {
                ctx.request_repaint();
                break;
            }
        }
        let now = ctx.input(|input| input.time);
        let new = self.state.notices_seen.max(self.view.forgotten)..self.view.told();
        self.state.toasts.extend(new.map(|notice| super::state::Toast { notice, born: now }));
        self.state.notices_seen = self.view.told();
    }

    fn take(&mut self, event: Event, ctx: &Context) {
        let now = ctx.input(|input| input.time);
        self.take_awaited(&event);
        let was_paused = self.view.status == Status::Paused;
        match &event {
            Event::LoadStarted { .. } => {
                self.state.progress_since = Some(now);
                (self.counted, self.counting) = (None, false);
                self.leave_run();
            }
            Event::LoadFailed => self.leave_run(),
            Event::Counted { .. } => self.counting = false,
            Event::LoadProgress { part, .. } => {
                let before = &self.view.status;
                if !matches!(before, Status::Loading { part: before, .. } if before == part) {
                    self.state.progress_since = Some(now);
                }
            }
            Event::Resumed | Event::InitiationProgress { .. } if was_paused => {
                self.state.progress_since = Some(now);
                self.state.progress_from = self.view.initiation.done;
            }
            Event::Loaded(loaded) => {
                if let ModelSource::Path(path) = &self.asked_for {
                    self.state.remembered.remember_model(path.clone());
                }
                self.offer_chat(loaded.chat_problem.is_none());
                self.state.open_shown = false;
            }
            Event::RunStarted(_) => {
                self.state.progress_since = Some(now);
                self.state.progress_from = 0;
                self.state.run_number += 1;
                self.state.cursor.follow_newest(0);
                self.state.lines_left.clear();
                self.state.origin = Origin::Worker;
            }
            Event::Branched(_) => {
                let left = self.view.run.as_ref().and_then(|run| run.tip());
                self.state.lines_left.extend(left);
                self.state.cursor.follow_newest(0);
            }
            _ => {}
        }
        // What is still on its way about a run that is on show no more is not about the one that is.
        if matches!(event, Event::PromptScored { .. }) && self.state.origin != Origin::Worker {
            return;
        }
        let followed = matches!(event, Event::Followed { .. });
        self.view.apply(event);
        if followed {
            self.take_awaited_place();
        }
    }

    /// What the worker did of what it was asked for.
    fn take_awaited(&mut self, event: &Event) {
        self.state.awaited = match event {
            Event::RunStarted(_) if self.state.awaited == Awaited::Start(Pace::SingleStep) => Awaited::Step,
            Event::RunStarted(_)
            | Event::Branched(_)
            | Event::Paused
            | Event::Resumed
            | Event::Finished { .. }
            | Event::LoadStarted { .. }
            | Event::LoadFailed
            | Event::Notice(Notice { severity: Severity::Error, .. }) => Awaited::Nothing,
            _ => self.state.awaited,
        };
    }

    /// The model of the run on show is gone: what was decoded stays, as a past run.
    fn leave_run(&mut self) {
        if self.view.run.is_some() && self.state.origin == Origin::Worker {
            self.state.origin = Origin::Past;
        }
    }

    fn take_dialog_answer(&mut self, ctx: &Context) {
        let Some(dialog) = &self.dialog else { return };
        let (wanted, answer) = (dialog.wanted, dialog.answer());
        let Some(answer) = answer else { return };
        self.dialog = None;
        match answer {
            Answer::Chosen(path) => match wanted {
                Wanted::Folder | Wanted::File => self.inspect(ModelSource::Path(path), ctx),
                Wanted::DraftFolder | Wanted::DraftFile => self.load_draft(path),
                // The dialog asked whether a file may go.
                Wanted::NewTrace => self.save_trace(path, true, ctx),
                Wanted::Trace => self.trace_work = Some(TraceWork::open(path, ctx)),
            },
            Answer::Closed => {}
            Answer::Unavailable => self.view.tell(Notice {
                severity: Severity::Information,
                title: "No file dialog on this desktop".to_owned(),
                detail: match wanted {
                    Wanted::Folder | Wanted::File | Wanted::Trace => {
                        "Type or paste the path into the field of “Open model…”, or drop the folder or file on the \
                         window."
                    }
                    Wanted::DraftFolder | Wanted::DraftFile => {
                        "Type or paste the draft model's path into the field below the strategy."
                    }
                    Wanted::NewTrace => "Type or paste the path into the field of “Save the trace”.",
                }
                .to_owned(),
            }),
        }
    }

    fn take_inspection(&mut self) {
        let Some(inspecting) = &self.inspecting else { return };
        let Some(answer) = inspecting.answer() else { return };
        let source = inspecting.source.clone();
        self.inspecting = None;
        match answer {
            Found::Model(card) => {
                self.state.open_shown = false;
                self.state.inspected = Some(Inspected { source, card: *card });
            }
            Found::Nothing(notice) => self.view.tell(notice),
            Found::Trace(outcome) => self.take_trace_outcome(outcome),
        }
    }

    fn take_trace_work(&mut self) {
        let Some(outcome) = self.trace_work.as_ref().and_then(TraceWork::outcome) else { return };
        self.trace_work = None;
        self.take_trace_outcome(outcome);
    }

    fn take_trace_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Told(notice) => self.view.tell(notice),
            Outcome::Saved(notice) => {
                self.state.save_shown = false;
                self.state.taken_path = None;
                self.view.tell(notice);
            }
            Outcome::Taken(path) => self.state.taken_path = Some(path),
            // A run that goes on is what the window shows; its steps must not end in another trace.
            Outcome::Opened(_) if self.view.has_live_run() => self.view.tell(Notice {
                severity: Severity::Information,
                title: "A run is under way".to_owned(),
                detail: "Stop it first (Esc), then open the trace.".to_owned(),
            }),
            Outcome::Opened(run) => {
                self.state.run_number += 1;
                self.state.cursor.follow_newest(0);
                self.state.open_shown = false;
                self.state.lines_left.clear();
                self.state.origin = Origin::File;
                self.view.run = Some(*run);
            }
        }
    }

    /// Writes the run on show to a file, on a thread of its own.
    fn save_trace(&mut self, path: PathBuf, replace: bool, ctx: &Context) {
        if let Some(run) = self.view.run.clone() {
            self.trace_work = Some(TraceWork::save(run, path, replace, ctx));
        }
    }

    /// Opens a file dialog, unless one is open.
    fn ask(&mut self, wanted: Wanted, ctx: &Context) {
        if self.dialog.is_none() {
            self.dialog = Some(Dialog::open(wanted, ctx));
        }
    }

    /// Turns Chat on for a model that was just opened and has a template. A model that is loaded again keeps what
    /// the person chose for it.
    fn offer_chat(&mut self, has_template: bool) {
        let opened = Some(&self.asked_for) != self.chat_offered_to.as_ref();
        self.chat_offered_to = Some(self.asked_for.clone());
        if opened && has_template && self.asked_for != ModelSource::BuiltIn {
            self.state.remembered.chat = true;
        }
    }

    fn load(&mut self, source: ModelSource) {
        self.asked_for = source.clone();
        self.worker.send(Command::Load(self.request(source, self.asked_context)));
    }

    /// A model, loaded as the person chose.
    fn request(&self, source: ModelSource, context: Option<usize>) -> LoadRequest {
        let Remembered { adapter, weights, cache, .. } = &self.state.remembered;
        LoadRequest { source, adapter: adapter.clone(), context, weights: *weights, cache: *cache }
    }

    /// Reads a model's headers; the answer comes in a later frame.
    fn inspect(&mut self, source: ModelSource, ctx: &Context) {
        let known = self.state.inspected.as_ref().is_some_and(|inspected| inspected.source == source);
        if !known {
            self.state.context = None;
        }
        self.inspecting = Some(Inspecting::start(self.request(source, self.state.context), ctx));
    }

    /// Takes a change of how models are loaded into account: for the one that is asked about, or for the open one.
    fn load_otherwise(&mut self, ctx: &Context) {
        match &self.state.inspected {
            Some(inspected) => self.inspect(inspected.source.clone(), ctx),
            None if self.view.loaded.is_some() => self.load(self.asked_for.clone()),
            None => {}
        }
    }

    /// The prompt as it would be run; `None` without a model.
    fn prompt(&self) -> Option<Prompt> {
        let has_template = self.view.loaded.as_ref()?.chat_problem.is_none();
        let remembered = &self.state.remembered;
        let special = if remembered.add_special { SpecialTokens::Add } else { SpecialTokens::Omit };
        let text = remembered.prompt.clone();
        let chat = remembered.chat && has_template;
        Some(if chat { Prompt::Chat(text) } else { Prompt::Text { text, special } })
    }

    /// Has the prompt counted when it changed, one count at a time and none while the worker decodes.
    fn count_prompt(&mut self) {
        if self.counting || self.view.status != Status::Ready {
            return;
        }
        let prompt = self.prompt();
        if prompt == self.counted {
            return;
        }
        self.counted = prompt.clone();
        if let Some(prompt) = prompt {
            self.counting = true;
            self.worker.send(Command::Count(prompt));
        }
    }

    /// Has the prompt of the run on show scored, once and after its initiation, if that is wanted: to colour it, or for
    /// the token that is selected.
    fn score_prompt(&mut self) {
        let State { remembered, cursor, origin, scored_run, run_number, .. } = &mut self.state;
        let wanted =
            cursor.prompt.is_some() || (remembered.prompt_scores && remembered.colouring.is_of_logits());
        let Some(run) = &self.view.run else { return };
        let can = *origin == Origin::Worker && self.view.loaded.is_some() && !run.line.is_empty();
        if wanted && can && *scored_run != Some(*run_number) && run.prompt.len() > 1 {
            *scored_run = Some(*run_number);
            self.worker.send(Command::ScorePrompt);
        }
    }

    fn start(&mut self, pace: Pace) {
        if matches!(self.state.awaited, Awaited::Start(_)) {
            return;
        }
        let Some(prompt) = self.prompt() else { return };
        let remembered = &self.state.remembered;
        let mut settings = remembered.decoding.clone().as_used();
        settings.stop.texts.retain(|text| !text.is_empty());
        self.state.wanted_tokens = settings.stop.max_tokens;
        self.state.awaited = Awaited::Start(pace);
        self.worker.send(Command::Start(RunRequest { prompt, settings, pace }));
    }

    fn run_or_resume(&mut self) {
        match self.view.status {
            Status::Paused => self.worker.send(Command::Resume),
            _ if !self.view.has_live_run() => self.start(Pace::Continuous),
            _ => {}
        }
    }

    fn perform(&mut self, ctx: &Context, action: Action) {
        let (prompt, count) = self.view.run.as_ref().map_or((0, 0), |run| (run.prompt.len(), run.line.len()));
        let cursor = &mut self.state.cursor;
        match action {
            Action::ShowOpen => {
                self.state.open_shown = !self.state.open_shown;
                self.state.focus_path = self.state.open_shown;
            }
            Action::PickFolder => self.ask(Wanted::Folder, ctx),
            Action::PickFile => self.ask(Wanted::File, ctx),
            Action::SaveTrace => self.state.save_shown = count > 0 && !self.state.save_shown,
            Action::SaveTo { path, replace } => self.save_trace(path, replace, ctx),
            Action::PickTracePlace => self.ask(Wanted::NewTrace, ctx),
            Action::OpenTrace => self.ask(Wanted::Trace, ctx),
            Action::Open(ModelSource::BuiltIn) => self.perform(ctx, Action::Load(ModelSource::BuiltIn)),
            Action::Open(source) => self.inspect(source, ctx),
            Action::Load(source) => {
                self.state.open_shown = false;
                let inspected = self.state.inspected.take();
                self.asked_context = inspected.and(self.state.context);
                self.load(source);
            }
            Action::ClearRecent => self.state.remembered.recent.clear(),
            Action::UseAdapter(adapter) => {
                self.state.remembered.adapter = adapter;
                self.load(self.asked_for.clone());
            }
            Action::UseWeights(weights) => {
                self.state.remembered.weights = weights;
                self.load_otherwise(ctx);
            }
            Action::UseContext(context) => {
                self.state.context = context;
                self.load_otherwise(ctx);
            }
            Action::UseCache(cache) => {
                self.state.remembered.cache = cache;
                self.load_otherwise(ctx);
            }
            Action::Run => {
                // The text that began it keeps the keyboard no longer: the arrows step through what comes.
                ctx.memory_mut(|memory| memory.stop_text_input());
                self.run_or_resume();
            }
            Action::Pause => self.worker.send(Command::Pause),
            Action::ToggleRun => match self.view.status {
                Status::Initiating { .. } | Status::Running => self.worker.send(Command::Pause),
                _ => self.run_or_resume(),
            },
            Action::StepOnce if self.state.awaited != Awaited::Nothing => {}
            Action::StepOnce => match self.view.status {
                Status::Paused => {
                    cursor.follow_newest(count);
                    self.state.awaited = Awaited::Step;
                    self.worker.send(Command::StepOnce);
                }
                Status::Initiating { .. } | Status::Running => self.worker.send(Command::Pause),
                _ => self.start(Pace::SingleStep),
            },
            Action::Stop if self.view.has_live_run() => self.worker.send(Command::Stop),
            Action::Stop => self.state.toasts.clear(),
            Action::Select(index) => cursor.select(index, count),
            Action::SelectPrompt(index) => cursor.select_prompt(index),
            Action::SelectPrevious => cursor.move_by(-1, prompt, count),
            Action::SelectNext => cursor.move_by(1, prompt, count),
            Action::SelectFirst => cursor.select(0, count),
            Action::SelectLast => cursor.follow_newest(count),
            Action::ToggleFollow => match cursor.follow {
                Follow::Newest => cursor.follow = Follow::Stay,
                Follow::Stay => cursor.follow_newest(count),
            },
            Action::Branch { node, token } => self.branch(node, token),
            Action::MoveCandidate(rows) => self.move_candidate(rows),
            Action::BranchSelected => self.branch_selected(),
            Action::UndoBranch => self.undo_branch(),
            Action::ShowNode(node) => self.show_node(node),
            Action::FollowLine(tip) => self.follow_line(tip),
            Action::PickDraftFolder => self.ask(Wanted::DraftFolder, ctx),
            Action::PickDraftFile => self.ask(Wanted::DraftFile, ctx),
            Action::LoadDraft(path) => self.load_draft(path),
            Action::DropDraft => self.worker.send(Command::DropDraft),
            Action::SetTheme(choice) => {
                self.state.remembered.theme = choice;
                self.apply_theme(ctx);
            }
            Action::ToggleInspector => self.state.remembered.inspector ^= true,
            Action::ToggleShortcuts => self.state.shortcuts_shown ^= true,
            Action::ToggleNotices => self.state.notices_shown ^= true,
            Action::Copy(text) => ctx.copy_text(text),
            Action::ResetAll => {
                self.state.remembered = Remembered::default();
                self.tree = dock::arrangement();
                ctx.memory_mut(|memory| *memory = egui::Memory::default());
                theme::install(ctx);
                self.apply_theme(ctx);
            }
        }
    }

    fn apply_theme(&self, ctx: &Context) {
        ctx.set_theme(match self.state.remembered.theme {
            ThemeChoice::System => ThemePreference::System,
            ThemeChoice::Light => ThemePreference::Light,
            ThemeChoice::Dark => ThemePreference::Dark,
        });
    }

    fn take_drops(&mut self, ctx: &Context) {
        let dropped =
            ctx.input(|input| input.raw.dropped_files.first().map(|file| PathBuf::from(file.path())));
        if let Some(path) = dropped {
            self.inspect(ModelSource::Path(path), ctx);
        }
    }

    /// Lets the keyboard's selection show although the pointer rests on another step.
    fn rest_pointer(&mut self, ctx: &Context, actions: &[Action]) {
        if ctx.input(|input| input.pointer.delta() != egui::Vec2::ZERO) {
            self.state.cursor.pointer = Pointer::Previews;
        }
        if !actions.is_empty() {
            self.state.cursor.pointer = Pointer::Rests;
        }
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.take_events(ctx);
        self.take_dialog_answer(ctx);
        self.take_inspection();
        self.take_trace_work();
        self.count_prompt();
        self.score_prompt();
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.take_drops(&ctx);
        let count = self.view.run.as_ref().map_or(0, |run| run.line.len());
        self.state.cursor.begin_frame(count);
        self.state.pointed_at = self.state.next_pointed_at.take();

        let mut actions = keyboard::from_keyboard(&ctx, &self.state);
        self.rest_pointer(&ctx, &actions);
        let Self { view, state, tree, .. } = self;
        layout::show(ui, &mut Scene { view, state, actions: &mut actions }, tree);
        self.state.typing = ctx.text_edit_focused();
        let cursor = &self.state.cursor;
        let previews = cursor.pointer == Pointer::Previews && cursor.next_preview != cursor.preview;
        if previews || self.state.next_pointed_at != self.state.pointed_at {
            ctx.request_repaint();
        }
        if !actions.is_empty() {
            ctx.request_repaint();
        }
        for action in actions {
            self.perform(&ctx, action);
        }
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, STORAGE_KEY, &self.state.remembered);
    }
}
