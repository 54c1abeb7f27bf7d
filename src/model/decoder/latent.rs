//! Multi-head latent attention, in the form that attends to what is cached.
//!
//! Keys and values of all heads are linear in a latent vector c, so nothing else of a position is cached but c and the part
//! of the key that rotates, which all heads share: one key/value head k = [rotating; c], whose values are c.
//! For a head with the matrices K and V, q·(K c) = (Kᵀ q)·c, and Σ p (V c) = V (Σ p c): so Kᵀ is put on the queries, and V on
//! what the head has read (DeepSeek-V2, 2024, section 2.1.3 and appendix C).

use super::Planner;
use crate::model::config::{AttentionConfig, Bias, Latent, NormConfig, NormKind, Sinks};
use crate::model::plan::{AttentionOp, AttentionValues, BufferId, CacheWidths, Columns, Op, RowSet};

impl Planner {
    pub(super) fn latent_attention(
        &mut self,
        layer: usize,
        config: &AttentionConfig,
        latent: Latent,
        input: BufferId,
        output: BufferId,
    ) {
        let name = |part: &str| format!("layers.{layer}.attention.{part}");
        let (heads, head_width, rotating) = (config.heads, config.head_width, config.rotating_width());
        let projected =
            self.buffer("projected queries", heads * (rotating + latent.plain_width), RowSet::Batch);
        let query = self.buffer("queries", heads * head_width, RowSet::Batch);
        let key = self.buffer("latent keys", head_width, RowSet::Batch);
        let read = self.buffer("what heads read", heads * latent.rank, RowSet::Batch);
        let mixed = self.buffer("attention output", heads * latent.value_width, RowSet::Batch);

        let normed = self.query_latent(&name, config, latent, input);
        self.linear(&name("query"), Bias::Absent, normed, projected);
        self.head_linear(&name("query_to_latent"), heads, rotating, projected, query);
        self.linear(&name("latent"), config.query_key_value_bias, input, key);
        let weight = Some(self.tensor(&name("latent_norm.weight"), 1, latent.rank));
        self.ops.push(Op::HeadNorm {
            kind: NormKind::Rms,
            epsilon: latent.epsilon,
            weight,
            heads: 1,
            head_width: latent.rank,
            columns: Columns { buffer: key, first: rotating },
        });
        if let Some(rotary) = &config.rotary {
            let table = self.rotary(rotary.table(self.context));
            self.ops.push(Op::Rotary { table, heads, head_width, buffer: query });
            self.ops.push(Op::Rotary { table, heads: 1, head_width, buffer: key });
        }
        let cache = self.cache_widths.len();
        self.ops.push(Op::CacheWrite { layer: cache, key, value: None });
        self.cache_widths.push(CacheWidths { keys: head_width, values: 0 });
        self.caches.resize(layer + 1, cache);
        let sinks = match config.sinks {
            Sinks::Absent => None,
            Sinks::Present => Some(self.tensor(&name("sinks.weight"), 1, heads)),
        };
        self.ops.push(Op::Attention(AttentionOp {
            layer: cache,
            heads,
            key_value_heads: 1,
            head_width,
            values: AttentionValues::OfKeys { first: rotating },
            scale: config.scale,
            scores: config.scores,
            sinks,
            query: Columns { buffer: query, first: 0 },
            output: read,
            prologue: None,
        }));
        self.head_linear(&name("value"), heads, 0, read, mixed);
        self.linear(&name("output"), config.output_bias, mixed, output);
    }

    /// What queries are made of: the block's input, or a normalised latent vector of it.
    fn query_latent(
        &mut self,
        name: &impl Fn(&str) -> String,
        config: &AttentionConfig,
        latent: Latent,
        input: BufferId,
    ) -> BufferId {
        let Some(rank) = latent.query_rank else { return input };
        let [raw, normed] =
            ["query latent", "normed query latent"].map(|buffer| self.buffer(buffer, rank, RowSet::Batch));
        self.linear(&name("query_latent"), config.query_key_value_bias, input, raw);
        let norm = NormConfig { kind: NormKind::Rms, epsilon: latent.epsilon, bias: Bias::Absent };
        self.norm(&name("query_latent_norm"), &norm, raw, normed);
        normed
    }

    /// A linear map by head between two buffers of heads, which both begin with the elements that stay.
    fn head_linear(&mut self, name: &str, heads: usize, kept: usize, input: BufferId, output: BufferId) {
        let [columns, rows] = [input, output].map(|buffer| self.buffers[buffer.0].columns - heads * kept);
        let weight = self.tensor(&format!("{name}.weight"), rows, columns / heads);
        self.ops.push(Op::HeadLinear { weight, heads, kept, input, output });
    }
}
