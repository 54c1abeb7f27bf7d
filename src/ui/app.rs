//! The window's frame: takes events in, lays the panels out, performs what the person asked for.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{CentralPanel, Context, Frame, Margin, Panel, ThemePreference, Ui};

use super::Scene;
use super::action::{self, Action};
use super::dialog::{Answer, Dialog, Wanted};
use super::dock::{self, Pane};
use super::panels::{inspector, notices, open, phases, prompt, shortcuts, timeline, top_bar};
use super::state::{CompactPane, Follow, Pointer, Remembered, State, ThemeChoice};
use super::theme::{self, palette, space};
use super::trace_files::{Outcome, TraceWork};
use super::widgets;
use super::worker::Worker;
use crate::session::command::SpecialTokens;
use crate::session::{
    Command, Event, LoadRequest, ModelSource, Notice, Pace, Prompt, RunRequest, Severity, Status, View,
};

/// Where what is remembered is stored.
const STORAGE_KEY: &str = "remembered";

/// Below this width, in points, the window shows one pane at a time and the run buttons in the top bar.
pub const NARROW: f32 = 820.0;

/// Longest time that taking events in may use of a frame.
const DRAIN_BUDGET: Duration = Duration::from_millis(6);

/// The window.
pub struct App {
    worker: Box<dyn Worker>,
    view: View,
    state: State,
    tree: egui_tiles::Tree<Pane>,
    dialog: Option<Dialog>,
    trace_work: Option<TraceWork>,
    /// The model that is being loaded, to be remembered once it is ready.
    asked_for: ModelSource,
}

