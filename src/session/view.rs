//! What a watcher of the worker knows: the events so far, folded into one state.

use std::sync::Arc;

use super::break_when::Break;
use super::comparison::{Comparison, DeviceLimits, Profiled};
use super::event::{BrokenAdapter, Event, Loaded, Notice, Peeked, PinnedToken, Probed, RunUpdate, WholeRow};
use super::lane_runs::LaneRuns;
use super::loading_beside::LoadingBeside;
use super::second::SecondView;
use crate::gpu::{LoadPart, Share};
use crate::model::profiling::CacheMap;
use crate::trace::{AdapterFacts, ModelFacts, Run, Token};

/// The worker's state as its events tell it.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// What the worker is doing.
    pub status: Status,
    /// The adapters found, once asked for.
    pub adapters: Vec<AdapterFacts>,
    /// Those of them that turned out not to work.
    pub broken_adapters: Vec<BrokenAdapter>,
    /// All about the adapters for a person, line by line, once that was asked for.
    pub adapters_described: Option<String>,
    /// The model that is ready.
    pub loaded: Option<Box<Loaded>>,
    /// The draft model that is ready.
    pub draft: Option<ModelFacts>,
    /// The draft model that is being loaded.
    pub draft_loading: Option<LoadingBeside>,
    /// The second model, and what it says of the first lane's text.
    pub second: SecondView,
    /// Whether the model's own drafting head is being loaded.
    pub head_loading: bool,
    /// Tokens of the prompt that was counted last; `None` before the first, and where it cannot be tokenised.
    pub prompt_tokens: Option<usize>,
    /// The tokens that are pinned.
    pub pinned: Vec<PinnedToken>,
    /// What was looked for in the vocabulary last, and what was found.
    pub found: Option<(String, Vec<Token>)>,
    /// What looking ahead found last.
    pub peeked: Option<Peeked>,
    /// How the vocabulary is spelled, by id; empty until a row was asked for.
    pub vocabulary: Arc<[String]>,
    /// All logits of the step that was asked for last.
    pub row: Option<Arc<WholeRow>>,
    /// The run that goes on or was last; it outlives its model.
    pub run: Option<Arc<Run>>,
    /// The runs beside it, where several go on side by side.
    pub lanes: LaneRuns,
    /// What the last look inside a pass of the run found.
    pub probed: Option<Box<Probed>>,
    /// The newest run's text with and without the KV cache, as far as it was measured.
    pub comparison: Option<Comparison>,
    /// What the device can do at most, or why that is not known; `None` until it was measured.
    pub limits: Option<Result<DeviceLimits, String>>,
    /// What the ops of a step of the run take, as measured last.
    pub profiled: Option<Box<Profiled>>,
    /// What lies in the cache, as told last.
    pub cache: Option<Arc<CacheMap>>,
    /// Where and why the run paused by itself, while it waits there.
    pub broke: Option<Break>,
    /// How far the newest run's initiation is, also while it is paused.
    pub initiation: Initiation,
    /// What the user was told last, oldest first: [`MOST_NOTICES`] at most.
    pub notices: Vec<Notice>,
    /// How many older notices there were, which are forgotten.
    pub forgotten: usize,
}

/// Most notices that are kept.
pub const MOST_NOTICES: usize = 200;

/// How far an initiation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Initiation {
    /// Prompt tokens done.
    pub done: usize,
    /// Prompt tokens in all.
    pub total: usize,
}

/// What the worker is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Status {
    /// No model, nothing to do.
    #[default]
    Empty,
    /// A model is being loaded.
    Loading {
        /// The model's name.
        name: String,
        /// What is being done.
        part: LoadPart,
        /// How much of that is done.
        share: Share,
    },
    /// A model is ready and no run goes on.
    Ready,
    /// The prompt goes through the decoder.
    Initiating {
        /// Prompt tokens done.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
    },
    /// Step follows step.
    Running,
    /// The run waits for a step or for going on.
    Paused,
}

