//! What the window or a test can ask of the worker: a closed list.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::break_when::BreakWhen;
use crate::decoding::DecodingSettings;
use crate::model::{CacheFormat, WeightsChoice};
use crate::servers::{ApiKey, ServerAddress};
use crate::tokenizer::chat::Conversation;

/// A request to the worker. Each is answered by [`super::Event`]s; none blocks the sender.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "commands are few, and sent one at a time")]
pub enum Command {
    /// Look for adapters and report them.
    ListAdapters,
    /// Say all about the adapters, for a report of a problem.
    DescribeAdapters,
    /// Replace the model. A running run is stopped first; its trace stays.
    Load(LoadRequest),
    /// Load a draft model for speculative decoding, on the device of the model. The draft model before it goes
    /// first; a run that began with that one keeps it.
    LoadDraft(ModelSource),
    /// Forget the draft model, or stop loading it.
    DropDraft,
    /// Something with a second model, which reads the first lane's text.
    Second(SecondCommand),
    /// Count the tokens of a prompt, without a run.
    Count(Prompt),
    /// Begin a new run.
    Start(RunRequest),
    /// Begin several runs on one prompt, which go on side by side. The first one is the newest run.
    StartLanes(LanesRequest),
    /// Let another lane's run be the newest run, which other commands are about.
    ShowLane(usize),
    /// Compute what the model expected at each position of the newest run's prompt. Steps wait meanwhile.
    ScorePrompt,
    /// Go on with a paused run at full speed.
    Resume,
    /// Hold the run after the step in progress.
    Pause,
    /// Make one step of a paused run.
    StepOnce,
    /// Pause runs by themselves from now on where one of these conditions holds.
    BreakWhen(BreakWhen),
    /// Let the run go on from a step of its with another token: a branch, which shares what both texts have in
    /// common.
    Branch {
        /// The step: an index in [`crate::trace::Run::nodes`].
        node: usize,
        /// One of the node's candidates.
        token: u32,
        /// Whether it goes on by itself.
        pace: Pace,
    },
    /// Show the line of the run that ends in this node, and hold there: the next step goes on from it.
    Follow {
        /// The line's last node: an index in [`crate::trace::Run::nodes`].
        tip: usize,
    },
    /// Look inside the pass that led to a token of the newest run; the run goes on as if nothing had happened.
    Probe(ProbeTarget),
    /// Put the newest run's text through the decoder once more, with the KV cache and without it, and measure both: while
    /// the run waits or has ended.
    Compare,
    /// End that.
    EndComparison,
    /// Time the ops of the pass that led to a node of the newest run: an index in [`crate::trace::Run::nodes`].
    Profile(usize),
    /// Tell what lies in the cache.
    MapCache,
    /// Tell the greedy tokens that would follow a candidate, while the run waits or has ended. Any other command ends
    /// that.
    Peek {
        /// The step: an index in [`crate::trace::Run::nodes`].
        node: usize,
        /// The candidate's token.
        token: u32,
    },
    /// Tell all logits of a step, while the run waits or has ended.
    ReadRow {
        /// The step: an index in [`crate::trace::Run::nodes`].
        node: usize,
    },
    /// Look ahead no more.
    EndPeek,
    /// Record from now on where these tokens stand in every row, beside those that pin themselves. Another model
    /// begins without them.
    Pin(Vec<u32>),
    /// Look for tokens by their spelling, or by id.
    FindTokens(String),
    /// End the run, within one chunk of a pass; what was decoded stays.
    Stop,
}

/// Something to ask about the second model.
#[derive(Clone, Debug, PartialEq)]
pub enum SecondCommand {
    /// Load one on the device of the model, in place of the one before.
    Load(LoadRequest),
    /// Forget it, or stop loading it.
    Drop,
    /// Let it read along: while all lanes wait or have ended, it reads what is new in the first one's text.
    Read,
    /// Let it read no more.
    EndReading,
}

/// The token of a run whose pass is looked into: the one over the token before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeTarget {
    /// A generated token: an index in [`crate::trace::Run::nodes`].
    Node(usize),
    /// A token of the prompt, by its index; the first has none before it.
    Prompt(usize),
}

/// Which model to load, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadRequest {
    /// The model.
    pub source: ModelSource,
    /// Adapter by index or by a part of its name; `None` chooses the best.
    pub adapter: Option<String>,
    /// Context length to allow, in positions; `None` is the model's own.
    pub context: Option<usize>,
    /// The precision that the weights are loaded in.
    pub weights: WeightsChoice,
    /// How keys and values are cached; `None` is no finer than the weights are.
    pub cache: Option<CacheFormat>,
    /// Bytes of GPU memory that the model and those beside it may take together; `None` is all that there is. A model beside
    /// it has the model's limit.
    pub gpu_memory: Option<u64>,
    /// The key that a server asks for.
    pub key: Option<ApiKey>,
}

impl LoadRequest {
    /// The model as its files have it, on the best adapter.
    pub fn of(source: ModelSource) -> Self {
        let weights = WeightsChoice::Original;
        Self { source, adapter: None, context: None, weights, cache: None, gpu_memory: None, key: None }
    }
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// The demonstration model inside the program.
    BuiltIn,
    /// The small model inside the program that drafts for it.
    BuiltInDraft,
    /// A Hugging Face folder, or a file in one.
    Path(PathBuf),
    /// A model on a server.
    Server(ServerAddress),
}

/// A run to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRequest {
    /// What the model continues.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub settings: DecodingSettings,
    /// Whether to go on by itself.
    pub pace: Pace,
}

/// Runs to begin side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct LanesRequest {
    /// What the model continues.
    pub prompt: Prompt,
    /// How tokens are chosen, by lane.
    pub lanes: Vec<DecodingSettings>,
    /// Whether to go on by themselves.
    pub pace: Pace,
}

/// A prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// Text, to be tokenised; with or without the model's special tokens around it.
    Text {
        /// The text.
        text: String,
        /// Whether the tokenizer adds its special tokens, such as BOS.
        special: SpecialTokens,
    },
    /// A conversation, put into the model's chat template.
    Chat(Conversation),
    /// Token ids, taken exactly as they are.
    Ids(Vec<u32>),
}

/// Whether the tokenizer adds the special tokens that its file asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecialTokens {
    /// Add them.
    #[default]
    Add,
    /// Add none.
    Omit,
}

/// Whether a run goes on by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Until it ends or is paused.
    #[default]
    Continuous,
    /// Pause after each step, the first token included.
    SingleStep,
}

impl ModelSource {
    /// A name for a person before the model is open: the last part of the path.
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn => "built-in model".to_owned(),
            Self::BuiltInDraft => "built-in draft model".to_owned(),
            Self::Server(address) => address.to_string(),
            Self::Path(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        }
    }
}
