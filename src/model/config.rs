//! What a decoder is made of: one [`ModelConfig`] for the model, one [`LayerConfig`] for each layer.
//!
//! These types hold choices ("the norm is RMSNorm"), never names of model families: a family's reader in
//! [`crate::formats`] translates its own `config.json` into them. Everything here is checked data: sizes are
//! positive and divide as they must, because [`ModelConfig::check`] ran at import.

use super::error::{ConfigError, ensure, in_range, is_factor};
use super::rotary::RotaryConfig;

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
    /// What becomes of the embedding before the first layer.
    pub embedding: EmbeddingConfig,
    /// The layers, first to last.
    pub layers: Vec<LayerConfig>,
    /// The norm between the last layer and the LM head.
    pub final_norm: NormConfig,
    /// Where the LM head's matrix comes from.
    pub head: HeadWeights,
    /// Whether the LM head adds a bias.
    pub head_bias: Bias,
    /// What becomes of the logits after the LM head.
    pub logits: LogitsConfig,
}

/// What becomes of a row's embedding before the first layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmbeddingConfig {
    /// Factor on it.
    pub scale: f32,
    /// The norm after that, where there is one.
    pub norm: Option<NormConfig>,
}

impl Default for EmbeddingConfig {
    /// The embedding as it is.
    fn default() -> Self {
        Self { scale: 1.0, norm: None }
    }
}

/// What becomes of a row's logits after the LM head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogitsConfig {
    /// Factor on them.
    pub scale: f32,
    /// After that each becomes cap · tanh(logit / cap), where there is a cap.
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

/// Whether a linear map or a norm adds a bias vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// No bias vector.
    Absent,
    /// A bias vector with one element for each output.
    Present,
}

/// One decoder layer: an attention block and a feed-forward block, each with its norms and added to the residual
/// stream.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerConfig {
    /// How the blocks and the residual stream are connected.
    pub residual: ResidualConfig,
    /// The norms around attention.
    pub attention_norms: BlockNorms,
    /// The attention block.
    pub attention: AttentionConfig,
    /// The norms around the feed-forward block.
    pub feed_forward_norms: BlockNorms,
    /// The feed-forward block.
    pub feed_forward: FeedForwardConfig,
}

/// How a layer's blocks and the residual stream are connected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResidualConfig {
    /// What the feed-forward block reads.
    pub flow: Flow,
    /// Factor on each block's result before it is added.
    pub scale: f32,
}

impl Default for ResidualConfig {
    /// One block after the other, results added as they are.
    fn default() -> Self {
        Self { flow: Flow::Sequential, scale: 1.0 }
    }
}

/// What a layer's feed-forward block reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The residual stream after attention was added.
    Sequential,
    /// The residual stream that attention reads too; what attention reads itself, where the feed-forward block has
    /// no norm of its own.
    Parallel,
}

/// The norms of a block, where it has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockNorms {
    /// Of what the block reads.
    pub before: Option<NormConfig>,
    /// Of its result, before that is added to the residual stream.
    pub after: Option<NormConfig>,
}

impl BlockNorms {
    /// Only what the block reads is normalised.
    pub const fn before(norm: NormConfig) -> Self {
        Self { before: Some(norm), after: None }
    }

    /// Only the block's result is normalised.
    pub const fn after(norm: NormConfig) -> Self {
        Self { before: None, after: Some(norm) }
    }

    /// Both are, alike.
    pub const fn around(norm: NormConfig) -> Self {
        Self { before: Some(norm), after: Some(norm) }
    }

    /// Neither is.
    pub const NONE: Self = Self { before: None, after: None };
}

/// A normalisation over the C elements of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormConfig {
    /// Which formula.
    pub kind: NormKind,
    /// Added under the square root.
    pub epsilon: f32,
    /// Whether a bias is added after the scale.
    pub bias: Bias,
}

/// The two normalisations in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormKind {
    /// x / sqrt(mean(x²) + ε) · w (Zhang and Sennrich 2019).
    Rms,
    /// (x − mean) / sqrt(var + ε) · w + b (Ba, Kiros and Hinton 2016).
    Layer,
}

/// Multi-head attention, grouped when there are fewer key/value heads than query heads.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionConfig {
    /// H: query heads.
    pub heads: usize,
    /// G: key/value heads; H is a multiple of G.
    pub key_value_heads: usize,
    /// D: elements of one head.
    pub head_width: usize,
    /// What no element of queries, keys and values exceeds either way, before norms and the rotary embedding, where
    /// there is such a limit.
    pub clip: Option<f32>,
    /// The norms of queries and keys before the rotary embedding, where the layer has them.
    pub head_norm: Option<HeadNormConfig>,
    /// Rotary position embedding of queries and keys, where the layer has one.
    pub rotary: Option<RotaryConfig>,
    /// Factor on query·key before the softmax, usually 1/√D.
    pub scale: f32,
    /// What else becomes of the scores before the softmax.
    pub scores: ScoresConfig,
    /// Whether the softmax of each head has a learned score that belongs to no position.
    pub sinks: Sinks,
    /// Biases of the query, key and value projections.
    pub query_key_value_bias: Bias,
    /// Bias of the output projection.
    pub output_bias: Bias,
}

