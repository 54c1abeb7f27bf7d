//! The transformer on one screen: [`ModelConfig`] in, [`Plan`] out.
//!
//! Conditions on the architecture are decided here, once a load: an absent part emits nothing.

mod by_layer;
pub mod drafting;
mod feed_forward;
mod latent;
mod recurrent;

use super::cache::CacheFormat;
use super::config::{
    AttentionConfig, Bias, BlockFactors, BlockNorms, EmbeddingByLayer, GateExtent, GateFunction,
    HeadNormConfig, HeadNormExtent, HeadNormPlace, HeadWeights, KeysValues, LayerConfig, ModelConfig,
    NormConfig, NormKind, OutputGate, Positions, Residual, Sinks, StreamFactor,
};
use super::plan::{
    AttentionOp, AttentionValues, BufferId, BufferSpec, CacheWidths, Columns, Epilogue, Op, Plan, RotaryId,
    RowSet, StateSpec, TensorId, TensorSpec,
};
use super::rotary::RotaryTable;

/// The plain plan of a decoder: one op for each formula, nothing fused.
pub fn plan_decoder(config: &ModelConfig) -> Plan {
    let mut planner = Planner { context: config.context, ..Planner::default() };
    let residual = planner.buffer("residual stream", config.width, RowSet::Batch);
    let table = planner.tensor("embed.tokens", config.vocabulary, config.width);
    let positions = match config.positions {
        Positions::InLayers => None,
        Positions::Learned { rows } => Some(planner.tensor("embed.positions", rows, config.width)),
    };
    let embedding = match config.embedding.norm {
        None => residual,
        Some(_) => planner.buffer("embedding", config.width, RowSet::Batch),
    };
    planner.ops.push(Op::Embed { table, positions, output: embedding });
    planner.scale(config.embedding.scale, embedding);
    if let Some(norm) = &config.embedding.norm {
        planner.norm("embed.norm", norm, embedding, residual);
    }
    if let Some(by_layer) = config.embedding.by_layer {
        planner.embed_by_layer(by_layer, config, residual);
    }
    for (index, layer) in config.layers.iter().enumerate() {
        planner.layer(index, layer, residual);
    }

    planner.lm_head(config, "final_norm", residual, table)
}

#[derive(Default)]
struct Planner {
    tensors: Vec<TensorSpec>,
    buffers: Vec<BufferSpec>,
    rotary_tables: Vec<RotaryTable>,
    cache_widths: Vec<CacheWidths>,
    /// For each layer so far the cache that its attention reads.
    caches: Vec<usize>,
    states: Vec<StateSpec>,
    ops: Vec<Op>,
    /// Those of the layer.
    factors: BlockFactors,
    /// Longest sequence, in positions.
    context: usize,
    /// What each token has for each layer, and where it is.
    by_layer: Option<(EmbeddingByLayer, BufferId)>,
}

/// The weight and the bias of a linear map.
type Matrix = (TensorId, Option<TensorId>);

impl Planner {
    fn layer(&mut self, index: usize, config: &LayerConfig, residual: BufferId) {
        let name = |block: &str| format!("layers.{index}.{block}");
        let (attention, feed_forward) = (name("attention"), name("feed_forward"));
        let width = self.buffers[residual.0].columns;
        let update = self.buffer("update", width, RowSet::Batch);
        let LayerConfig { attention_norms, feed_forward_norms, .. } = config;
        self.factors = config.residual.factors;

        let mut parallel_input = None;
        if config.attention.is_some() || config.recurrent.is_some() {
            let input = self.norm_before(&attention, attention_norms, residual, "normed");
            // Parallel blocks both read the residual stream as it was before attention.
            parallel_input = match (config.residual.kind, feed_forward_norms.before) {
                (Residual::Sequential, _) => None,
                (Residual::Parallel, None) => Some(input),
                (Residual::Parallel, Some(_)) => {
                    let buffer = "normed for feed-forward";
                    Some(self.norm_before(&feed_forward, feed_forward_norms, residual, buffer))
                }
            };
            self.mixers(index, config, input, update);
            self.add(&attention, config.residual.scale, attention_norms, update, residual);
        }
        if let Some(block) = &config.feed_forward {
            let input = parallel_input
                .unwrap_or_else(|| self.norm_before(&feed_forward, feed_forward_norms, residual, "normed"));
            self.feed_forward(&feed_forward, block, [residual, input], update);
            self.scale(self.factors.feed_forward, update);
            self.add(&feed_forward, config.residual.scale, feed_forward_norms, update, residual);
        }
        if let Some((by_layer, vectors)) = self.by_layer {
            let first = index * by_layer.width;
            self.add_by_layer(
                &name("feed_forward.by_layer"),
                by_layer,
                Columns { buffer: vectors, first },
                residual,
            );
        }
        if config.residual.stream == StreamFactor::Present {
            let factor = self.tensor(&name("stream.factor.weight"), 1, 1);
            self.ops.push(Op::ScaleBy { factor, buffer: residual });
        }
    }