impl View {
    /// Takes one event in.
    pub fn apply(&mut self, event: Event) {
        self.leave_break(&event);
        match event {
            Event::Adapters(adapters) => self.adapters = adapters,
            Event::BrokenAdapters(broken) => self.broken_adapters = broken,
            Event::AdaptersDescribed(text) => self.adapters_described = Some(text),
            Event::LoadStarted { name } => {
                self.loaded = None;
                (self.found, self.row) = (None, None);
                self.vocabulary = Arc::default();
                self.pinned.clear();
                (self.comparison, self.limits, self.profiled, self.cache) = (None, None, None, None);
                self.status = Status::Loading { name, part: LoadPart::default(), share: Share::default() };
            }
            Event::LoadProgress { part, share } => {
                if let Status::Loading { part: p, share: s, .. } = &mut self.status {
                    (*p, *s) = (part, share);
                }
            }
            Event::Loaded(loaded) => {
                self.loaded = Some(loaded);
                self.status = Status::Ready;
            }
            Event::LoadFailed => {
                self.loaded = None;
                self.status = Status::Empty;
            }
            Event::DraftLoadStarted { name } => {
                self.draft = None;
                self.draft_loading = Some(LoadingBeside { name, ..LoadingBeside::default() });
            }
            Event::DraftLoadProgress { part, share } => {
                if let Some(loading) = &mut self.draft_loading {
                    (loading.part, loading.share) = (part, share);
                }
            }
            Event::DraftLoaded(facts) => {
                self.draft = Some(*facts);
                self.draft_loading = None;
            }
            Event::DraftDropped => {
                self.draft = None;
                self.draft_loading = None;
            }
            Event::Second(event) => self.second.apply(event),
            Event::HeadLoadStarted => self.head_loading = true,
            Event::HeadLoadEnded => self.head_loading = false,
            Event::Counted { tokens } => self.prompt_tokens = tokens,
            Event::Pinned(pinned) => {
                self.pinned = pinned;
                self.note_pins();
            }
            Event::Vocabulary(pieces) => self.vocabulary = pieces,
            Event::Row(row) => self.row = Some(row),
            Event::Peeked(peeked) => self.peeked = Some(peeked),
            Event::FoundTokens { query, tokens } => self.found = Some((query, tokens)),
            Event::RunStarted(started) => {
                self.forget_looks();
                self.lanes = LaneRuns::default();
                self.second.forget();
                self.initiation = Initiation { done: 0, total: started.prompt.len() };
                self.status = self.under_way();
                self.cache = None;
                let facts = self.loaded.as_deref();
                let (model, adapter) =
                    facts.map(|loaded| (loaded.model.clone(), loaded.adapter.clone())).unwrap_or_default();
                self.run = Some(Arc::new(started.run(model, adapter)));
                self.note_pins();
            }
            Event::InitiationProgress { done, total } => {
                self.initiation = Initiation { done, total };
                self.status = Status::Initiating { done, total };
            }
            Event::PromptScored { first, scores } => {
                let prompt = self.run_mut().map(|run| &mut run.prompt[..]).unwrap_or_default();
                for (token, score) in prompt.iter_mut().skip(first).zip(scores) {
                    token.expectation = Some(score);
                }
            }
            Event::Stepped(stepped) => {
                if matches!(self.status, Status::Initiating { .. }) {
                    self.status = Status::Running;
                }
                self.take_step(*stepped);
            }
            Event::Branched(branched) => {
                self.status = Status::Running;
                if let Some(run) = self.run_mut() {
                    run.stop = None;
                }
                self.take_step(*branched);
            }
            Event::Followed { tip, stop } => {
                if let Some(run) = self.run_mut().filter(|run| tip < run.nodes.len()) {
                    run.follow(Some(tip));
                    run.stop = stop;
                }
                if stop.is_some() {
                    self.status = self.at_rest();
                }
            }
            Event::Probed(probed) => self.probed = Some(probed),
            Event::ComparisonStarted { tip, prompt, tokens } => {
                self.comparison = Some(Comparison { tip, prompt, tokens, ..Comparison::default() });
            }
            Event::Compared(step) => {
                if let Some(comparison) = &mut self.comparison {
                    comparison.steps.push(step);
                }
            }
            Event::ComparisonEnded => {
                if let Some(comparison) = &mut self.comparison {
                    comparison.ended = true;
                }
            }
            Event::DeviceMeasured(limits) => self.limits = Some(limits),
            Event::Profiled(profiled) => self.profiled = Some(profiled),
            Event::CacheMapped(map) => self.cache = Some(map),
            Event::Broke(broke) => self.broke = Some(broke),
            Event::Paused => self.status = Status::Paused,
            Event::Resumed => {
                let begun = self.run.as_ref().is_some_and(|run| !run.line.is_empty());
                self.status = if begun { Status::Running } else { self.under_way() };
            }
            Event::Finished { stop, phases } => {
                self.status = self.at_rest();
                if let Some(run) = self.run_mut() {
                    run.stop = Some(stop);
                    run.phases = phases;
                }
            }
            Event::LanesStarted(others) => {
                if let Some(first) = &self.run {
                    self.lanes = LaneRuns::begin(first, others);
                }
            }
            Event::PromptShared { lanes, positions, figures } => {
                self.lanes.shared = figures;
                for lane in lanes {
                    if let Some(run) = self.lanes.run_mut(lane, &mut self.run) {
                        run.continued_positions = positions;
                    }
                }
            }
            Event::LaneStepped { lane, update } => {
                if let Some(run) = self.lanes.run_mut(lane, &mut self.run) {
                    update.append_to(run);
                }
            }
            Event::LaneFinished { lane, stop, phases } => {
                if let Some(run) = self.lanes.run_mut(lane, &mut self.run) {
                    (run.stop, run.phases) = (Some(stop), phases);
                }
            }
            Event::LanesFinished => self.status = self.at_rest(),
            Event::LaneShown { lane } => self.show_lane(lane),
            Event::Notice(notice) => self.tell(notice),
        }
    }