/// Attention sinks: a learned score for each head that takes its share of the softmax and gives no value, so that a
/// head can attend to nothing (OpenAI 2025; the idea of Xiao et al. 2023).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sinks {
    /// Only positions take part.
    #[default]
    Absent,
    /// Each head's sink takes part too.
    Present,
}

/// What becomes of the scaled query·key before the softmax.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoresConfig {
    /// How many positions a row sees, the last ones up to itself, where it does not see all.
    pub window: Option<usize>,
    /// Each score becomes cap · tanh(score / cap), where there is a cap.
    pub cap: Option<f32>,
    /// Factor on the slopes of linear biases (Press et al. 2022), where there are any.
    pub linear_bias: Option<f32>,
}

/// Norms of queries and keys, without a bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadNormConfig {
    /// Which formula.
    pub kind: NormKind,
    /// Added under the square root.
    pub epsilon: f32,
    /// What is normalised together.
    pub extent: HeadNormExtent,
}

/// Which elements of a row of queries, or of keys, are normalised together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNormExtent {
    /// Each head by itself, with one weight of D elements for all.
    Head,
    /// Each head by itself, with a weight of its own.
    OwnWeights,
    /// The whole row.
    Row,
}

/// The feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedForwardConfig {
    /// F: elements between the two linear maps; of one expert, where there are several.
    pub width: usize,
    /// Gated, plain, or experts.
    pub kind: FeedForwardKind,
    /// The non-linearity.
    pub activation: Activation,
    /// Biases of all of the block's linear maps, the router's among them; not of the shared expert's gate.
    pub bias: Bias,
}

/// The shape of the feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForwardKind {
    /// down(activation(gate(x)) · up(x)) (Shazeer 2020).
    Gated,
    /// down(activation(up(x))).
    Plain,
    /// Many gated blocks, of which a router gives each row a few (Shazeer et al. 2017).
    Experts(ExpertsConfig),
}

/// Experts: Σ share(e) · expert(e, x) over those that the router's scores for the row are highest for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertsConfig {
    /// E: how many there are.
    pub count: usize,
    /// K: how many compute a row.
    pub active: usize,
    /// What each one's share is.
    pub shares: Shares,
    /// Width of a gated block that computes every row, and is multiplied by sigmoid(gate · x) before it is added.
    pub shared_width: Option<usize>,
}

/// An expert's share, by the router's scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shares {
    /// The softmax over all experts; the shares of the chosen ones add up to less than 1.
    OfAll,
    /// The softmax over the chosen ones.
    OfChosen,
}

/// Non-linearities, by formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// x · Φ(x), with the exact Gaussian error function.
    Gelu,
    /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// max(x, 0)² (So et al. 2021).
    ReluSquared,
    /// x · sigmoid(1.702 x).
    GeluSigmoid,
    /// x' · sigmoid(1.702 x') with x' = min(x, 7); as a gate it multiplies 1 plus the other value, which is kept
    /// within ±7 (gpt-oss).
    ClampedGelu,
}

/// Upper bounds on what a configuration may ask for: far above every published model, low enough that a
/// malformed file cannot make us allocate or loop without end.
pub mod limits {
    /// Vocabulary entries.
    pub const VOCABULARY: usize = 1 << 22;
    /// Elements of the residual stream, of a head group and of the feed-forward block.
    pub const WIDTH: usize = 1 << 20;
    /// Layers.
    pub const LAYERS: usize = 1 << 12;
    /// Experts of a layer.
    pub const EXPERTS: usize = 1 << 12;
    /// Experts that compute one row.
    pub const ACTIVE_EXPERTS: usize = 32;
    /// Rows of the matrices of all experts of a layer together.
    pub const EXPERT_ROWS: usize = 1 << 26;
    /// Positions.
    pub const CONTEXT: usize = 1 << 24;
}

