//! Why a model could not be loaded.

use crate::model::{ModelError, WeightsError};
use crate::units;

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
    /// Even with as few layers on the GPU as can be, the model is larger than what there is.
    #[error(
        "the model needs at least {} of GPU memory for {positions} positions, even if its layers stay in the computer's memory and take turns, and it may have {}: allow it more (--gpu-memory; in the window, on the model's card), allow a shorter context, or choose smaller weights or a smaller model",
        units::bytes(*needed),
        units::bytes(*room)
    )]
    NoRoom {
        /// The fewest bytes that it runs in.
        needed: u64,
        /// The bytes that it may have.
        room: u64,
        /// Positions of a text.
        positions: usize,
    },
    /// The layers that do not fit the GPU do not fit the computer's memory either.
    #[error(
        "{} of the model's layers do not fit the GPU and would have to lie in the computer's memory, of which {} are free: close other programs, choose smaller weights or a smaller model",
        units::bytes(*needed),
        units::bytes(*free)
    )]
    NoHostMemory {
        /// Bytes of the layers.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The adapter's driver offers no buffers in the computer's memory.
    #[error(
        "the model does not fit the GPU, and this adapter's driver cannot copy weights from the computer's memory: choose smaller weights, a smaller model or another adapter"
    )]
    NoHostBuffers,
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
