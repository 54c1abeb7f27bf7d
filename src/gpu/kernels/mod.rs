//! The kernels: their sources, and which of them an adapter gets.

mod choice;
mod matrix_units;
mod source;

pub(super) use choice::SHUFFLE_LANES;
pub use choice::{AttentionChoice, KernelChoice, LinearVariant, MOST_LANES, PromptAttention, Reduction};
pub use matrix_units::MatrixUnits;
pub(super) use matrix_units::lanes;
pub(super) use source::MOST_BINDINGS;
pub use source::{Kernel, Variant, kernel_source, variants};