impl ModelConfig {
    /// Checks every size against its bounds and against the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        in_range("the vocabulary size", self.vocabulary, limits::VOCABULARY)?;
        in_range("the model's width", self.width, limits::WIDTH)?;
        in_range("the context length", self.context, limits::CONTEXT)?;
        in_range("the number of layers", self.layers.len(), limits::LAYERS)?;
        if let Positions::Learned { rows } = self.positions {
            ensure(rows >= self.context, "the position table's length", rows, || {
                format!("the context has {} positions", self.context)
            })?;
        }
        self.embedding.norm.map_or(Ok(()), |norm| norm.check())?;
        is_factor("the embedding's scale", self.embedding.scale)?;
        is_factor("the logits' scale", self.logits.scale)?;
        self.logits.cap.map_or(Ok(()), |cap| is_factor("the logits' cap", cap))?;
        self.final_norm.check()?;
        let has_experts =
            |layer: &LayerConfig| matches!(layer.feed_forward.kind, FeedForwardKind::Experts(_));
        let blocks = self.width.is_multiple_of(8) || !self.layers.iter().any(has_experts);
        ensure(blocks, "the model's width", self.width, || {
            "it has to be a multiple of 8 where there are experts".to_owned()
        })?;
        self.layers.iter().try_for_each(LayerConfig::check)
    }

    /// Bytes that one position takes in the KV cache, keys and values of all layers, in f32.
    pub fn cache_bytes_per_position(&self) -> u64 {
        let elements: usize = self.layers.iter().map(|layer| 2 * layer.attention.key_value_width()).sum();
        4 * elements as u64
    }
}

impl LayerConfig {
    fn check(&self) -> Result<(), ConfigError> {
        for norms in [self.attention_norms, self.feed_forward_norms] {
            [norms.before, norms.after].iter().flatten().try_for_each(NormConfig::check)?;
        }
        is_factor("the residual scale", self.residual.scale)?;
        // The feed-forward block would read what attention has been added to.
        let is_kept = self.residual.flow == Flow::Sequential || self.attention_norms.before.is_some();
        ensure(is_kept, "the norm before attention", "absent", || {
            "blocks side by side need a norm that they read".to_owned()
        })?;
        self.feed_forward.check()?;
        let attention = &self.attention;
        in_range("the number of attention heads", attention.heads, limits::WIDTH)?;
        in_range("the number of key/value heads", attention.key_value_heads, limits::WIDTH)?;
        in_range("the head width", attention.head_width, limits::WIDTH)?;
        in_range("heads times head width", attention.query_width(), limits::WIDTH)?;
        let (heads, groups) = (attention.heads, attention.key_value_heads);
        ensure(heads.is_multiple_of(groups), "the number of attention heads", heads, || {
            format!("it has to be a multiple of the {groups} key/value heads")
        })?;
        ensure(attention.scale.is_finite(), "the attention scale", attention.scale, || {
            "it has to be finite".to_owned()
        })?;
        if let Some(window) = attention.scores.window {
            in_range("the attention window", window, limits::CONTEXT)?;
        }
        for factor in [attention.scores.cap, attention.scores.linear_bias].into_iter().flatten() {
            is_factor("the cap or slope of attention scores", factor)?;
        }
        if let Some(limit) = attention.clip {
            ensure(limit.is_finite() && limit > 0.0, "the limit of queries, keys and values", limit, || {
                "it has to be a number above 0".to_owned()
            })?;
        }
        if let Some(norm) = attention.head_norm {
            NormConfig { kind: norm.kind, epsilon: norm.epsilon, bias: Bias::Absent }.check()?;
        }
        match &attention.rotary {
            Some(rotary) => rotary.check(attention.head_width),
            None => Ok(()),
        }
    }
}

impl FeedForwardConfig {
    fn check(&self) -> Result<(), ConfigError> {
        in_range("the feed-forward width", self.width, limits::WIDTH)?;
        let FeedForwardKind::Experts(experts) = self.kind else { return Ok(()) };
        in_range("the number of experts", experts.count, limits::EXPERTS)?;
        in_range(
            "the number of experts for a token",
            experts.active,
            experts.count.min(limits::ACTIVE_EXPERTS),
        )?;
        let all_active = experts.active.saturating_mul(self.width);
        in_range("the width of all experts for a token", all_active, limits::WIDTH)?;
        in_range("the rows of all experts", experts.count.saturating_mul(self.width), limits::EXPERT_ROWS)?;
        in_range("the shared expert's width", experts.shared_width.unwrap_or(1), limits::WIDTH)?;
        ensure(self.width.is_multiple_of(8), "an expert's width", self.width, || {
            "it has to be a multiple of 8".to_owned()
        })
    }
}

impl AttentionConfig {
    /// H·D: elements of a row of queries.
    pub fn query_width(&self) -> usize {
        self.heads.saturating_mul(self.head_width)
    }

    /// G·D: elements of a row of keys, or of values.
    pub fn key_value_width(&self) -> usize {
        self.key_value_heads.saturating_mul(self.head_width)
    }
}

impl NormConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let usable = self.epsilon.is_finite() && self.epsilon > 0.0;
        ensure(usable, "the norm's epsilon", self.epsilon, || {
            "it has to be a small positive number".to_owned()
        })
    }
}
