//! How far loading a model is: in which part of it, and how much of that part is done.

use std::ops::ControlFlow;

use super::error::LoadError;

/// Hears how far loading is; its answer may end it.
pub type Progress<'a> = dyn FnMut(LoadPart, Share) -> ControlFlow<()> + 'a;

/// A part of loading a model, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoadPart {
    /// Headers, configuration and tokenizer are read. No share of it is known.
    #[default]
    Reading,
    /// A server is asked what it can do. No share of it is known.
    Connecting,
    /// The device is opened. No share of it is known.
    Opening,
    /// Weights go to the device; counts bytes.
    Uploading,
    /// Kernels are made of their sources, on threads that began beside the upload; counts kernels.
    Making,
    /// Variants of kernels are timed. No share of it is known.
    Trying,
    /// Each kernel runs once, because drivers compile at first use; counts kernels.
    Compiling,
    /// Whole passes run once; counts passes.
    WarmingUp,
}

/// How much of a part is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// What is done.
    pub done: u64,
    /// All there is to do; 0 where that is not known.
    pub total: u64,
}

impl LoadPart {
    /// Every part, in their order.
    pub const ALL: [Self; 8] = [
        Self::Reading,
        Self::Connecting,
        Self::Opening,
        Self::Uploading,
        Self::Making,
        Self::Trying,
        Self::Compiling,
        Self::WarmingUp,
    ];

    /// The part in words that go on after “loading: ”.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading files",
            Self::Connecting => "connecting to the server",
            Self::Opening => "opening the GPU",
            Self::Uploading => "uploading weights",
            Self::Making => "making kernels",
            Self::Trying => "trying kernels",
            Self::Compiling => "compiling kernels",
            Self::WarmingUp => "warming up",
        }
    }
}

impl Share {
    /// So much of all.
    pub fn of(done: usize, total: usize) -> Self {
        Self { done: done as u64, total: total as u64 }
    }

    /// The fraction that is done; `None` where that is not known.
    pub fn fraction(self) -> Option<f64> {
        (self.total > 0).then(|| self.done as f64 / self.total as f64)
    }
}

/// Tells how far loading is, and ends it where that is the answer.
pub(crate) fn tell(progress: &mut Progress<'_>, part: LoadPart, share: Share) -> Result<(), LoadError> {
    match progress(part, share) {
        ControlFlow::Break(()) => Err(LoadError::Stopped),
        ControlFlow::Continue(()) => Ok(()),
    }
}
