//! What a decoder is made of: one [`ModelConfig`] for the model, one [`LayerConfig`] for each layer.
//!
//! These types hold choices ("the norm is RMSNorm"), never names of model families: a family's reader in
//! [`crate::formats`] translates its own `config.json` into them. Everything here is checked data: sizes are
//! positive and divide as they must, because [`ModelConfig::check`] ran at import.

mod attention;
mod bias;
mod check;
mod experts;
mod feed_forward;
mod layer;
pub mod limits;
mod model;
mod norm;
mod recurrent;

pub use attention::{
    AttentionConfig, GateExtent, GateFunction, HeadNormConfig, HeadNormExtent, HeadNormPlace, KeysValues,
    KeysValuesConfig, Latent, OutputGate, ScoreGrowth, ScoresConfig, Sinks, StoredPairs,
};
pub use bias::Bias;
pub use experts::{
    ExpertGroups, ExpertKind, ExpertsApart, ExpertsConfig, GroupRank, RouterConfig, RouterScores, ShareUse,
    SharedExpert, SharedGate,
};
pub use feed_forward::{Activation, FeedForwardConfig, FeedForwardKind, Xielu};
pub use layer::{BlockFactors, LayerConfig, Residual, ResidualConfig, StreamFactor};
pub use model::{EmbeddingByLayer, EmbeddingConfig, HeadWeights, LogitsConfig, ModelConfig, Positions};
pub use norm::{BlockNorms, NormConfig, NormKind};
pub use recurrent::{
    ConvolutionConfig, GatedDeltaConfig, GroupNormConfig, HeadOrder, Mamba2Config, RecurrentConfig,
    ShortConvolutionConfig, StateHeads,
};
