//! From a [`LoadRequest`] to a model that is ready: what loads, what comes of it, and why it may fail.
//!
//! Knows neither threads nor windows. Everything that loads goes through a [`Loader`], so that tests can run the worker
//! on a model of their own.

use std::cell::RefCell;
use std::rc::Rc;

use super::command::LoadRequest;
use super::event::{BrokenAdapter, Loaded};
use crate::decoding::SharedModel;
use crate::formats::FormatError;
use crate::gpu::{self, GpuError, Progress};
use crate::model::LanguageModel;
use crate::model::binding::BindError;
use crate::servers::ServerError;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::trace::AdapterFacts;

/// A model that can run.
pub struct ReadyModel {
    /// What computes.
    pub model: Box<dyn LanguageModel>,
    /// What makes ids of text and back; `None` when the model's files have none.
    pub tokenizer: Option<Tokenizer>,
    /// Its head that drafts, where its files have one.
    pub drafting_head: Option<DraftingHead>,
    /// Facts for a person.
    pub loaded: Loaded,
    /// What works but deserves a look.
    pub warnings: Vec<String>,
}

/// A model's head that drafts, beside the model.
pub struct DraftingHead {
    load: Box<LoadHead>,
    model: Option<SharedModel>,
}

/// Loads a head.
type LoadHead = dyn FnMut(&mut Progress<'_>) -> Result<Box<dyn LanguageModel>, LoadError>;

impl DraftingHead {
    /// One that `load` loads.
    pub fn new(
        load: impl FnMut(&mut Progress<'_>) -> Result<Box<dyn LanguageModel>, LoadError> + 'static,
    ) -> Self {
        Self { load: Box::new(load), model: None }
    }

    /// What computes it; loaded by the first call.
    pub fn model(&mut self, progress: &mut Progress<'_>) -> Result<SharedModel, LoadError> {
        if let Some(model) = &self.model {
            return Ok(Rc::clone(model));
        }
        let model: SharedModel = Rc::new(RefCell::new((self.load)(progress)?));
        self.model = Some(Rc::clone(&model));
        Ok(model)
    }
}

/// Who finds adapters and loads models for a worker.
pub trait Loader {
    /// The adapters of this machine.
    fn adapters(&mut self) -> Vec<AdapterFacts>;

    /// Loads a model. `progress` hears how far that is; its answer may end the loading, which is then
    /// [`LoadError::Stopped`].
    fn load(&mut self, request: &LoadRequest, progress: &mut Progress<'_>) -> Result<ReadyModel, LoadError>;

    /// Loads a model beside the one loaded last, on the same device whatever the request says, and with no longer texts than
    /// that one has; otherwise as [`Self::load`].
    fn load_beside(
        &mut self,
        request: &LoadRequest,
        progress: &mut Progress<'_>,
    ) -> Result<ReadyModel, LoadError> {
        self.load(request, progress)
    }

    /// All about the adapters for a person, line by line, with the kernels that a model gets there. Opens each.
    fn describe_adapters(&mut self) -> String {
        String::new()
    }

    /// Those of the adapters that are known not to work.
    fn broken_adapters(&mut self) -> Vec<BrokenAdapter> {
        Vec::new()
    }

    /// What to tell of adapters that loading passed over since the last call.
    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The files are not a model.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The tensors do not fit the configuration.
    #[error("{path}: {reason}")]
    Bind {
        /// Where the model is.
        path: String,
        /// Which tensor, and why.
        reason: BindError,
    },
    /// The tokenizer's file cannot be used.
    #[error("{path}: {reason}")]
    Tokenizer {
        /// Where the model is.
        path: String,
        /// Why.
        reason: TokenizerError,
    },
    /// A context that the model cannot have.
    #[error("a context of {asked} positions was asked for, but {name} has 1 to {most}: ask for one of these")]
    Context {
        /// The model's name.
        name: String,
        /// Positions asked for.
        asked: usize,
        /// The model's own context.
        most: usize,
    },
    /// No device.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// The device did not take the model.
    #[error(transparent)]
    Engine(gpu::LoadError),
    /// A model on a server, where its files are wanted.
    #[error("{0} is a model on a server, and this needs the files of one: give a folder or a file")]
    Elsewhere(String),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The user ended it.
    #[error("loading was stopped")]
    Stopped,
}

impl From<gpu::LoadError> for LoadError {
    /// That the user ended it stays that.
    fn from(error: gpu::LoadError) -> Self {
        match error {
            gpu::LoadError::Stopped => Self::Stopped,
            error => Self::Engine(error),
        }
    }
}