    /// What lets a row know of others: attention, a block with a state, or the sum of both.
    fn mixers(&mut self, index: usize, config: &LayerConfig, input: BufferId, output: BufferId) {
        if let Some(attention) = &config.attention {
            self.attention(index, attention, input, output);
            self.scale(self.factors.attention, output);
        }
        let Some(recurrent) = &config.recurrent else { return };
        if config.attention.is_none() {
            self.recurrent(index, recurrent, input, output);
            return self.scale(self.factors.recurrent, output);
        }
        let second = self.buffer("recurrent update", self.buffers[output.0].columns, RowSet::Batch);
        self.recurrent(index, recurrent, input, second);
        self.scale(self.factors.recurrent, second);
        self.ops.push(Op::Add { input: second, output });
    }

    /// What a block reads: the residual stream, normalised if the block has a norm before it.
    fn norm_before(
        &mut self,
        block: &str,
        norms: &BlockNorms,
        residual: BufferId,
        buffer: &'static str,
    ) -> BufferId {
        let Some(norm) = &norms.before else { return residual };
        let normed = self.buffer(buffer, self.buffers[residual.0].columns, RowSet::Batch);
        self.norm(&format!("{block}.norm"), norm, residual, normed);
        normed
    }

    /// Adds a block's result to the residual stream.
    fn add(&mut self, block: &str, scale: f32, norms: &BlockNorms, update: BufferId, residual: BufferId) {
        let input = match &norms.after {
            None => update,
            Some(norm) => {
                let normed = self.buffer("normed update", self.buffers[update.0].columns, RowSet::Batch);
                self.norm(&format!("{block}.update_norm"), norm, update, normed);
                normed
            }
        };
        self.scale(scale, input);
        self.ops.push(Op::Add { input, output: residual });
    }

    fn scale(&mut self, factor: f32, buffer: BufferId) {
        if factor != 1.0 {
            self.ops.push(Op::Scale { factor, buffer });
        }
    }

    fn attention(&mut self, layer: usize, config: &AttentionConfig, input: BufferId, output: BufferId) {
        if let KeysValues::Latent(latent) = config.keys_values.source {
            return self.latent_attention(layer, config, latent, input, output);
        }
        let name = |part: &str| format!("layers.{layer}.attention.{part}");
        let (query_width, key_value_width) = (config.query_width(), config.key_value_width());
        let query = self.buffer("queries", query_width, RowSet::Batch);
        // A layer that reads another's cache has neither keys nor values.
        let own = config
            .has_cache()
            .then(|| ["keys", "values"].map(|name| self.buffer(name, key_value_width, RowSet::Batch)));
        let mixed = self.buffer("attention output", query_width, RowSet::Batch);

        // Before what becomes one op with the attention.
        let gate = config.output_gate.map(|gate| self.output_gate(&name("gate"), gate, config, input));
        let bias = config.query_key_value_bias;
        self.linear(&name("query"), bias, input, query);
        if let Some([key, value]) = own {
            let of_keys = self.matrix(&name("key"), bias, input, key);
            let of_values = match config.keys_values.source {
                KeysValues::OneProjection => of_keys,
                KeysValues::Projected | KeysValues::OfLayer(_) | KeysValues::Latent(_) => {
                    self.matrix(&name("value"), bias, input, value)
                }
            };
            self.multiply(of_keys, input, key);
            self.multiply(of_values, input, value);
        }
        if let Some(limit) = config.clip {
            let buffers = std::iter::once(query).chain(own.into_iter().flatten());
            self.ops.extend(buffers.map(|buffer| Op::Clamp { limit, buffer }));
        }
        self.ready(&name, config, query, own);
        let cache = self.cache(layer, config, own);
        let sinks = match config.sinks {
            Sinks::Absent => None,
            Sinks::Present => Some(self.tensor(&name("sinks.weight"), 1, config.heads)),
        };
        self.ops.push(Op::Attention(AttentionOp {
            layer: cache,
            heads: config.heads,
            key_value_heads: config.key_value_heads,
            head_width: config.head_width,
            values: AttentionValues::Cached,
            scale: config.scale,
            scores: config.scores,
            sinks,
            query: Columns { buffer: query, first: 0 },
            output: mixed,
            prologue: None,
        }));
        if let Some((function, width, gate)) = gate {
            self.ops.push(Op::GateRows { function, width, gate, output: mixed });
        }
        self.linear(&name("output"), config.output_bias, mixed, output);
    }

