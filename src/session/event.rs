//! What the worker reports: a closed list, in the order in which things happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::break_when::Break;
use super::command::ProbeTarget;
use super::comparison::{ComparedStep, DeviceLimits, Profiled};
use super::second::SecondEvent;
use crate::formats::GenerationDefaults;
use crate::gpu::{LoadPart, Share};
use crate::model::Probe;
use crate::model::profiling::CacheMap;
use crate::servers::ServerFacts;
use crate::tokenizer::chat::Switch;
use crate::trace::{
    AdapterFacts, Expectation, LongRope, ModelFacts, Node, PhaseFigures, Phases, PromptToken,
    ReturnedSequence, Run, StepInput, StopReason, StrategyKind, StrategyStep, Token,
};

/// A report from the worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The adapters found.
    Adapters(Vec<AdapterFacts>),
    /// Those of the adapters that turned out not to work.
    BrokenAdapters(Vec<BrokenAdapter>),
    /// All about the adapters for a person, line by line.
    AdaptersDescribed(String),
    /// A model is being loaded; the previous one is gone.
    LoadStarted {
        /// The name of the model being loaded.
        name: String,
    },
    /// Loading it went on.
    LoadProgress {
        /// What is being done.
        part: LoadPart,
        /// How much of that is done.
        share: Share,
    },
    /// The model is ready.
    Loaded(Box<Loaded>),
    /// There is no model now; the notice before says why.
    LoadFailed,
    /// A draft model is being loaded; the one before it is gone.
    DraftLoadStarted {
        /// Its name.
        name: String,
    },
    /// Loading the draft model went on.
    DraftLoadProgress {
        /// What is being done.
        part: LoadPart,
        /// How much of that is done.
        share: Share,
    },
    /// The draft model is ready: speculative runs that begin from now on draft with it.
    DraftLoaded(Box<ModelFacts>),
    /// The model's own drafting head is being loaded.
    HeadLoadStarted,
    /// That ended: the run that needs it begins, or a notice says why not.
    HeadLoadEnded,
    /// There is no draft model now: it was dropped, or a notice before says why it could not be loaded.
    DraftDropped,
    /// Something happened to the second model.
    Second(SecondEvent),
    /// A prompt was counted.
    Counted {
        /// Its tokens, special ones included; `None` where it cannot be tokenised.
        tokens: Option<usize>,
    },
    /// These tokens are pinned now, those that pin themselves first.
    Pinned(Vec<PinnedToken>),
    /// What was looked for in the vocabulary.
    FoundTokens {
        /// What was asked.
        query: String,
        /// The first of the tokens that fit, the closest ones before the others.
        tokens: Vec<Token>,
    },
    /// What was found so far by looking ahead.
    Peeked(Peeked),
    /// How the model's vocabulary is spelled, by id; sent before its first row.
    Vocabulary(Arc<[String]>),
    /// All logits of a step.
    Row(Arc<WholeRow>),
    /// A run begins: its prompt is tokenised.
    RunStarted(Box<RunStarted>),
    /// More of the prompt went through the decoder.
    InitiationProgress {
        /// Prompt tokens done.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
    },
    /// It is known what the model expected in the place of some of the prompt's tokens.
    PromptScored {
        /// Index of the first of them in the prompt.
        first: usize,
        /// One for each, in order.
        scores: Vec<Expectation>,
    },
    /// The strategy made a step.
    Stepped(Box<RunUpdate>),
    /// A person chose another token: the run goes on from there.
    Branched(Box<RunUpdate>),
    /// The run's text is another line of its tree.
    Followed {
        /// The line's last node.
        tip: usize,
        /// Why that line ended; `None` if it can go on.
        stop: Option<StopReason>,
    },
    /// A look inside a pass.
    Probed(Box<Probed>),
    /// The newest run's text goes through the decoder with the KV cache and without it.
    ComparisonStarted {
        /// The text's last token: an index in [`crate::trace::Run::nodes`].
        tip: usize,
        /// Prompt tokens.
        prompt: usize,
        /// New tokens.
        tokens: usize,
    },
    /// One more step of that.
    Compared(ComparedStep),
    /// No more steps come.
    ComparisonEnded,
    /// What the device can do at most, or why that is not known.
    DeviceMeasured(Result<DeviceLimits, String>),
    /// What the ops of a step take.
    Profiled(Box<Profiled>),
    /// What lies in the cache.
    CacheMapped(Arc<CacheMap>),
    /// A condition held at the newest token of the line: the run pauses next.
    Broke(Break),
    /// The run waits.
    Paused,
    /// The run goes on.
    Resumed,
    /// The run ended.
    Finished {
        /// Why.
        stop: StopReason,
        /// What each phase took.
        phases: Phases,
    },
    /// Runs go on side by side: the one that just began is the first lane, and these are the others.
    LanesStarted(Vec<RunStarted>),
    /// The beginning of the prompt was computed for several lanes at once.
    PromptShared {
        /// The lanes that begin with it.
        lanes: Vec<usize>,
        /// How many of the prompt's tokens, from the first on, that is.
        positions: usize,
        /// Token rows, and seconds by the clock.
        figures: PhaseFigures,
    },
    /// A lane that is not on show made a step.
    LaneStepped {
        /// The lane.
        lane: usize,
        /// What came to its trace.
        update: Box<RunUpdate>,
    },
    /// A lane ended; others may go on.
    LaneFinished {
        /// The lane.
        lane: usize,
        /// Why.
        stop: StopReason,
        /// What each phase took.
        phases: Phases,
    },
    /// All lanes have ended.
    LanesFinished,
    /// Another lane's run is the newest run from now on: the one that commands are about.
    LaneShown {
        /// The lane.
        lane: usize,
    },
    /// Something to tell the user.
    Notice(Notice),
}

