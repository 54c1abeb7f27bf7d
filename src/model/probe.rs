//! What lies between the ops at one position of a sequence: how it is asked for, and what comes back.

use super::batch::SequenceId;
use super::error::ModelError;

/// A model into whose passes one can look.
pub trait Probing {
    /// Computes one position of a sequence again, in a fork of it, and tells what lies between the ops. The sequence, and
    /// what passes over it give, stay as they are.
    fn probe(&mut self, request: &ProbeRequest) -> Result<Probe, ModelError>;
}

/// Which position to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The sequence; what comes before the position is cached.
    pub sequence: SequenceId,
    /// The position, from 0.
    pub position: usize,
    /// The token that stands there.
    pub input: u32,
    /// The token whose logit is followed through the layers; `None` for the most likely one.
    pub token: Option<u32>,
    /// How many tokens each lens names.
    pub top: usize,
}

/// What lies between the ops at one position.
///
/// The residual stream x after the last layer is the embedding and what each block added to it. With the final norm's scale
/// as it is at this position the LM head is linear in x, so the logit of a token is a sum of one part for each of these, and
/// one for the biases of norm and head.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The position, from 0.
    pub position: usize,
    /// The token that stands there.
    pub input: u32,
    /// The token whose logit is followed.
    pub token: u32,
    /// The embedding's share.
    pub embedding: Addition,
    /// One for each layer with a block.
    pub layers: Vec<LayerProbe>,
    /// What the biases of the final norm and of the LM head add to the token's logit.
    pub bias_logit: f64,
    /// The token's logit before the cap on logits, if the model has one: what the parts add up to.
    pub uncapped_logit: f32,
    /// What the model says in the end.
    pub last: Lens,
}

/// A vector that was added to the residual stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Addition {
    /// Its length, √Σx².
    pub norm: f64,
    /// Its part of the token's logit.
    pub logit: f64,
}

/// What a layer did.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerProbe {
    /// Its number in the model, from 0.
    pub layer: usize,
    /// What the model would say if this layer were its last: final norm and LM head on the residual stream after it.
    pub lens: Lens,
    /// The length of the residual stream after it.
    pub residual_norm: f64,
    /// What attention, a block with a state, or the sum of both added.
    pub mixer: Option<Addition>,
    /// What the feed-forward block added.
    pub feed_forward: Option<Addition>,
    /// What its blocks are made of.
    pub inside: Inside,
}

/// What can be seen in the blocks of a layer, as far as it has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inside {
    /// Where attention looked.
    pub attention: Option<AttentionProbe>,
    /// Whom the router chose.
    pub experts: Option<ExpertsProbe>,
    /// What the state kept.
    pub state: Option<StateProbe>,
}

/// A row of logits in short.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lens {
    /// The highest logits with their tokens, highest first, the lower id first among equals.
    pub top: Vec<(u32, f32)>,
    /// The logit of the token that is followed.
    pub logit: f32,
    /// Its log-probability under the softmax of the row, in nats.
    pub log_probability: f64,
    /// Its place by logit, from 1.
    pub rank: usize,
    /// log Σ exp of the logits, in nats.
    pub log_sum_exp: f64,
}

/// The weights of one row's attention.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionProbe {
    /// For each query head a weight for each position up to the row's own. With the sink's they add up to 1.
    pub heads: Vec<Vec<f32>>,
    /// Key/value heads: so many groups of neighbouring query heads share one.
    pub groups: usize,
    /// The positions that the layer sees at most, itself included; `None` for all. The others' weights are 0.
    pub window: Option<usize>,
    /// For each query head the share of its sink, a score without a position; empty where the model has none.
    pub sinks: Vec<f32>,
}

/// What the router made of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpertsProbe {
    /// For each expert its score: the sigmoid of what the router gave, in other routers the softmax over all experts.
    pub scores: Vec<f32>,
    /// The experts chosen, in the order of choice, and the share that each has in the result.
    pub chosen: Vec<(usize, f32)>,
}

/// What a row did to the states of a layer's heads.
#[derive(Clone, Debug, PartialEq)]
pub struct StateProbe {
    /// How a head's state is written to.
    pub rule: StateRule,
    /// For each head the share of its state that it kept, from 0 to 1.
    pub kept: Vec<f32>,
    /// For each head how strongly it wrote.
    pub wrote: Vec<f32>,
}

/// What the strength of a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateRule {
    /// How far the value that the key gives was moved towards the new one: 1 replaces it.
    Delta,
    /// The time step: the factor on what was added.
    TimeStep,
}

impl Probe {
    /// What the parts of the logit add up to.
    pub fn sum_of_parts(&self) -> f64 {
        let blocks = self.layers.iter().flat_map(|layer| [layer.mixer, layer.feed_forward]).flatten();
        self.embedding.logit + blocks.map(|block| block.logit).sum::<f64>() + self.bias_logit
    }
}

impl Lens {
    /// The probability of a logit of this row.
    pub fn probability(&self, logit: f32) -> f64 {
        (f64::from(logit) - self.log_sum_exp).exp()
    }
}