    /// Forgets why the run paused once it does something else.
    fn leave_break(&mut self, event: &Event) {
        let leaves = matches!(
            event,
            Event::RunStarted(_)
                | Event::Stepped(_)
                | Event::Branched(_)
                | Event::Followed { .. }
                | Event::Resumed
                | Event::Finished { .. }
                | Event::LanesFinished
                | Event::LaneShown { .. }
                | Event::LoadStarted { .. }
                | Event::LoadFailed
        );
        if leaves {
            self.broke = None;
        }
    }

    /// The run, to be changed; it is copied where someone else still reads it, such as a thread that writes a file.
    fn run_mut(&mut self) -> Option<&mut Run> {
        self.run.as_mut().map(Arc::make_mut)
    }

    /// Keeps the pinned tokens' spellings with the run, if it is one of the model that is open.
    fn note_pins(&mut self) {
        let (Some(run), Some(loaded)) = (self.run.as_mut().map(Arc::make_mut), &self.loaded) else { return };
        if run.model != loaded.model {
            return;
        }
        for PinnedToken { token, .. } in &self.pinned {
            if !run.pinned.contains(token) {
                run.pinned.push(token.clone());
            }
        }
    }

    /// Keeps a notice, and forgets those that are too many.
    pub fn tell(&mut self, notice: Notice) {
        self.notices.push(notice);
        let extra = self.notices.len().saturating_sub(MOST_NOTICES);
        self.notices.drain(..extra);
        self.forgotten += extra;
    }

    /// A notice by its number among all that there were, from 0, if it is kept.
    pub fn notice(&self, number: usize) -> Option<&Notice> {
        self.notices.get(number.checked_sub(self.forgotten)?)
    }

    /// How many notices there were in all.
    pub fn told(&self) -> usize {
        self.forgotten + self.notices.len()
    }

    /// The status of an initiation that goes on.
    fn under_way(&self) -> Status {
        let Initiation { done, total } = self.initiation;
        Status::Initiating { done, total }
    }

    /// How far initiation is while it is not over, paused or not.
    pub fn initiating(&self) -> Option<Initiation> {
        let begun = self.run.as_ref().is_some_and(|run| !run.line.is_empty());
        match self.status {
            Status::Initiating { .. } => Some(self.initiation),
            Status::Paused if !begun => Some(self.initiation),
            _ => None,
        }
    }

    /// The status when no run goes on.
    fn at_rest(&self) -> Status {
        if self.loaded.is_some() { Status::Ready } else { Status::Empty }
    }

    fn take_step(&mut self, stepped: RunUpdate) {
        if let Some(run) = self.run_mut() {
            stepped.append_to(run);
        }
    }

    /// The run of a lane.
    pub fn lane(&self, lane: usize) -> Option<&Run> {
        self.lanes.run(lane, self.run.as_deref())
    }

    /// Lets a lane's run be the one on show.
    pub fn show_lane(&mut self, lane: usize) {
        if self.lanes.shown() != Some(lane) {
            self.lanes.show(lane, &mut self.run);
            self.forget_looks();
            self.note_pins();
        }
    }

    /// Shows a run that is no lane, such as a saved one; lanes stay.
    pub fn show_run(&mut self, run: Arc<Run>) {
        self.lanes.put_away(&mut self.run);
        self.run = Some(run);
    }

    /// Shows a run again, with the lanes beside it.
    pub fn show_again(&mut self, run: Arc<Run>, lanes: LaneRuns) {
        (self.run, self.lanes) = (Some(run), lanes);
        self.forget_looks();
        self.second.forget();
    }

    /// Forgets what was looked for in the run on show.
    fn forget_looks(&mut self) {
        (self.peeked, self.row, self.probed) = (None, None, None);
        (self.comparison, self.profiled) = (None, None);
    }

    /// Whether a run goes on, paused or not.
    pub fn has_live_run(&self) -> bool {
        matches!(self.status, Status::Initiating { .. } | Status::Running | Status::Paused)
    }
}
