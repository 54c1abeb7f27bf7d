//! The engine: interprets a [`crate::model::Plan`] with WGSL kernels on a wgpu device of its own.
//!
//! Only this module names wgpu compute types. A window hiccup cannot stall it, a model that does not fit
//! cannot take the window down, and a run without a window is the same engine.

mod adapter;
mod arithmetic;
mod bandwidth;
mod cache;
mod canary;
mod commands;
mod device;
mod device_memory;
mod engine;
mod failures;
mod first_use;
mod fit;
mod kernels;
mod layout;
mod matrices;
mod measure;
mod memory;
mod pages;
mod parts;
mod pass;
mod passes;
mod program;
mod progress;
mod selection;
mod shader;
mod stopwatch;
mod trial;
mod trials;
mod upload;
mod weights;
mod window;

pub use adapter::{AdapterInfo, adapters, find};
pub use arithmetic::f32_rate;
pub use bandwidth::copy_bandwidth;
pub use device::{Device, GpuError, Traffic};
pub use engine::{Engine, LoadError};
pub use failures::{FailedAdapter, Problem, known_problem};
pub use fit::{Fit, TooLarge};
pub use kernels::{AttentionChoice, KernelChoice, LinearVariant, MOST_LANES, PromptAttention, Reduction};
pub use matrices::MatrixUnits;
pub use measure::OpCost;
pub use memory::{Memory, estimate_memory};
pub use progress::{LoadPart, Progress, Share};
pub use shader::{Kernel, Variant, kernel_source, variants};
pub use trials::{Trial, Trials};
pub use window::adapter_for_window;