/// An adapter that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenAdapter {
    /// Its index.
    pub index: usize,
    /// Why it cannot be used, in words that follow its name.
    pub problem: String,
}

/// A model that is ready, with what loading took.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The model.
    pub model: ModelFacts,
    /// The adapter that holds it.
    pub adapter: AdapterFacts,
    /// Seconds from the request to ready (measured by the clock).
    pub seconds: f64,
    /// Bytes of scratch memory (activations) on the GPU, as allocated (measured).
    pub scratch_bytes: u64,
    /// Kernel variants that the adapter got, for the curious.
    pub variants: Vec<String>,
    /// Ids that end a text by the model's own files.
    pub eos: Vec<u32>,
    /// Why the tokenizer in the model's files cannot be used; `None` where it can, and where there is none.
    pub tokenizer_problem: Option<String>,
    /// How the model's own files would decode.
    pub defaults: GenerationDefaults,
    /// Why a prompt cannot be put as a chat; `None` where the model has a template for it.
    pub chat_problem: Option<String>,
    /// Switches that the template for a chat reads.
    pub chat_switches: Vec<Switch>,
    /// Whether its files have a head that drafts (multi-token prediction).
    pub has_drafting_head: bool,
    /// What the server is and can do, for a model on one.
    pub server: Option<ServerFacts>,
}

/// What a look inside a pass found.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// The token that the pass led to.
    pub target: ProbeTarget,
    /// What was found, or why nothing was, in words for a person.
    pub found: Result<Found, String>,
}

/// A probe with the names of its tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What was found.
    pub probe: Arc<Probe>,
    /// How the vocabulary spells the tokens that it names.
    pub pieces: Arc<BTreeMap<u32, String>>,
}

/// A token of which every step records where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedToken {
    /// The token.
    pub token: Token,
    /// Whether it pins itself: it ends a text, or the model's thinking.
    pub automatic: bool,
}

/// The greedy tokens that would follow a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// The step: an index in [`crate::trace::Run::nodes`].
    pub node: usize,
    /// The candidate's token.
    pub token: u32,
    /// What would follow it, as far as it is known.
    pub tokens: Vec<Token>,
    /// Whether that is all.
    pub done: bool,
}

/// All logits of a step, computed once more: in the last bits they may differ from those that were chosen from.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeRow {
    /// The step: an index in [`crate::trace::Run::nodes`].
    pub node: usize,
    /// V raw logits.
    pub logits: Vec<f32>,
    /// For each id the stage that cut it: an index in [`Node::stages`]; `None` for those kept.
    pub cut_by: Vec<Option<u8>>,
}

/// The beginning of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunStarted {
    /// The prompt's tokens.
    pub prompt: Vec<PromptToken>,
    /// Who chooses.
    pub strategy: StrategyKind,
    /// The seed.
    pub seed: u64,
    /// What each incremental step feeds to the model.
    pub step_input: StepInput,
    /// How many of the prompt's tokens, from the first on, are in the KV cache already.
    pub continued_positions: usize,
    /// Which of the model's rotary frequencies it is computed with.
    pub long_rope: Option<LongRope>,
    /// Figures of the phases done so far: load and tokenise.
    pub phases: Phases,
}

/// One step that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct RunUpdate {
    /// The nodes to append.
    pub nodes: Vec<Node>,
    /// The node in which the run's text ends now.
    pub tip: Option<usize>,
    /// What the strategy adds about the step.
    pub steps: Vec<StrategyStep>,
    /// What beam search returns, once it has ended.
    pub sequences: Vec<ReturnedSequence>,
    /// Figures of all phases up to now.
    pub phases: Phases,
}

impl RunStarted {
    /// The run at its beginning.
    pub(super) fn run(self, model: ModelFacts, adapter: AdapterFacts) -> Run {
        let Self { prompt, strategy, seed, step_input, continued_positions, long_rope, phases } = self;
        Run {
            model,
            adapter,
            strategy,
            seed,
            step_input,
            continued_positions,
            long_rope,
            prompt,
            phases,
            ..Run::default()
        }
    }
}

impl RunUpdate {
    /// Appends it to the run.
    pub(super) fn append_to(self, run: &mut Run) {
        run.nodes.extend(self.nodes);
        run.follow(self.tip);
        run.steps.extend(self.steps);
        run.sequences = self.sequences;
        run.phases = self.phases;
    }
}

/// Something to tell the user, in words to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How bad it is.
    pub severity: Severity,
    /// What happened, in a few words.
    pub title: String,
    /// Why, and what to do.
    pub detail: String,
}

/// How bad a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Information,
    /// Works, but look at it.
    Warning,
    /// Did not work.
    Error,
}
