//! How much memory a model takes, and whether an adapter can hold it.

mod fit;
mod footprint;
mod residency;

pub use fit::{Fit, TooLarge};
pub use footprint::{Memory, estimate_memory};
pub use residency::{Placed, least_memory, place, usual_memory};
pub(super) use residency::{Residency, SizedModel};
