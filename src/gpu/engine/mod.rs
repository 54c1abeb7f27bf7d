//! A model on a GPU: loading it, running passes, choosing its kernels, measuring it.

mod autotune;
mod core;
mod first_use;
mod passes;
mod profile;
mod recording;
mod tuning_cache;

pub use autotune::variants_of;
pub use core::Engine;
pub use profile::OpCost;
pub use tuning_cache::{Trial, Trials};
