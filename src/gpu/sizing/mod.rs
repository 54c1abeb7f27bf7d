//! How much memory a model takes, and whether an adapter can hold it.

mod fit;
mod footprint;

pub use fit::{Fit, TooLarge};
pub use footprint::{Memory, estimate_memory};
