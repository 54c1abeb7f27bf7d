//! The adapters of this machine, and the device that computes.

mod adapter_info;
mod canary;
mod failures;
mod handle;
mod heap;
mod stopwatch;
mod window;

pub use adapter_info::{AdapterInfo, adapters, find};
pub use failures::{FailedAdapter, Problem, known_problem};
pub(super) use handle::AdapterClass;
pub use handle::{Device, GpuError, Traffic};
pub(super) use stopwatch::Stopwatch;
pub use window::adapter_for_window;
