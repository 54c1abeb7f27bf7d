//! What a configuration has to keep to: every size within its bounds, and dividing as it must.

use super::attention::{AttentionConfig, KeysValues, Latent};
use super::bias::Bias;
use super::experts::{
    ExpertGroups, ExpertsApart, ExpertsConfig, GroupRank, RouterConfig, RouterScores, SharedExpert,
};
use super::feed_forward::{FeedForwardConfig, FeedForwardKind};
use super::layer::{LayerConfig, Residual};
use super::limits;
use super::model::{EmbeddingByLayer, ModelConfig, Positions};
use super::norm::{NormConfig, NormKind};
use super::recurrent::RecurrentConfig;
use crate::model::error::{ConfigError, ensure, in_range, is_factor};

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
        let has_experts = |layer: &LayerConfig| {
            layer.feed_forward.is_some_and(|block| matches!(block.kind, FeedForwardKind::Experts(_)))
        };
        let blocks = self.width.is_multiple_of(8) || !self.layers.iter().any(has_experts);
        ensure(blocks, "the model's width", self.width, || {
            "it has to be a multiple of 8 where there are experts".to_owned()
        })?;
        if let Some(EmbeddingByLayer { width, norm, .. }) = self.embedding.by_layer {
            norm.check()?;
            in_range("the width of the embeddings by layer", width, limits::WIDTH)?;
            let all = width.saturating_mul(self.layers.len());
            in_range("the width of a token's embeddings by layer", all, limits::WIDTH)?;
            ensure(width.is_multiple_of(4), "the width of the embeddings by layer", width, || {
                "it has to be a multiple of 4".to_owned()
            })?;
        }
        self.layers.iter().try_for_each(LayerConfig::check)?;
        (0..self.layers.len()).try_for_each(|layer| self.check_cache(layer))
    }

    /// Whether there is the cache that a layer reads.
    fn check_cache(&self, layer: usize) -> Result<(), ConfigError> {
        let Some(attention) = &self.layers[layer].attention else { return Ok(()) };
        let KeysValues::OfLayer(owner) = attention.keys_values.source else { return Ok(()) };
        let before = self.layers[..layer].get(owner).and_then(|owner| owner.attention.as_ref());
        let is_there = before.is_some_and(|owner| {
            owner.has_cache()
                && !matches!(owner.keys_values.source, KeysValues::Latent(_))
                && owner.key_value_heads == attention.key_value_heads
                && owner.head_width == attention.head_width
        });
        ensure(is_there, "the layer whose KV cache another one reads", owner, || {
            format!("it has to come before layer {layer} and have a cache of such heads")
        })
    }
}

impl LayerConfig {
    fn check(&self) -> Result<(), ConfigError> {
        for norms in [self.attention_norms, self.feed_forward_norms] {
            [norms.before, norms.after].iter().flatten().try_for_each(NormConfig::check)?;
        }
        is_factor("the residual scale", self.residual.scale)?;
        // The feed-forward block would read what attention has been added to.
        let is_kept = self.residual.kind == Residual::Sequential || self.attention_norms.before.is_some();
        ensure(is_kept, "the norm before attention", "absent", || {
            "blocks side by side need a norm that they read".to_owned()
        })?;
        self.feed_forward.iter().try_for_each(FeedForwardConfig::check)?;
        self.attention.iter().try_for_each(AttentionConfig::check)?;
        self.recurrent.iter().try_for_each(RecurrentConfig::check)?;
        // Blocks side by side read what attention's norm gives.
        let is_one_block = self.attention.is_none() && self.recurrent.is_none();
        let fits = self.residual.kind == Residual::Sequential || !is_one_block && self.feed_forward.is_some();
        ensure(fits, "a layer of blocks side by side", "one block", || "it needs both".to_owned())
    }
}

impl AttentionConfig {
    fn check(&self) -> Result<(), ConfigError> {
        in_range("the number of attention heads", self.heads, limits::WIDTH)?;
        in_range("the number of key/value heads", self.key_value_heads, limits::WIDTH)?;
        in_range("the head width", self.head_width, limits::WIDTH)?;
        in_range("heads times head width", self.query_width(), limits::WIDTH)?;
        let (heads, groups) = (self.heads, self.key_value_heads);
        ensure(heads.is_multiple_of(groups), "the number of attention heads", heads, || {
            format!("it has to be a multiple of the {groups} key/value heads")
        })?;
        ensure(self.scale.is_finite(), "the attention scale", self.scale, || {
            "it has to be finite".to_owned()
        })?;
        if let Some(window) = self.scores.window {
            in_range("the attention window", window, limits::CONTEXT)?;
        }
        if let Some(chunk) = self.scores.chunk {
            in_range("the positions of a chunk of attention", chunk, limits::CONTEXT)?;
        }
        for factor in [self.scores.cap, self.scores.linear_bias].into_iter().flatten() {
            is_factor("the cap or slope of attention scores", factor)?;
        }
        if let Some(growth) = self.scores.growth {
            is_factor("the growth of attention scores", growth.rate)?;
            in_range("the positions until attention scores grow", growth.interval, limits::CONTEXT)?;
            ensure(growth.offset <= limits::CONTEXT, "the position of the first row", growth.offset, || {
                format!("it has to be at most {}", limits::CONTEXT)
            })?;
        }
        if let Some(limit) = self.clip {
            ensure(limit.is_finite() && limit > 0.0, "the limit of queries, keys and values", limit, || {
                "it has to be a number above 0".to_owned()
            })?;
        }
        if let Some(norm) = self.head_norm {
            NormConfig { kind: norm.kind, epsilon: norm.epsilon, bias: Bias::Absent }.check()?;
        }
        if let Some(epsilon) = self.keys_values.value_norm {
            NormConfig { kind: NormKind::Rms, epsilon, bias: Bias::Absent }.check()?;
        }
        if let KeysValues::Latent(latent) = self.keys_values.source {
            latent.check(self)?;
        }
        match &self.rotary {
            Some(rotary) => rotary.check(self.head_width),
            None => Ok(()),
        }
    }
}