/// How the window divides its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breadth {
    /// Prompt, centre, inspector side by side.
    Wide,
    /// Prompt beside one pane at a time.
    Medium,
    /// One pane at a time.
    Narrow,
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
            asked_for: initial.clone(),
        };
        app.apply_theme(&creation.egui_ctx);
        app.worker.send(Command::ListAdapters);
        app.load(initial);
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
        for notice in self.state.notices_seen..self.view.notices.len() {
            self.state.toasts.push(super::state::Toast { notice, born: now });
        }
        self.state.notices_seen = self.view.notices.len();
    }

    fn take(&mut self, event: Event, ctx: &Context) {
        let now = ctx.input(|input| input.time);
        match &event {
            Event::LoadStarted { .. } => self.state.progress_since = Some(now),
            Event::Loaded(_) => {
                if let ModelSource::Path(path) = &self.asked_for {
                    self.state.remembered.remember_model(path.clone());
                }
                self.state.open_shown = false;
            }
            Event::RunStarted(_) => {
                self.state.progress_since = Some(now);
                self.state.run_number += 1;
                self.state.cursor.follow_newest(0);
            }
            _ => {}
        }
        self.view.apply(event);
    }

    fn take_dialog_answer(&mut self, ctx: &Context) {
        let Some(dialog) = &self.dialog else { return };
        let (wanted, answer) = (dialog.wanted, dialog.answer());
        let Some(answer) = answer else { return };
        self.dialog = None;
        match answer {
            Answer::Chosen(path) => match wanted {
                Wanted::Folder | Wanted::File => self.load(ModelSource::Path(path)),
                Wanted::NewTrace => {
                    if let Some(run) = self.view.run.clone() {
                        self.trace_work = Some(TraceWork::save(run, path, ctx));
                    }
                }
                Wanted::Trace => self.trace_work = Some(TraceWork::open(path, ctx)),
            },
            Answer::Closed => {}
            Answer::Unavailable => self.view.notices.push(Notice {
                severity: Severity::Information,
                title: "No file dialog on this desktop".to_owned(),
                detail: match wanted {
                    Wanted::Folder | Wanted::File => {
                        "Paste the model's path into the field of “Open model…”, or drop the folder on the window."
                    }
                    Wanted::NewTrace | Wanted::Trace => {
                        "Install a desktop portal (such as xdg-desktop-portal-gtk), or save a trace with \
                         `logitscope generate --trace FILE`."
                    }
                }
                .to_owned(),
            }),
        }
    }

    fn take_trace_work(&mut self) {
        let Some(outcome) = self.trace_work.as_ref().and_then(TraceWork::outcome) else { return };
        self.trace_work = None;
        match outcome {
            Outcome::Told(notice) => self.view.notices.push(notice),
            // A run that goes on is what the window shows; its steps must not end in another trace.
            Outcome::Opened(_) if self.view.has_live_run() => {}
            Outcome::Opened(run) => {
                self.state.run_number += 1;
                self.state.cursor.follow_newest(0);
                self.state.open_shown = false;
                self.view.run = Some(*run);
            }
        }
    }

    /// Opens a file dialog, unless one is open.
    fn ask(&mut self, wanted: Wanted, ctx: &Context) {
        if self.dialog.is_none() {
            self.dialog = Some(Dialog::open(wanted, ctx));
        }
    }

    fn load(&mut self, source: ModelSource) {
        self.asked_for = source.clone();
        let adapter = self.state.remembered.adapter.clone();
        self.worker.send(Command::Load(LoadRequest { source, adapter, context: None }));
    }

    fn start(&mut self, pace: Pace) {
        if self.view.loaded.is_none() {
            return;
        }
        let remembered = &self.state.remembered;
        let mut settings = remembered.decoding.clone();
        settings.stop.texts.retain(|text| !text.is_empty());
        self.state.wanted_tokens = settings.stop.max_tokens;
        let special = if remembered.add_special { SpecialTokens::Add } else { SpecialTokens::Omit };
        self.worker.send(Command::Start(RunRequest {
            prompt: Prompt::Text { text: remembered.prompt.clone(), special },
            settings,
            pace,
        }));
    }

    fn perform(&mut self, ctx: &Context, action: Action) {
        let count = self.view.run.as_ref().map_or(0, |run| run.nodes.len());
        let cursor = &mut self.state.cursor;
        match action {
            Action::ShowOpen => self.state.open_shown = !self.state.open_shown,
            Action::PickFolder => self.ask(Wanted::Folder, ctx),
            Action::PickFile => self.ask(Wanted::File, ctx),
            Action::SaveTrace if count > 0 => self.ask(Wanted::NewTrace, ctx),
            Action::SaveTrace => {}
            Action::OpenTrace => self.ask(Wanted::Trace, ctx),
            Action::Open(source) => {
                self.state.open_shown = false;
                self.load(source);
            }
            Action::ClearRecent => self.state.remembered.recent.clear(),
            Action::UseAdapter(adapter) => {
                self.state.remembered.adapter = adapter;
                self.load(self.asked_for.clone());
            }
            Action::Run => match self.view.status {
                Status::Paused => self.worker.send(Command::Resume),
                _ if !self.view.has_live_run() => self.start(Pace::Continuous),
                _ => {}
            },
            Action::Pause => self.worker.send(Command::Pause),
            Action::ToggleRun => match self.view.status {
                Status::Initiating { .. } | Status::Running => self.worker.send(Command::Pause),
                _ => self.perform(ctx, Action::Run),
            },
            Action::StepOnce => match self.view.status {
                Status::Paused => {
                    cursor.follow_newest(count);
                    self.worker.send(Command::StepOnce);
                }
                Status::Initiating { .. } | Status::Running => self.worker.send(Command::Pause),
                _ => self.start(Pace::SingleStep),
            },
            Action::Stop => {
                if self.view.has_live_run() {
                    self.worker.send(Command::Stop);
                }
            }
            Action::Select(index) => cursor.select(index, count),
            Action::SelectPrevious => cursor.move_by(-1, count),
            Action::SelectNext => cursor.move_by(1, count),
            Action::SelectFirst => cursor.select(0, count),
            Action::SelectLast => cursor.follow_newest(count),
            Action::ToggleFollow => match cursor.follow {
                Follow::Newest => cursor.follow = Follow::Stay,
                Follow::Stay => cursor.follow_newest(count),
            },
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
            self.load(ModelSource::Path(path));
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

    fn lay_out(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let size = ui.available_size();
        let breadth = match size.x {
            x if x >= 1080.0 => Breadth::Wide,
            x if x >= NARROW => Breadth::Medium,
            _ => Breadth::Narrow,
        };
        let low = size.y < 600.0;
        let Self { view, state, tree, .. } = self;
        let scene = &mut Scene { view, state, actions };
        let frame = |x: f32, y: f32| {
            let margin = Margin::symmetric(x as i8, y as i8);
            Frame::new().fill(palette(ui).surface).inner_margin(margin)
        };
        let (bar, edge, bare) = (frame(space::M, 0.0), frame(space::L, space::M), frame(0.0, 0.0));

        Panel::top("top bar").exact_size(48.0).frame(bar).show(ui, |ui| top_bar::show(ui, scene));
        let height = if low { 44.0 } else { 56.0 };
        Panel::top("phases").exact_size(height).frame(bare).show(ui, |ui| phases::show(ui, scene));
        let height = if low { 84.0 } else { 124.0 };
        Panel::bottom("timeline").exact_size(height).frame(bare).show(ui, |ui| timeline::show(ui, scene));

        if breadth != Breadth::Narrow {
            Panel::left("prompt")
                .default_size(288.0)
                .size_range(248.0..=420.0)
                .frame(bare)
                .show(ui, |ui| prompt::show(ui, scene));
        }
        if breadth == Breadth::Wide && scene.state.remembered.inspector {
            Panel::right("inspector")
                .default_size(304.0)
                .size_range(256.0..=440.0)
                .frame(edge)
                .show(ui, |ui| inspector::show(ui, scene));
        }
        CentralPanel::default().frame(bare).show(ui, |ui| match breadth {
            Breadth::Wide => dock::show(ui, tree, scene),
            Breadth::Medium => {
                compact(ui, scene, &[CompactPane::Text, CompactPane::Pipeline, CompactPane::Step])
            }
            Breadth::Narrow => compact(
                ui,
                scene,
                &[CompactPane::Prompt, CompactPane::Text, CompactPane::Pipeline, CompactPane::Step],
            ),
        });
        open::show(ui, scene);
        shortcuts::show(ui, scene);
        notices::show(ui, scene);
        drop_hint(ui);
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.take_events(ctx);
        self.take_dialog_answer(ctx);
        self.take_trace_work();
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.take_drops(&ctx);
        let count = self.view.run.as_ref().map_or(0, |run| run.nodes.len());
        self.state.cursor.begin_frame(count);

        let mut actions = action::from_keyboard(&ctx, &self.state);
        self.rest_pointer(&ctx, &actions);
        self.lay_out(ui, &mut actions);
        self.state.typing = ctx.text_edit_focused();
        let cursor = &self.state.cursor;
        if cursor.pointer == Pointer::Previews && cursor.next_preview != cursor.preview {
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

/// One pane at a time, chosen above it.
fn compact(ui: &mut Ui, scene: &mut Scene<'_>, panes: &[CompactPane]) {
    let name = |pane: CompactPane| match pane {
        CompactPane::Prompt => "Prompt",
        CompactPane::Text => "Text",
        CompactPane::Pipeline => "Pipeline",
        CompactPane::Step => "Step",
    };
    if !panes.contains(&scene.state.compact_pane) {
        scene.state.compact_pane = CompactPane::Text;
    }
    let choices: Vec<_> = panes.iter().map(|&pane| (pane, name(pane))).collect();
    Frame::new().inner_margin(Margin::symmetric(12, 6)).show(ui, |ui| {
        if let Some(pane) = widgets::segmented(ui, scene.state.compact_pane, &choices) {
            scene.state.compact_pane = pane;
        }
    });
    match scene.state.compact_pane {
        CompactPane::Prompt => prompt::show(ui, scene),
        CompactPane::Text => dock::pane(ui, Pane::Text, scene),
        CompactPane::Pipeline => dock::pane(ui, Pane::Pipeline, scene),
        CompactPane::Step => {
            Frame::new().inner_margin(Margin::symmetric(16, 8)).show(ui, |ui| inspector::show(ui, scene));
        }
    }
}

/// What a file over the window would do.
fn drop_hint(ui: &Ui) {
    let hovering = ui.input(|input| !input.raw.hovered_files.is_empty());
    if !hovering {
        return;
    }
    let palette = palette(ui);
    let screen = ui.ctx().content_rect();
    let painter =
        ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
    painter.rect_filled(screen, 0.0, palette.window.gamma_multiply(0.8));
    let card = screen.shrink(space::XL);
    painter.rect_stroke(card, 12.0, egui::Stroke::new(2.0, palette.accent), egui::StrokeKind::Inside);
    painter.text(
        screen.center(),
        egui::Align2::CENTER_CENTER,
        "Drop to open this model",
        theme::semibold(theme::size::DISPLAY),
        palette.text,
    );
}
