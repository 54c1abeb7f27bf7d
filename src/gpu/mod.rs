//! The engine: interprets a [`crate::model::Plan`] with WGSL kernels on a wgpu device of its own.
//!
//! Only this module names wgpu compute types. A window hiccup cannot stall it, a model that does not fit
//! cannot take the window down, and a run without a window is the same engine.
//!
//! Its rooms, each of which uses only those below it.

mod engine;
mod sizing;
mod yardsticks;

mod program;

mod pass;
mod weights;

mod cache;

mod device;

mod kernels;

mod error;
mod progress;

pub use device::{AdapterInfo, adapters, be_conservative, find};
pub use device::{Device, GpuError, Traffic};
pub use device::{FailedAdapter, Problem, adapter_for_window, gpu_silence, known_problem};
pub use engine::{BegunPass, Engine, OpCost, Trial, TuningCache, bus_rate, variants_on};
pub use error::LoadError;
pub use kernels::{
    AdapterClass, AttentionChoice, AttentionUnits, Capabilities, KernelChoice, LinearKernel, LinearVariant,
    MOST_LANES, PrefillAttention, RecurrenceKernel, Reduction,
};
pub use kernels::{
    FinishKind, Kernel, KernelUse, Matrices, MatrixTile, MatrixUnits, Override, Variant, kernel_source,
    variants,
};
pub use program::{kernel_uses, selection_uses};
pub use progress::{LoadPart, Progress, Share};
pub use sizing::{Fit, Memory, Placed, TooLarge, estimate_memory, least_memory, place, usual_memory};
pub use weights::SharedTensors;
pub use yardsticks::{copy_bandwidth, f32_rate, launch_seconds, wake};
