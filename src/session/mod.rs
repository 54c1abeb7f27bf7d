//! The worker: commands in, events out. It owns the model, the tokenizer and the strategy, and runs them on
//! a thread of its own, so that nothing in the window ever waits for a GPU or a file.

pub mod break_when;
pub mod command;
mod comparing;
mod comparison;
pub mod decode;
pub mod draft;
mod drafting_head;
pub mod event;
pub mod gpu_loader;
mod guide;
mod inbox;
pub mod inspect;
mod lane_runs;
mod lanes;
pub mod library;
mod live_run;
pub mod load;
mod loading_beside;
mod long_rope;
pub mod opened;
mod opinion;
mod outbox;
mod own_settings;
mod peek;
mod pinning;
mod probing;
mod profiling;
mod prompt_scores;
pub mod reading;
pub mod run_error;
mod second;
mod second_model;
mod segments;
mod served;
mod tokenise;
mod tokenizer_files;
pub mod view;
mod vocabularies;
pub mod worker;
mod worker_beside;
mod worker_branching;
mod worker_comparing;
mod worker_lanes;
mod worker_loading;
mod worker_peek;
mod worker_probing;
mod worker_profiling;
mod worker_row;
mod worker_scoring;
mod worker_second;
mod worker_starting;

pub use crate::formats::inspect::{FormatShare, Inspection};
pub use crate::formats::{BUILT_IN, GenerationDefaults};
pub use crate::gpu::{LoadPart, Progress, Share};
pub use crate::gpu::{adapter_for_window, gpu_silence};
pub use crate::model::profiling::{CacheMap, CachedPage, CachedSequence, LayerKeeps, OpTime, PassWork};
pub use crate::model::selection::MOST_PINNED;
pub use crate::model::{CacheFormat, WeightsChoice, probe};
pub use crate::servers::{
    Answer, ApiKey, Capability, KEY_VARIABLE, Kept, Keys as ServerKeys, PATIENCE as SERVER_PATIENCE,
    Patience, ServedModel, ServerAddress, ServerError, ServerFacts, ServerKind, SessionKeys, served_models,
};
pub use crate::tokenizer::chat::{Conversation, Message, Switch};
pub use break_when::{Break, BreakReason, BreakWhen};
pub use command::{
    Command, LanesRequest, LoadRequest, ModelSource, Pace, ProbeTarget, Prompt, RunRequest, SecondCommand,
};
pub use comparison::{ComparedStep, Comparison, DeviceLimits, MeasuredPass, Profiled, StepProfile};
pub use decode::Decode;
pub use draft::{DraftError, DraftModel, strategy_inputs};
pub use drafting_head::HeadFiles;
pub use event::{Event, Found, Notice, Peeked, PinnedToken, Probed, Severity, WholeRow};
pub use gpu_loader::GpuLoader;
pub use guide::grammar_problem;
pub use inspect::{AdapterMatch, AdapterRoom, Fit, Limit, MemoryNeed, ModelCard, StreamedLayers};
pub use lane_runs::{LaneRuns, lane_letter};
pub use library::{adapter_memory, device_memory, read_headers};
pub use load::{DraftingHead, LoadError, Loader, ReadyModel};
pub use loading_beside::LoadingBeside;
pub use opened::Opened;
pub use opinion::{Opinion, OpinionSummary, SecondOpinion};
pub use own_settings::own_settings;
pub use run_error::{MissingTokenizer, RunError};
pub use second::{SecondEvent, SecondView};
pub use segments::{Segment, SegmentFigures, SegmentKind, segments};
pub use view::{Initiation, Status, View};
pub use vocabularies::{VocabularyMatch, VocabularyMisfit};
pub use worker::{Session, WAITS};
