//! The kernels: their sources, and which of them an adapter gets.

mod attention_choice;
mod attention_units;
mod capabilities;
mod choice;
mod kernel;
mod kernel_use;
mod limits;
mod linear_kernel;
mod linear_variant;
mod matrix_tile;
mod matrix_units;
mod overrides;
mod reduction;
mod repeat;
mod row_count;
#[cfg(test)]
pub(super) mod shader_text;
mod source;
mod tuned;

pub(crate) use attention_choice::MOST_AT_ONCE;
pub use attention_choice::{AttentionChoice, PrefillAttention};
pub use attention_units::AttentionUnits;
pub use capabilities::{AdapterClass, Capabilities};
pub use choice::{KernelChoice, RecurrenceKernel};
pub use kernel::Kernel;
pub use kernel_use::KernelUse;
pub use limits::MOST_LANES;
pub(super) use limits::{FEW_ROWS, MOST_BINDINGS, MOST_WORKGROUPS, SHUFFLE_LANES};
pub use linear_kernel::LinearKernel;
pub use linear_variant::LinearVariant;
pub use matrix_tile::{Matrices, MatrixTile};
pub use matrix_units::MatrixUnits;
pub use overrides::{FinishKind, Override};
pub use reduction::Reduction;
pub(super) use row_count::RowCount;
pub use source::{Variant, kernel_source, variants};
pub(super) use tuned::{LinearKind, TunedKernels, summary};
