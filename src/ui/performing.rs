//! What becomes of each action.

use egui::Context;

use super::action::Action;
use super::app::App;
use super::arrangement::{self, Preset};
use super::cards::Palette;
use super::connect_card::ConnectAction;
use super::cursor::Follow;
use super::dialog::Wanted;
use super::get_card::GetAction;
use super::pane::CompactPane;
use super::remembered::Remembered;
use super::state::Awaited;
use super::theme;
use crate::problems;
use crate::session::{Command, ModelSource, Pace, Status};

/// How small and how large everything may be made.
const LEAST_ZOOM: f32 = 0.6;
const MOST_ZOOM: f32 = 2.5;

impl App {
    pub(super) fn perform(&mut self, ctx: &Context, action: Action) {
        let (prompt, count) = self.view.run.as_ref().map_or((0, 0), |run| (run.prompt.len(), run.line.len()));
        let cursor = &mut self.state.cursor;
        match action {
            Action::ShowOpen => {
                self.state.cards.open = !self.state.cards.open;
                self.state.cards.open_problem = None;
                self.state.cards.focus_search = self.state.cards.open;
                self.state.cards.shelf.start_anew();
                if self.state.cards.open {
                    self.look_again();
                }
            }
            Action::PickFolder => self.ask(Wanted::Folder, ctx),
            Action::PickFile => self.ask(Wanted::File, ctx),
            Action::PickLibraryFolder => self.ask(Wanted::LibraryFolder, ctx),
            Action::ForgetLibraryFolder(folder) => self.forget_library_folder(&folder),
            Action::Get(action) => self.perform_on_hub(action, ctx),
            Action::Connect(action) => self.perform_on_servers(action, ctx),
            Action::Export(export) if self.state.cards.saving == Some(export) => {
                self.state.cards.saving = None
            }
            Action::Export(export) => self.show_export(export),
            Action::SaveTo { export, path, replace } => self.export(export, path, replace, ctx),
            Action::PickPlace(export) => self.ask(Wanted::New(export), ctx),
            Action::ShowPane(pane) => {
                arrangement::show(&mut self.tree, pane);
                self.state.compact_pane = CompactPane::Pane(pane);
            }
            Action::OpenTrace => self.ask(Wanted::Trace, ctx),
            Action::Open(source @ (ModelSource::BuiltIn | ModelSource::Server(_))) => {
                self.perform(ctx, Action::Load(source));
            }
            Action::Open(source) => self.inspect(source, ctx),
            Action::Load(source) => {
                (self.state.cards.open, self.state.cards.connect.shows) = (false, false);
                let inspected = self.state.cards.inspected.take();
                self.asked_context = inspected.and(self.state.cards.context);
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
                self.state.cards.context = context;
                self.load_otherwise(ctx);
            }
            Action::UseCache(cache) => {
                self.state.remembered.cache = cache;
                self.load_otherwise(ctx);
            }
            Action::UseGpuMemory(bytes) => {
                self.state.remembered.gpu_memory = bytes;
                self.inspect_again(ctx);
            }
            Action::InspectLoaded if matches!(self.asked_for, ModelSource::Server(_)) => {
                self.state.cards.connect.shows = false;
                self.perform_on_servers(ConnectAction::Show, ctx);
            }
            Action::InspectLoaded => {
                self.inspect_with(self.asked_for.clone(), self.asked_context, ctx);
            }
            Action::Run => {
                // The text that began it keeps the keyboard no longer: the arrows step through what comes.
                ctx.memory_mut(|memory| memory.stop_text_input());
                self.run_or_resume();
            }
            Action::Send => self.run_or_resume(),
            Action::Pause => self.worker.send(Command::Pause),
            Action::ToggleRun => match self.view.status {
                Status::Initiating { .. } | Status::Running => self.worker.send(Command::Pause),
                _ if self.has_just_ended(ctx) => {}
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
                _ if self.is_at_its_end() => self.tell_end(),
                _ => self.start(Pace::SingleStep),
            },
            Action::StepAnew => self.start(Pace::SingleStep),
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
            Action::Undo => self.undo(),
            Action::BringBack(what) => self.bring_back(what),
            Action::ShowNode(node) => self.show_node(node),
            Action::FollowLine(tip) => self.follow_line(tip),
            Action::PickDraftFolder => self.ask(Wanted::DraftFolder, ctx),
            Action::PickDraftFile => self.ask(Wanted::DraftFile, ctx),
            Action::LoadDraft(path) => self.load_draft(ModelSource::Path(path)),
            Action::LoadBuiltInDraft => self.load_draft(ModelSource::BuiltInDraft),
            Action::DropDraft => self.worker.send(Command::DropDraft),
            Action::Lane(action) => self.perform_on_lanes(action),
            Action::Second(action) => self.perform_on_second(action, ctx),
            Action::TogglePin(token) => self.toggle_pin(token),
            Action::SetTheme(choice) => {
                self.state.remembered.theme = choice;
                self.apply_theme(ctx);
            }
            Action::ToggleInspector => self.state.remembered.inspector ^= true,
            Action::UseStrategy(strategy) => self.state.remembered.decoding.strategy = strategy,
            Action::UseColouring(colouring) => self.state.remembered.colouring = colouring,
            Action::ToggleChat => self.state.remembered.chat ^= true,
            Action::NewConversation => {
                self.keep_talk(ctx.input(|input| input.time));
                self.state.remembered.talk.begin_anew();
            }
            Action::AskAnew(turn) => {
                self.keep_talk(ctx.input(|input| input.time));
                let remembered = &mut self.state.remembered;
                if let Some(asked) = remembered.talk.back_to(turn) {
                    remembered.prompt = asked;
                }
            }
            Action::Zoom(0) => ctx.set_zoom_factor(1.0),
            Action::Zoom(steps) => {
                let factor = ctx.zoom_factor() + 0.1 * f32::from(steps);
                ctx.set_zoom_factor(factor.clamp(LEAST_ZOOM, MOST_ZOOM));
            }
            Action::Arrange(preset) => {
                self.tree = preset.tree();
                self.state.remembered.inspector = preset.inspector();
            }
            Action::ResetArrangement => self.tree = Preset::Explore.tree(),
            Action::TogglePalette => {
                let cards = &mut self.state.cards;
                cards.palette = if cards.palette.is_some() { None } else { Some(Palette::default()) };
            }
            Action::ShowProblem => {
                self.state.cards.shortcuts = false;
                self.state.cards.problem = Some(problems::newest());
                self.worker.send(Command::DescribeAdapters);
            }
            Action::ToggleShortcuts => self.state.cards.shortcuts ^= true,
            Action::ToggleLessons => self.state.cards.lessons ^= true,
            Action::BeginLesson(lesson) => self.begin_lesson(ctx, lesson),
            Action::PickLesson => self.ask(Wanted::Lesson, ctx),
            Action::GoInLesson(towards) => self.go_in_lesson(ctx, towards),
            Action::ArriveInLesson(towards, keeps) => self.arrive_in_lesson(ctx, towards, keeps),
            Action::RunLessonStep => self.run_lesson_step(ctx),
            Action::ToggleNotices => self.state.cards.notices ^= true,
            Action::LookInside(target) => self.look_inside(target),
            Action::Compare => self.worker.send(Command::Compare),
            Action::EndComparison => self.worker.send(Command::EndComparison),
            Action::Profile(node) => self.profile(node),
            Action::Copy(text) => ctx.copy_text(text),
            Action::ResetAll => {
                self.state.lesson = None;
                self.state.remembered = Remembered::default();
                self.perform_on_hub(GetAction::Forbid, ctx);
                self.tree = Preset::Explore.tree();
                ctx.memory_mut(|memory| *memory = egui::Memory::default());
                theme::install(ctx);
                self.apply_theme(ctx);
            }
        }
    }
}
