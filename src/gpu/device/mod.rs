//! The adapters of this machine, and the device that computes.

mod adapter_info;
mod adapters;
mod canary;
mod dump;
mod error;
mod failures;
mod handle;
mod heap;
mod kernel_file;
mod making;
mod memory;
mod open;
mod pipelines;
mod readbacks;
mod room;
mod stopwatch;
mod timestamps;
mod traffic;
mod waiting;
mod window;

pub use adapter_info::AdapterInfo;
pub use adapters::{adapters, find};
pub use error::GpuError;
pub use failures::{FailedAdapter, Problem, known_problem};
pub use handle::Device;
pub(super) use making::Making;
pub(super) use memory::{Promise, Room, RoomFrom, free_host_memory};
pub use open::be_conservative;
pub(super) use readbacks::Readbacks;
pub(super) use stopwatch::Stopwatch;
pub(super) use timestamps::Timestamps;
pub use traffic::Traffic;
pub use waiting::gpu_silence;
pub use window::adapter_for_window;
