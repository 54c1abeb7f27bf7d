//! Weights on the GPU: how they lie there, and how they get there.

mod block_layout;
mod experts;
mod grid_layout;
mod group_layout;
mod held;
mod layout;
mod staging;
mod streamed;
mod tensor;
mod upload;

pub(super) use experts::{Choice, expert_choices, most_rows};
pub(super) use layout::{GpuLayout, padded, padded_row, row_bytes, unit_weights};
pub(super) use streamed::{HostLayers, Streamed, buffer_bytes, layer_matrices, ring};
pub(super) use tensor::{GpuTensor, TensorShape, least_shard_bytes, most_shard_bytes};
pub use upload::SharedTensors;
pub(super) use upload::{SharedTensor, Uploaded, upload};
