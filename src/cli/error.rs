//! Why a command failed: one line, WHAT: WHY, with what to do.

use std::path::PathBuf;

use crate::export::page::PageError;
use crate::formats::FormatError;
use crate::gpu::GpuError;
use crate::hub::HubError;
use crate::model::ModelError;
use crate::session::reading::ReadingError;
use crate::session::{DraftError, LoadError, RunError, VocabularyMisfit};
use crate::synthetic::UnfitFormat;
use crate::system_errors::words;
use crate::tokenizer::TokenizerError;
use crate::tokenizer::chat::ChatError;
use crate::trace::file::TraceFileError;
use crate::units::counted;
use crate::verify::SelfTestError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The prompt's file.
    #[error("the prompt could not be read: {}: {}", file.display(), words(reason))]
    Prompt {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file with what was said before.
    #[error("the turns could not be read: {}: {reason}", file.display())]
    Turns {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A grammar's file.
    #[error("the grammar could not be read: {}: {}", file.display(), words(reason))]
    Grammar {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The model's files.
    #[error("the model could not be inspected: {0}")]
    Inspect(#[from] FormatError),
    /// A name that several models have.
    #[error("the name {name} may mean several models: {candidates}: give more of the name, or the path")]
    AmbiguousName {
        /// The name.
        name: String,
        /// The models, with their paths.
        candidates: String,
    },
    /// Getting a model.
    #[error("the model could not be got: {0}")]
    Hub(#[from] HubError),
    /// A repository without models.
    #[error("{repository} has nothing to get: {problem}")]
    NoOffer {
        /// The repository.
        repository: String,
        /// Why.
        problem: String,
    },
    /// Several models, and nobody to ask.
    #[error("{repository} has several models: name one of its files, or let --yes take {suggestion}")]
    WhichOffer {
        /// The repository.
        repository: String,
        /// What is suggested.
        suggestion: String,
    },
    /// A model that is not whole.
    #[error("{file} is of no use: {problem}")]
    UselessOffer {
        /// The file.
        file: String,
        /// Why.
        problem: String,
    },
    /// Headers that cannot be read.
    #[error("the model could not be inspected: {0}")]
    Damaged(String),
    /// Loading.
    #[error("the model could not be loaded: {0}")]
    Load(#[from] LoadError),
    /// Loading a draft model.
    #[error("the draft model could not be loaded: {0}")]
    LoadDraft(LoadError),
    /// A draft model with other tokens.
    #[error("the draft model does not fit: {0}")]
    Draft(#[from] DraftError),
    /// Loading a model to compare with.
    #[error("the model to compare with could not be loaded: {0}")]
    LoadOther(LoadError),
    /// One with other tokens.
    #[error(
        "the models cannot be compared: {0}: choose a model of the same family, or the same model in another precision"
    )]
    OtherTokens(#[from] VocabularyMisfit),
    /// One that fails.
    #[error("the models could not be compared: {0}")]
    Compare(#[from] ReadingError),
    /// A text for a model that has no tokenizer.
    #[error("the text could not be tokenised: {0}")]
    Tokenise(RunError),
    /// A conversation with a model that has no template for one.
    #[error(
        "the prompt cannot be put as a chat: the model has no chat template. Leave --chat out, or name a model for conversations with -m; `logitscope get` lists some that are good to begin with"
    )]
    NoChatTemplate,
    /// A prompt or settings that no run can begin with.
    #[error("the run cannot begin: {0}")]
    Begin(RunError),
    /// The run.
    #[error("the run failed: {0}")]
    Run(RunError),
    /// A pass outside of a run.
    #[error("the model could not compute: {0}")]
    Model(#[from] ModelError),
    /// A position that the prompt does not have.
    #[error(
        "the prompt cannot be probed: there is no position {position}, since it has {}: choose 0 to {}",
        counted(*tokens, "token"),
        tokens.saturating_sub(1)
    )]
    ProbePosition {
        /// The position.
        position: usize,
        /// Tokens of the prompt.
        tokens: usize,
    },
    /// No adapter.
    #[error("no GPU can be used: {0}")]
    Gpu(#[from] GpuError),
    /// A file of results.
    #[error("the results could not be written: {}: {}", file.display(), words(reason))]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The trace file.
    #[error("the trace could not be written: {0}")]
    Trace(#[from] TraceFileError),
    /// A trace file to make something of.
    #[error("the trace could not be opened: {0}")]
    OpenTrace(TraceFileError),
    /// A page.
    #[error("the page could not be written: {0}")]
    Page(#[from] PageError),
    /// Standard output, for another reason than a reader that went away.
    #[error("the answer could not be printed: stdout: {}", words(.0))]
    Print(std::io::Error),
    /// A benchmark that the model has no room for.
    #[error(
        "the benchmark cannot run: {tokens} tokens were asked for, but the context has room for {longest}: ask for fewer"
    )]
    BenchTooLong {
        /// Tokens asked for.
        tokens: usize,
        /// Tokens that fit.
        longest: usize,
    },
    /// The program's own file, which the parts of a report run.
    #[error("the report cannot be made: the program's own file is not found: {}", words(.0))]
    Program(std::io::Error),
    /// A format that the shape's rows cannot be stored in.
    #[error("the benchmark cannot run: {0}")]
    BenchFormat(UnfitFormat),
    /// Matrix units that are not there.
    #[error(
        "the benchmark cannot run: {adapter} has no matrix units for weights in {weights}: leave --prompt-kernels out, or choose other weights"
    )]
    NoMatrixUnits {
        /// The adapter's name.
        adapter: String,
        /// The formats of the weights.
        weights: String,
    },
    /// An op that computes something else than its twin.
    #[error(
        "the check failed: {0}. The GPU's driver computes wrongly, or Logitscope has a bug: update the driver, or try another adapter (`logitscope adapters`)"
    )]
    Check(String),
    /// An op that computes no number, as its twin does.
    #[error(
        "the check failed: {0}, too. The model's weights do that, not the GPU: the file may be damaged, or some of its numbers are too large; get it again from where it came"
    )]
    Weights(String),
}

impl CliError {
    /// A run that cannot begin.
    pub(super) fn begin(error: RunError) -> Self {
        if lacks_chat_template(&error) { Self::NoChatTemplate } else { Self::Begin(error) }
    }

    /// A prompt that does not become ids.
    pub(super) fn tokenise(error: RunError) -> Self {
        if lacks_chat_template(&error) { Self::NoChatTemplate } else { Self::Tokenise(error) }
    }

    /// Whether the message has several lines, which show the place of an error in a text.
    pub fn shows_a_place(&self) -> bool {
        matches!(self, Self::Begin(RunError::Grammar(_)) | Self::Run(RunError::Grammar(_)))
    }
}

fn lacks_chat_template(error: &RunError) -> bool {
    matches!(error, RunError::Tokenizer(TokenizerError::Chat(ChatError::Missing)))
}

impl From<SelfTestError> for CliError {
    fn from(error: SelfTestError) -> Self {
        match error {
            SelfTestError::Stopped => Self::Load(LoadError::Stopped),
            SelfTestError::Load(error) => Self::Load(error),
            SelfTestError::Prompt(error) => Self::Begin(error),
            SelfTestError::Model(error) => Self::Model(error),
        }
    }
}
