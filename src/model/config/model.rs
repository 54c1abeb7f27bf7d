//! The model around its layers: embedding, final norm, LM head.

use super::attention::AttentionConfig;
use super::bias::Bias;
use super::feed_forward::{Activation, FeedForwardConfig};
use super::layer::LayerConfig;
use super::norm::NormConfig;
use crate::units::LayersKeep;

/// A decoder-only transformer, described completely except for its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// V: number of vocabulary entries, rows of the embedding table and of the LM head.
    pub vocabulary: usize,
    /// C: width of the residual stream, in elements.
    pub width: usize,
    /// Longest sequence the model was made for, in positions.
    pub context: usize,
    /// How the embedding knows positions.
    pub positions: Positions,
    /// What is done to the embedding before the first layer.
    pub embedding: EmbeddingConfig,
    /// The layers, first to last.
    pub layers: Vec<LayerConfig>,
    /// The norm between the last layer and the LM head.
    pub final_norm: NormConfig,
    /// Where the LM head's matrix comes from.
    pub head: HeadWeights,
    /// Whether the LM head adds a bias.
    pub head_bias: Bias,
    /// What is done to the logits after the LM head.
    pub logits: LogitsConfig,
}

/// What is done to a row's embedding before the first layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmbeddingConfig {
    /// Factor on it.
    pub scale: f32,
    /// The norm after that, if there is one.
    pub norm: Option<NormConfig>,
    /// What tokens have for each layer besides, if they do.
    pub by_layer: Option<EmbeddingByLayer>,
}

/// A second embedding with a vector for each layer: v = (√width · vector(token) + norm(projection(x) / √C)) / √2, of which each
/// layer adds norm(output(activation(gate(h)) · v)) to the residual stream h in the end (Gemma 3n, Gemma 4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmbeddingByLayer {
    /// Elements of a layer's vector.
    pub width: usize,
    /// All of those norms; the projection's has one weight for all layers.
    pub norm: NormConfig,
    /// The non-linearity.
    pub activation: Activation,
}

impl Default for EmbeddingConfig {
    /// The embedding as it is.
    fn default() -> Self {
        Self { scale: 1.0, norm: None, by_layer: None }
    }
}

/// What is done to a row's logits after the LM head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitsConfig {
    /// Factor on them.
    pub scale: f32,
    /// After that each becomes cap · tanh(logit / cap), if there is a cap.
    pub cap: Option<f32>,
}

impl Default for LogitsConfig {
    /// The logits as they are.
    fn default() -> Self {
        Self { scale: 1.0, cap: None }
    }
}

/// Where positions enter the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Positions {
    /// Only inside the layers (rotary embeddings).
    InLayers,
    /// A learned vector for each position is added to the token's embedding.
    Learned {
        /// Rows of the position table.
        rows: usize,
    },
}

/// The matrix of the LM head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadWeights {
    /// The embedding table itself ("tied").
    Tied,
    /// A matrix of its own.
    Separate,
}

impl ModelConfig {
    /// Bytes that one position takes in the KV cache, keys and values of all layers, in f32.
    pub fn cache_bytes_per_position(&self) -> u64 {
        let attentions = self.layers.iter().filter_map(|layer| layer.attention.as_ref());
        let elements: usize = attentions.map(AttentionConfig::cached_width).sum();
        4 * elements as u64
    }

    /// How many layers keep a KV cache, and how many a state.
    pub fn layers_keep(&self) -> LayersKeep {
        let mut keep = LayersKeep::default();
        for layer in &self.layers {
            *match (&layer.attention, &layer.recurrent) {
                (Some(attention), None) if !attention.has_cache() => &mut keep.shared,
                (Some(_), None) => &mut keep.cache_only,
                (None, Some(_)) => &mut keep.state_only,
                (Some(_), Some(_)) => &mut keep.both,
                (None, None) => &mut keep.neither,
            } += 1;
        }
        keep.latent = self.first_attention().and_then(AttentionConfig::latent_parts);
        keep
    }

    /// The first attention block, if any layer has one.
    pub fn first_attention(&self) -> Option<&AttentionConfig> {
        self.layers.iter().find_map(|layer| layer.attention.as_ref())
    }

    /// The attention blocks, to be changed.
    pub fn attentions(&mut self) -> impl Iterator<Item = &mut AttentionConfig> {
        self.layers.iter_mut().filter_map(|layer| layer.attention.as_mut())
    }

    /// The feed-forward blocks, to be changed.
    pub fn feed_forwards(&mut self) -> impl Iterator<Item = &mut FeedForwardConfig> {
        self.layers.iter_mut().filter_map(|layer| layer.feed_forward.as_mut())
    }
}
