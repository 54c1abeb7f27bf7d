//! Weights on the GPU: how they lie there, and how they get there.

mod block_layout;
mod layout;
mod staging;
mod tensor;

pub(super) use layout::{Form, padded, padded_row, unit_weights};
pub(super) use tensor::{GpuTensor, Shard, Uploaded, least_shard_bytes, most_shard_bytes, upload};
