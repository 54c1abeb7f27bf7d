//! The window's frame: takes events in, lays the panels out, performs what the person asked for.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use egui::{Context, ThemePreference, Ui};

use super::action::Action;
use super::arrangement::{Place, Preset};
use super::asking::Asking;
use super::cursor::Pointer;
use super::dialog::Dialog;
use super::fetching::{Fetching, Finding};
use super::inspecting::Inspecting;
use super::keyboard;
use super::layout;
use super::looking::Looking;
use super::pacing::Pacing;
use super::pane::Pane;
use super::remembered::{Remembered, ThemeChoice};
use super::scene::Scene;
use super::state::{Awaited, Origin, State};
use super::theme;
use super::trace_files::FileWork;
use super::worker::Worker;
use crate::decoding::DecodingSettings;
use crate::hub::Settings;
use crate::library::Environment;
use crate::session::{
    BreakWhen, Command, Event, ModelSource, Notice, Pace, Prompt, ServerKeys, SessionKeys, Severity, Status,
    View, WAITS,
};
use crate::trace::StopReason;
use crate::trace::file::is_trace;

/// Where what is remembered is stored.
const STORAGE_KEY: &str = "remembered";

/// Where the arrangement of the panes is stored.
const ARRANGEMENT_KEY: &str = "arrangement";

/// Longest time that taking events in may use of a frame.
const DRAIN_BUDGET: Duration = Duration::from_millis(6);