    /// Normalises queries, keys and values by head, and turns queries and keys.
    fn ready(
        &mut self,
        name: &impl Fn(&str) -> String,
        config: &AttentionConfig,
        query: BufferId,
        own: Option<[BufferId; 2]>,
    ) {
        let &AttentionConfig { key_value_heads, head_width, .. } = config;
        let place = config.head_norm.as_ref().map(|norm| norm.place);
        if place == Some(HeadNormPlace::BeforeRotary) {
            self.head_norms(name, config, query, own);
        }
        if let (Some(epsilon), Some([_, buffer])) = (config.keys_values.value_norm, own) {
            let (kind, weight, heads) = (NormKind::Rms, None, key_value_heads);
            let columns = Columns { buffer, first: 0 };
            self.ops.push(Op::HeadNorm { kind, epsilon, weight, heads, head_width, columns });
        }
        if let Some(rotary) = &config.rotary {
            let table = self.rotary(rotary.table(self.context));
            self.ops.push(Op::Rotary { table, heads: config.heads, head_width, buffer: query });
            if let Some([buffer, _]) = own {
                self.ops.push(Op::Rotary { table, heads: key_value_heads, head_width, buffer });
            }
        }
        if place == Some(HeadNormPlace::AfterRotary) {
            self.head_norms(name, config, query, own);
        }
    }

    /// Normalises queries and keys by head.
    fn head_norms(
        &mut self,
        name: &impl Fn(&str) -> String,
        config: &AttentionConfig,
        query: BufferId,
        own: Option<[BufferId; 2]>,
    ) {
        let Some(norm) = &config.head_norm else { return };
        self.head_norm(&name("query_norm"), norm, config.heads, config.head_width, query);
        if let Some([key, _]) = own {
            self.head_norm(&name("key_norm"), norm, config.key_value_heads, config.head_width, key);
        }
    }

    /// The cache that a layer's attention reads, after its keys and values are in it.
    fn cache(&mut self, layer: usize, config: &AttentionConfig, own: Option<[BufferId; 2]>) -> usize {
        let cache = match (config.keys_values.source, own) {
            (KeysValues::OfLayer(owner), _) => self.caches[owner],
            (_, None) => self.cache_widths.len(),
            (_, Some([key, value])) => {
                let cache = self.cache_widths.len();
                self.ops.push(Op::CacheWrite { layer: cache, key, value: Some(value) });
                self.cache_widths.push(CacheWidths::alike(config.key_value_width()));
                cache
            }
        };
        self.caches.resize(layer + 1, cache);
        cache
    }

    /// The gates on the attention's output: what becomes of them, how many columns one multiplies, and where they are.
    fn output_gate(
        &mut self,
        name: &str,
        gate: OutputGate,
        config: &AttentionConfig,
        input: BufferId,
    ) -> (GateFunction, usize, Columns) {
        let width = match gate.extent {
            GateExtent::Element => 1,
            GateExtent::Head => config.head_width,
        };
        let gates = self.buffer("attention gates", config.query_width() / width, RowSet::Batch);
        self.linear(name, Bias::Absent, input, gates);
        (gate.function, width, Columns { buffer: gates, first: 0 })
    }

    fn head_norm(
        &mut self,
        name: &str,
        config: &HeadNormConfig,
        heads: usize,
        head_width: usize,
        buffer: BufferId,
    ) {
        let HeadNormConfig { kind, epsilon, extent, .. } = *config;
        let (heads, head_width, width) = match extent {
            HeadNormExtent::Head => (heads, head_width, head_width),
            HeadNormExtent::OwnWeights => (heads, head_width, heads * head_width),
            // A row is one wide head.
            HeadNormExtent::Row => (1, heads * head_width, heads * head_width),
        };
        let weight = Some(self.tensor(&format!("{name}.weight"), 1, width));
        let columns = Columns { buffer, first: 0 };
        self.ops.push(Op::HeadNorm { kind, epsilon, weight, heads, head_width, columns });
    }

