//! What is computed, as pure data: the configuration of a decoder, the plan of operations it becomes,
//! the description of its weights, and the trait through which strategies drive it.
//!
//! Nothing here touches a file, a GPU or a tokenizer. [`crate::reference`] and [`crate::gpu`] both
//! interpret the same [`Plan`].

pub mod batch;
pub mod binding;
pub mod blocks;
pub mod cache;
mod codec;
pub mod concat;
pub mod config;
pub mod conversion;
pub mod decoder;
pub(crate) mod dissection;
pub mod divergence;
pub mod error;
pub mod fuse;
pub mod grids;
pub mod group_format;
pub mod groups;
pub mod language_model;
pub mod orders;
pub mod plan;
pub mod probe;
pub mod profiling;
pub mod quant;
pub mod rotary;
pub mod selection;
pub mod weight_format;
pub mod weights;

pub use batch::{Batch, Row, SequenceId};
pub use cache::CacheFormat;
pub use config::ModelConfig;
pub use conversion::WeightsChoice;
pub use decoder::plan_decoder;
pub use divergence::{Divergence, DivergenceSummary};
pub use error::{ConfigError, ModelError};
pub use fuse::{Fused, fuse};
pub use language_model::{ChainedModel, LanguageModel, Outputs, RowsTold, Sampled, Sampler, ServerSampling};
pub use plan::{Op, Plan};
pub use probe::{Probe, ProbeRequest, Probing};
pub use profiling::Profiling;
pub use selection::Summary;
pub use weight_format::WeightFormat;
pub use weights::{Weights, WeightsError};