/// The window.
pub struct App {
    pub(super) worker: Box<dyn Worker>,
    pub(super) view: View,
    pub(super) state: State,
    pub(super) tree: egui_tiles::Tree<Pane>,
    pub(super) dialog: Option<Dialog>,
    pub(super) file_work: Option<FileWork>,
    /// What draws the window; `None` where nothing of the kind does.
    pub(super) window_gpu: Option<eframe::egui_wgpu::RenderState>,
    pub(super) inspecting: Option<Inspecting>,
    /// Where models are looked for.
    pub(super) environment: Environment,
    pub(super) looking: Option<Looking>,
    /// The hub, where it is another one than the environment names.
    pub(super) hub: Option<Settings>,
    pub(super) finding: Option<Finding>,
    pub(super) fetching: Option<Fetching>,
    /// The question to a server that is open.
    pub(super) asking: Option<Asking>,
    /// Where keys of servers are kept.
    pub(super) server_keys: Arc<ServerKeys>,
    /// What the keyring says to a key that it is to forget.
    pub(super) forgetting: Option<Receiver<Result<(), String>>>,
    /// The model that is being loaded, to be remembered once it is ready.
    pub(super) asked_for: ModelSource,
    /// What the newest run was begun with.
    pub(super) begun_with: Option<(Prompt, DecodingSettings)>,
    /// The prompt that was counted last.
    pub(super) counted: Option<Prompt>,
    /// The conditions that the worker was told last.
    pub(super) told_breaks: BreakWhen,
    /// What the vocabulary was searched for last.
    pub(super) sought: String,
    /// Whether a prompt is being counted.
    pub(super) counting: bool,
    /// Positions that were allowed for it; `None` is its own context.
    pub(super) asked_context: Option<usize>,
    /// The model for which Chat was turned on, or not, when it was opened.
    pub(super) chat_offered_to: Option<ModelSource>,
    /// Whether nothing of this start is remembered, nor anything of earlier ones.
    forgets: bool,
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
        let arranged =
            creation.storage.and_then(|storage| eframe::get_value::<Place>(storage, ARRANGEMENT_KEY));
        let tree = arranged.map_or_else(|| Preset::Explore.tree(), |place| place.tree());
        let mut app = Self {
            worker,
            view: View::default(),
            state: State::new(remembered),
            tree,
            dialog: None,
            file_work: None,
            window_gpu: creation.wgpu_render_state.clone(),
            inspecting: None,
            environment: Environment::nothing(),
            looking: None,
            hub: None,
            finding: None,
            fetching: None,
            asking: None,
            server_keys: Arc::new(ServerKeys::new(SessionKeys::default())),
            forgetting: None,
            asked_for: initial.clone(),
            begun_with: None,
            counted: None,
            told_breaks: BreakWhen::default(),
            sought: String::new(),
            counting: false,
            asked_context: None,
            chat_offered_to: None,
            forgets: false,
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

    /// The same with everything as at the first start, of which nothing is remembered.
    pub fn as_at_first(mut self) -> Self {
        self.state = State::new(Remembered::default());
        self.state.is_safe = true;
        self.tree = Preset::Explore.tree();
        self.forgets = true;
        self
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
                self.sought.clear();
                self.leave_run();
                self.leave_earlier();
            }
            Event::LoadFailed => {
                self.leave_run();
                self.leave_earlier();
            }
            Event::Finished { stop, .. } if *stop != StopReason::Cancelled => self.state.ended_at = Some(now),
            Event::LanesFinished => self.state.ended_at = Some(now),
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
                match &self.asked_for {
                    ModelSource::Path(path) => self.state.remembered.remember_model(path.clone()),
                    ModelSource::Server(address) => {
                        self.state.remembered.remember_server(address.to_string());
                    }
                    ModelSource::BuiltIn | ModelSource::BuiltInDraft => {}
                }
                self.fit_strategy(loaded);
                self.offer_chat(loaded.chat_problem.is_none());
                self.state.cards.open = false;
                self.forget_open_problem();
            }
            Event::RunStarted(started) => {
                self.keep_before_run(now);
                self.leave_earlier();
                self.leave_lanes();
                self.state.progress_since = Some(now);
                self.state.progress_from = started.continued_positions;
                self.state.run_number += 1;
                self.state.cursor.follow_newest(0);
                self.state.lines_left.clear();
                self.state.origin = Origin::Worker;
                if std::mem::take(&mut self.state.asked_in_chat) {
                    self.state.answering_run = Some(self.state.run_number);
                }
            }
            // What was asked for does not begin: the question is there to be changed.
            Event::Notice(Notice { severity: Severity::Error, .. })
                if std::mem::take(&mut self.state.asked_in_chat) =>
            {
                let remembered = &mut self.state.remembered;
                if remembered.prompt.trim().is_empty()
                    && let Some(asked) = remembered.talk.take_back()
                {
                    remembered.prompt = asked;
                }
            }
            Event::Branched(_) => {
                let left = self.view.run.as_ref().and_then(|run| run.tip());
                self.state.lines_left.extend(left);
                self.state.cursor.follow_newest(0);
            }
            _ => {}
        }
        if matches!(event, Event::Paused | Event::Followed { .. } | Event::Branched(_) | Event::RunStarted(_))
        {
            self.state.row_asked = None;
        }
        // What is still on its way about a run that is on show no more is not about the one that is.
        if matches!(event, Event::PromptScored { .. }) && self.state.origin != Origin::Worker {
            return;
        }
        if matches!(event, Event::Resumed) {
            // That it waited is in the list; that it waits is not true any more.
            let view = &self.view;
            let waits = |toast: &super::state::Toast| {
                view.notice(toast.notice).is_some_and(|notice| notice.title == WAITS)
            };
            self.state.toasts.retain(|toast| !waits(toast));
        }
        let followed = matches!(event, Event::Followed { .. } | Event::LaneShown { .. });
        let (began, shown) =
            (matches!(event, Event::LanesStarted(_)), matches!(event, Event::LaneShown { .. }));
        let broke = matches!(event, Event::Broke(_));
        self.view.apply(event);
        if began {
            self.take_lanes();
        }
        if shown {
            self.turn_to_lane(Origin::Worker);
        }
        if broke {
            self.show_break();
        }
        self.show_awaited();
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
            | Event::LanesFinished
            | Event::LoadStarted { .. }
            | Event::LoadFailed
            | Event::Notice(Notice { severity: Severity::Error, .. }) => Awaited::Nothing,
            _ => self.state.awaited,
        };
    }

    /// The model of the run on show is gone: what was decoded stays, as a past run.
    fn leave_run(&mut self) {
        self.state.lanes_held = false;
        if self.view.run.is_some() && self.state.origin == Origin::Worker {
            self.state.origin = Origin::Past;
        }
    }

    pub(super) fn apply_theme(&self, ctx: &Context) {
        ctx.set_theme(match self.state.remembered.theme {
            ThemeChoice::System => ThemePreference::System,
            ThemeChoice::Light => ThemePreference::Light,
            ThemeChoice::Dark => ThemePreference::Dark,
        });
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
        self.listen_to_gpu(ctx);
        self.take_answer();
        self.take_dialog_answer(ctx);
        self.take_inspection(ctx);
        self.look_for_models(ctx);
        self.look_after_downloads(ctx);
        self.take_served();
        self.take_file_work(ctx);
        self.tell_breaks();
        self.find_tokens();
        self.foretell(ctx);
        self.look_ahead(ctx);
        self.read_row();
        self.count_prompt();
        self.score_prompt();
        self.look_on();
        self.time_on();
        self.map_cache();
        self.select_for_lesson(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.take_drops(&ctx);
        let count = self.view.run.as_ref().map_or(0, |run| run.line.len());
        self.state.cursor.begin_frame(count);
        self.state.pointed_at = self.state.next_pointed_at.take();
        self.state.pane_places.clear();
        let inside = &mut self.state.inside;
        inside.tint = inside.next_tint.take();

        let mut actions = keyboard::from_keyboard(&ctx, &self.state);
        self.rest_pointer(&ctx, &actions);
        let Self { view, state, tree, .. } = self;
        if egui::Popup::is_any_open(&ctx) {
            state.preset = Preset::of(tree);
        }
        layout::show(ui, &mut Scene { view, state, actions: &mut actions }, tree);
        if self.keep_edited_lane() {
            ctx.request_repaint();
        }
        self.state.typing = ctx.text_edit_focused();
        let cursor = &self.state.cursor;
        let previews = cursor.pointer == Pointer::Previews && cursor.next_preview != cursor.preview;
        let inside = &self.state.inside;
        let measuring = &self.state.measuring;
        let measures = measuring.profile_wanted.is_some();
        let tints = inside.next_tint != inside.tint || inside.wanted.is_some();
        if previews || tints || measures || self.state.next_pointed_at != self.state.pointed_at {
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
        if self.forgets {
            return;
        }
        self.state.remembered.downloads = self.state.downloads.unfinished();
        // What a lesson set is not the person's.
        let remembered = &self.state.remembered;
        match &self.state.lesson {
            Some(following) => {
                let own = following.restored(remembered, following.typed(remembered));
                eframe::set_value(storage, STORAGE_KEY, &own);
            }
            None => eframe::set_value(storage, STORAGE_KEY, remembered),
        }
        if let Some(place) = Place::of(&self.tree) {
            eframe::set_value(storage, ARRANGEMENT_KEY, &place);
        }
    }
}
