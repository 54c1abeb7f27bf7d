//! The worker: commands in, events out. It owns the model, the tokenizer and the strategy, and runs them on
//! a thread of its own, so that nothing in the window ever waits for a GPU or a file.

pub mod break_when;
pub mod command;
pub mod decode;
pub mod draft;
pub mod event;
pub mod gpu_loader;
mod guide;
mod inbox;
pub mod inspect;
mod live_run;
pub mod load;
pub mod opened;
mod outbox;
mod own_settings;
mod peek;
mod pinning;
mod prompt_scores;
pub mod run_error;
mod tokenise;
mod tokenizer_files;
pub mod view;
pub mod worker;
mod worker_loading;
mod worker_peek;
mod worker_row;

pub use crate::formats::GenerationDefaults;
pub use crate::formats::inspect::{FormatShare, Inspection};
pub use crate::gpu::adapter_for_window;
pub use crate::gpu::{LoadPart, Progress, Share};
pub use crate::model::selection::MOST_PINNED;
pub use crate::model::{CacheFormat, WeightsChoice};
pub use break_when::{Break, BreakReason, BreakWhen};
pub use command::{Command, LoadRequest, ModelSource, Pace, Prompt, RunRequest};
pub use decode::Decode;
pub use draft::{DraftError, DraftModel};
pub use event::{Event, Notice, Peeked, PinnedToken, Severity, WholeRow};
pub use gpu_loader::GpuLoader;
pub use guide::grammar_problem;
pub use inspect::{AdapterMatch, AdapterRoom, Limit, MemoryNeed, ModelCard};
pub use load::{LoadError, Loader, ReadyModel};
pub use opened::Opened;
pub use own_settings::own_settings;
pub use run_error::{MissingTokenizer, RunError};
pub use view::{DraftLoading, Initiation, Status, View};
pub use worker::Session;