    fn norm(&mut self, name: &str, config: &NormConfig, input: BufferId, output: BufferId) {
        let columns = self.buffers[input.0].columns;
        let weight = self.tensor(&format!("{name}.weight"), 1, columns);
        let bias = self.bias(&format!("{name}.bias"), columns, config.bias);
        let (kind, epsilon) = (config.kind, config.epsilon);
        self.ops.push(Op::Norm { kind, epsilon, weight, bias, input, output });
    }

    fn linear(&mut self, name: &str, bias: Bias, input: BufferId, output: BufferId) {
        let matrix = self.matrix(name, bias, input, output);
        self.multiply(matrix, input, output);
    }

    /// The weight and the bias of a linear map between two buffers.
    fn matrix(&mut self, name: &str, bias: Bias, input: BufferId, output: BufferId) -> Matrix {
        let (columns, rows) = (self.buffers[input.0].columns, self.buffers[output.0].columns);
        let weight = self.tensor(&format!("{name}.weight"), rows, columns);
        (weight, self.bias(&format!("{name}.bias"), rows, bias))
    }

    fn multiply(&mut self, (weight, bias): Matrix, input: BufferId, output: BufferId) {
        self.ops.push(Op::Linear { norm: None, weight, bias, input, output, epilogue: Epilogue::Store });
    }

    fn bias(&mut self, name: &str, columns: usize, bias: Bias) -> Option<TensorId> {
        match bias {
            Bias::Absent => None,
            Bias::Present => Some(self.tensor(name, 1, columns)),
        }
    }

    fn tensor(&mut self, name: &str, rows: usize, columns: usize) -> TensorId {
        self.tensors.push(TensorSpec { name: name.to_owned(), rows, columns });
        TensorId(self.tensors.len() - 1)
    }

    /// The buffer of this name and width; layers of one shape share theirs.
    fn buffer(&mut self, name: &'static str, columns: usize, rows: RowSet) -> BufferId {
        let spec = BufferSpec { name, columns, rows };
        if let Some(index) = self.buffers.iter().position(|known| *known == spec) {
            return BufferId(index);
        }
        self.buffers.push(spec);
        BufferId(self.buffers.len() - 1)
    }

    fn rotary(&mut self, table: RotaryTable) -> RotaryId {
        if let Some(index) = self.rotary_tables.iter().position(|known| *known == table) {
            return RotaryId(index);
        }
        self.rotary_tables.push(table);
        RotaryId(self.rotary_tables.len() - 1)
    }

    /// From the residual stream to the logits, as the end of the plan.
    fn lm_head(
        mut self,
        config: &ModelConfig,
        final_norm: &str,
        residual: BufferId,
        table: TensorId,
    ) -> Plan {
        let picked = self.buffer("picked rows", config.width, RowSet::Outputs);
        let hidden = self.buffer("final hidden state", config.width, RowSet::Outputs);
        let logits = self.buffer("logits", config.vocabulary, RowSet::Outputs);
        self.ops.push(Op::Pick { input: residual, output: picked });
        self.norm(final_norm, &config.final_norm, picked, hidden);
        let weight = match config.head {
            HeadWeights::Tied => table,
            HeadWeights::Separate => self.tensor("head.weight", config.vocabulary, config.width),
        };
        let bias = self.bias("head.bias", config.vocabulary, config.head_bias);
        let epilogue = Epilogue::Store;
        self.ops.push(Op::Linear { norm: None, weight, bias, input: hidden, output: logits, epilogue });
        self.scale(config.logits.scale, logits);
        if let Some(cap) = config.logits.cap {
            self.ops.push(Op::SoftCap { cap, buffer: logits });
        }
        Plan {
            tensors: self.tensors,
            buffers: self.buffers,
            rotary_tables: self.rotary_tables,
            cache_widths: self.cache_widths,
            states: self.states,
            cache_format: CacheFormat::default(),
            ops: self.ops,
            logits,
            hidden: Some(hidden),
            carried: None,
        }
    }
}
