//! How far loading a model beside the model is.

use crate::gpu::{LoadPart, Share};

/// A model that is being loaded beside the model: to draft for it, or to be held against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadingBeside {
    /// Its name.
    pub name: String,
    /// What is being done.
    pub part: LoadPart,
    /// How much of that is done.
    pub share: Share,
}
