//! A model on a GPU: loading it, running passes, choosing its kernels, measuring it.

mod agreement;
mod attention_trial;
mod autotune;
mod bus;
mod command_key;
mod core;
mod first_use;
mod in_flight;
mod language_model;
mod op_by_op;
mod passes;
mod probe;
mod profile;
mod profiling;
mod recorder;
mod stages;
mod states;
mod submission;
mod trial;
mod tuning_cache;

pub use autotune::variants_on;
pub use bus::bus_rate;
pub use core::Engine;
pub use op_by_op::BegunPass;
pub use profile::OpCost;
pub use tuning_cache::{Trial, TuningCache};
