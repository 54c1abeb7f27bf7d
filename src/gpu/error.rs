//! Why a model could not be loaded.

use crate::model::{ModelError, WeightsError};

/// Why a model could not be loaded onto a device.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The weights could not be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device could not take them.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// One row, or a tensor that cannot be split, is larger than a kernel can bind.
    #[error(
        "tensor {tensor} needs {bytes} bytes in one binding, and this adapter allows {limit}: choose another adapter"
    )]
    TensorTooLarge {
        /// Canonical name.
        tensor: String,
        /// What it needs.
        bytes: u64,
        /// What the adapter allows.
        limit: u64,
    },
    /// The progress function ended it.
    #[error("loading was stopped")]
    Stopped,
    /// More rotary tables than a pass has room for.
    #[error("the model uses {count} different rotary embeddings, and at most {most} are supported")]
    TooManyRotaryTables {
        /// How many the model uses.
        count: usize,
        /// How many a pass has room for.
        most: usize,
    },
}