impl Latent {
    /// What kernels can do with it: heads in the cache are in blocks of eight, and values begin with one.
    fn check(&self, attention: &AttentionConfig) -> Result<(), ConfigError> {
        in_range("the rank of keys and values", self.rank, limits::WIDTH)?;
        in_range("the plain width of a query's head", self.plain_width, limits::WIDTH)?;
        in_range("the width of a value's head", self.value_width, limits::WIDTH)?;
        self.query_rank.map_or(Ok(()), |rank| in_range("the rank of queries", rank, limits::WIDTH))?;
        NormConfig { kind: NormKind::Rms, epsilon: self.epsilon, bias: Bias::Absent }.check()?;
        let rotating = attention.rotating_width();
        let widest = self.plain_width.saturating_add(rotating).max(self.value_width);
        in_range("heads times head width", attention.heads.saturating_mul(widest), limits::WIDTH)?;
        let multiples = [
            ("the rank of keys and values", self.rank, 8),
            ("the rotating width of a head", rotating, 8),
            ("the plain width of a query's head", self.plain_width, 4),
            ("the width of a value's head", self.value_width, 4),
        ];
        for (what, size, of) in multiples {
            ensure(size.is_multiple_of(of), what, size, || {
                format!("it has to be a multiple of {of} where keys and values are latent")
            })?;
        }
        ensure(
            attention.key_value_heads == 1,
            "the number of key/value heads",
            attention.key_value_heads,
            || "there is one where keys and values are latent".to_owned(),
        )?;
        ensure(
            attention.head_width == rotating.saturating_add(self.rank),
            "the head width",
            attention.head_width,
            || format!("it has to be the rank and what rotates, {} and {rotating}", self.rank),
        )?;
        // What latent attention is never combined with is refused rather than left out.
        let is_plain =
            attention.clip.is_none() && attention.head_norm.is_none() && attention.output_gate.is_none();
        ensure(is_plain, "latent attention", "with clips, head norms or gates", || {
            "only without them is it supported".to_owned()
        })
    }
}

impl FeedForwardConfig {
    fn check(&self) -> Result<(), ConfigError> {
        in_range("the feed-forward width", self.width, limits::WIDTH)?;
        let FeedForwardKind::Experts(experts) = self.kind else { return Ok(()) };
        experts.check()?;
        let all_active = experts.active.saturating_mul(self.width);
        in_range("the width of all experts for a token", all_active, limits::WIDTH)?;
        in_range("the rows of all experts", experts.count.saturating_mul(self.width), limits::EXPERT_ROWS)?;
        ensure(self.width.is_multiple_of(8), "an expert's width", self.width, || {
            "it has to be a multiple of 8".to_owned()
        })
    }
}

impl ExpertsConfig {
    fn check(&self) -> Result<(), ConfigError> {
        in_range("the number of experts", self.count, limits::EXPERTS)?;
        let most = self.count.min(limits::ACTIVE_EXPERTS);
        in_range("the number of experts for a token", self.active, most)?;
        if let Some(SharedExpert { width, .. }) = self.shared {
            in_range("the shared expert's width", width, limits::WIDTH)?;
        }
        if let Some(ExpertsApart { norm, router_factor }) = self.apart {
            norm.check()?;
            is_factor("the factor on what the router makes", router_factor)?;
        }
        let RouterConfig { scores, renormalised, factor, groups } = self.router;
        if let RouterScores::SparseMixer { spread } = scores {
            ensure(
                spread.is_finite() && spread >= 0.0,
                "the spread of the router's results",
                spread,
                || "it has to be 0 or a small positive number".to_owned(),
            )?;
            let is_free = self.selection_bias == Bias::Absent && groups.is_none();
            ensure(is_free, "the router", "a sparse mixer", || {
                "it chooses without groups, and without a bias".to_owned()
            })?;
        }
        is_factor("the factor on the experts' shares", factor)?;
        if let Some(epsilon) = renormalised {
            let usable = epsilon.is_finite() && epsilon >= 0.0;
            ensure(usable, "what is added to the sum of the experts' shares", epsilon, || {
                "it has to be 0 or a small positive number".to_owned()
            })?;
        }
        groups.map_or(Ok(()), |groups| groups.check(self.count, self.active))
    }
}

impl ExpertGroups {
    fn check(&self, experts: usize, active: usize) -> Result<(), ConfigError> {
        let Self { count, kept, rank } = *self;
        in_range("the number of groups of experts", count, limits::EXPERT_GROUPS)?;
        let (least, words) = match rank {
            GroupRank::Largest => (1, ""),
            GroupRank::TwoLargest => (2, ", of two or more"),
        };
        let of_equal_size = experts.is_multiple_of(count) && (count == 1 || experts / count >= least);
        ensure(of_equal_size, "the number of groups of experts", count, || {
            format!("the {experts} experts have to fall into groups of equal size{words}")
        })?;
        in_range("the number of groups that a token's experts come from", kept, count)?;
        let available = kept * (experts / count);
        ensure(active <= available, "the number of experts for a token", active, || {
            format!("the groups that they come from have only {available}")
        })
    }
}

impl NormConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let usable = self.epsilon.is_finite() && self.epsilon > 0.0;
        ensure(usable, "the norm's epsilon", self.epsilon, || {
            "it has to be a small positive number".to_owned()
        })
    }
}
