//! The attention block.

use super::bias::Bias;
use super::norm::NormKind;
use crate::model::rotary::RotaryConfig;
use crate::units::LatentParts;

/// Multi-head attention, grouped when there are fewer key/value heads than query heads.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionConfig {
    /// H: query heads.
    pub heads: usize,
    /// G: key/value heads; H is a multiple of G.
    pub key_value_heads: usize,
    /// D: elements of one head.
    pub head_width: usize,
    /// The limit that queries, keys and values are clamped to, before norms and the rotary embedding, if there is one.
    pub clip: Option<f32>,
    /// The norms of queries and keys, if the layer has them.
    pub head_norm: Option<HeadNormConfig>,
    /// Rotary position embedding of queries and keys, if the layer has one.
    pub rotary: Option<RotaryConfig>,
    /// Factor on query·key before the softmax, usually 1/√D.
    pub scale: f32,
    /// What else is done to the scores before the softmax.
    pub scores: ScoresConfig,
    /// Where keys and values come from, and the values' norm.
    pub keys_values: KeysValuesConfig,
    /// Whether the softmax of each head has a learned score that belongs to no position.
    pub sinks: Sinks,
    /// What each head's result is multiplied by before the output projection, if by anything.
    pub output_gate: Option<OutputGate>,
    /// Biases of the query, key and value projections.
    pub query_key_value_bias: Bias,
    /// Bias of the output projection.
    pub output_bias: Bias,
}

impl AttentionConfig {
    /// Attention and nothing else ("Attention Is All You Need", section 3.2): as many key/value heads as query heads, the
    /// factor 1/√D, and no biases.
    pub fn plain(heads: usize, head_width: usize) -> Self {
        Self {
            heads,
            key_value_heads: heads,
            head_width,
            clip: None,
            head_norm: None,
            rotary: None,
            scale: (head_width as f64).sqrt().recip() as f32,
            scores: ScoresConfig::default(),
            keys_values: KeysValuesConfig::default(),
            sinks: Sinks::default(),
            output_gate: None,
            query_key_value_bias: Bias::Absent,
            output_bias: Bias::Absent,
        }
    }
}

/// A layer's keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KeysValuesConfig {
    /// Where they come from.
    pub source: KeysValues,
    /// The ε of RMSNorm without a weight over each head of the values, if the layer has that.
    pub value_norm: Option<f32>,
}

/// Where a layer's keys and values come from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum KeysValues {
    /// Each from a projection of its own.
    #[default]
    Projected,
    /// Both from the keys' projection: values are what keys are before their norm and the rotary embedding.
    OneProjection,
    /// They are those of an earlier layer, by its number, with heads as here: the layer reads that one's cache, and has
    /// none (Brandon et al. 2024).
    OfLayer(usize),
    /// Those of all heads from a latent vector, which is what is cached. The layer's one key/value head is the part of the
    /// keys that rotates and then this vector, D is their width together, and all of a projected query but its plain
    /// elements rotates.
    Latent(Latent),
}

/// Multi-head latent attention (DeepSeek-V2, 2024).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latent {
    /// Elements of a position's latent vector.
    pub rank: usize,
    /// Elements of a head's query and key that do not rotate.
    pub plain_width: usize,
    /// Elements of a head's value.
    pub value_width: usize,
    /// Elements of the latent vector that queries are made of, if there is one.
    pub query_rank: Option<usize>,
    /// Under the square root of the norms of both latent vectors.
    pub epsilon: f32,
    /// Which elements of the rotating part turn together in the files.
    pub stored_pairs: StoredPairs,
}

/// How files store the elements that rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredPairs {
    /// Neighbours turn together.
    Neighbours,
    /// As it is computed here: element i of the first half and element i of the second turn together.
    Halves,
}

/// Gates on what attention gives: f(gate · x) for the normed input x of the block (Qiu et al. 2025). The projection has
/// no bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputGate {
    /// What one gate multiplies.
    pub extent: GateExtent,
    /// f.
    pub function: GateFunction,
}

/// What one gate multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateExtent {
    /// One element: there are H·D gates.
    Element,
    /// One head: there are H gates.
    Head,
}

/// What becomes of a gate before it multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateFunction {
    /// 1 / (1 + exp(−x)).
    Sigmoid,
    /// ln(1 + exp(x)).
    Softplus,
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

/// What is done to the scaled query·key before the softmax.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoresConfig {
    /// How many positions a row sees, counted back from itself, if it does not see all.
    pub window: Option<usize>,
    /// How many positions there are in a chunk, if a row sees none before its own.
    pub chunk: Option<usize>,
    /// Each score becomes cap · tanh(score / cap), if there is a cap.
    pub cap: Option<f32>,
    /// Factor on the slopes of linear biases (Press et al. 2022), if there are any.
    pub linear_bias: Option<f32>,
    /// A factor that grows with the row's position, before the cap, if there is one.
    pub growth: Option<ScoreGrowth>,
}

impl ScoresConfig {
    /// The first of so many positions that their last one sees.
    pub fn first_seen(&self, positions: usize) -> usize {
        let of_window = self.window.map_or(0, |window| positions.saturating_sub(window));
        let of_chunk = self.chunk.map_or(0, |chunk| positions.saturating_sub(1) / chunk * chunk);
        of_window.max(of_chunk)
    }
}

/// All scores of a row are multiplied by 1 + rate · ln(1 + ⌊(position + offset) / interval⌋), so that attention stays as sharp
/// in texts longer than those trained on (Meta 2025).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreGrowth {
    /// How fast the factor grows.
    pub rate: f32,
    /// Positions until it grows.
    pub interval: usize,
    /// What the first position counts as.
    pub offset: usize,
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
    /// Before or after the rotary embedding.
    pub place: HeadNormPlace,
}

/// Where queries and keys are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadNormPlace {
    /// Before they are turned.
    #[default]
    BeforeRotary,
    /// After they are turned.
    AfterRotary,
}

/// Which elements of a row of queries, or of keys, are normalised together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNormExtent {
    /// Each head separately, with one weight of D elements for all.
    Head,
    /// Each head separately, with a weight of its own.
    OwnWeights,
    /// The whole row.
    Row,
}

impl AttentionConfig {
    /// H·D: elements of a row of queries.
    pub fn query_width(&self) -> usize {
        self.heads.saturating_mul(self.head_width)
    }

    /// Elements of a head that rotate.
    pub fn rotating_width(&self) -> usize {
        self.rotary.as_ref().map_or(0, |rotary| rotary.width)
    }

    /// Whether the layer has a cache of its own.
    pub fn has_cache(&self) -> bool {
        !matches!(self.keys_values.source, KeysValues::OfLayer(_))
    }

    /// Elements that the cache has for a position, keys and values together.
    pub fn cached_width(&self) -> usize {
        match self.keys_values.source {
            KeysValues::OfLayer(_) => 0,
            KeysValues::Latent(_) => self.key_value_width(),
            KeysValues::Projected | KeysValues::OneProjection => self.key_value_width().saturating_mul(2),
        }
    }

    /// What the cache has of a position, where keys and values are latent.
    pub fn latent_parts(&self) -> Option<LatentParts> {
        match self.keys_values.source {
            KeysValues::Latent(Latent { rank, .. }) => {
                Some(LatentParts { latent: rank, rotating: self.rotating_width() })
            }
            _ => None,
        }
    }

    /// G·D: elements of a row of keys, or of values.
    pub fn key_value_width(&self) -> usize {
        self.key_value_heads.saturating_mul(self.head_width)
    }
}
