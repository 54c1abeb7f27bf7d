//! The kernels: their sources, and which of them an adapter gets.

mod capabilities;
mod choice;
mod limits;
mod linear_variant;
mod matrix_units;
mod reduction;
mod regime;
mod source;

pub use capabilities::{AdapterClass, Capabilities};
pub use choice::{AttentionChoice, KernelChoice, PromptAttention};
pub use limits::MOST_LANES;
pub(super) use limits::{FEW_ROWS, MOST_BINDINGS, SHUFFLE_LANES};
pub use linear_variant::LinearVariant;
pub use matrix_units::MatrixUnits;
pub use reduction::Reduction;
pub(super) use regime::Regime;
pub use source::{Kernel, Variant, kernel_source, variants};
