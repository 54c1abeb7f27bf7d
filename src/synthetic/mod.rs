//! Models that nobody trained: shapes of real ones, weights and prompts that are made up. For benchmarks and tests.

mod hybrids;
mod nemotron;
pub mod shapes;
mod tokens;
mod weights;

pub use tokens::spread_tokens;
pub use weights::{SyntheticWeights, UnfitFormat};
