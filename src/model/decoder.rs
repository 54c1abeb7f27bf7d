//! The transformer on one screen: [`ModelConfig`] in, [`Plan`] out.
//!
//! Conditions on the architecture are decided here, once a load: an absent part emits nothing.

pub mod drafting;
mod recurrent;

use super::cache::CacheFormat;
use super::config::{
    AttentionConfig, Bias, BlockFactors, BlockNorms, EmbeddingByLayer, ExpertKind, ExpertsConfig,
    FeedForwardConfig, FeedForwardKind, GateExtent, GateFunction, HeadNormConfig, HeadNormExtent,
    HeadWeights, KeysValues, LayerConfig, ModelConfig, NormConfig, NormKind, OutputGate, Positions, Residual,
    SharedGate, Sinks, StreamFactor,
};
use super::plan::{
    AttentionOp, BufferId, BufferSpec, Columns, Epilogue, ExpertInput, Op, Plan, RotaryId, RowSet, StateSpec,
    TensorId, TensorSpec,
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
    cache_widths: Vec<usize>,
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

    /// What each row has for each layer: its token's vectors, and what a projection makes of its embedding.
    fn embed_by_layer(&mut self, by_layer: EmbeddingByLayer, config: &ModelConfig, residual: BufferId) {
        let EmbeddingByLayer { width, norm: NormConfig { kind, epsilon, .. }, .. } = by_layer;
        let heads = config.layers.len();
        let [vectors, projected] = ["vectors by layer", "projected by layer"]
            .map(|name| self.buffer(name, heads * width, RowSet::Batch));
        let table = self.tensor("embed.by_layer", config.vocabulary, heads * width);
        self.ops.push(Op::Embed { table, positions: None, output: vectors });
        self.scale((width as f64).sqrt() as f32, vectors);
        self.linear("embed.projection", Bias::Absent, residual, projected);
        self.scale((config.width as f64).sqrt().recip() as f32, projected);
        let weight = Some(self.tensor("embed.projection_norm.weight", 1, width));
        self.ops.push(Op::HeadNorm { kind, epsilon, weight, heads, head_width: width, buffer: projected });
        self.ops.push(Op::Add { input: projected, output: vectors });
        self.scale(std::f32::consts::FRAC_1_SQRT_2, vectors);
        self.by_layer = Some((by_layer, vectors));
    }

    /// Adds what a layer makes of its own vector of each row: norm(output(activation(gate(x)) · vector)).
    fn add_by_layer(&mut self, name: &str, by_layer: EmbeddingByLayer, vector: Columns, residual: BufferId) {
        let EmbeddingByLayer { width, norm, activation } = by_layer;
        let gate = self.buffer("gate by layer", width, RowSet::Batch);
        let [update, normed] = ["update", "normed update"]
            .map(|name| self.buffer(name, self.buffers[residual.0].columns, RowSet::Batch));
        self.linear(&format!("{name}.gate"), Bias::Absent, residual, gate);
        self.ops.push(Op::Gate { activation, up: vector, output: gate });
        self.linear(&format!("{name}.output"), Bias::Absent, gate, update);
        self.norm(&format!("{name}.norm"), &norm, update, normed);
        self.ops.push(Op::Add { input: normed, output: residual });
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
                KeysValues::Projected | KeysValues::OfLayer(_) => {
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
        let &AttentionConfig { heads, key_value_heads, head_width, .. } = config;
        if let Some(norm) = &config.head_norm {
            self.head_norm(&name("query_norm"), norm, heads, head_width, query);
            if let Some([key, _]) = own {
                self.head_norm(&name("key_norm"), norm, key_value_heads, head_width, key);
            }
        }
        if let (Some(epsilon), Some([_, buffer])) = (config.keys_values.value_norm, own) {
            let (kind, weight, heads) = (NormKind::Rms, None, key_value_heads);
            self.ops.push(Op::HeadNorm { kind, epsilon, weight, heads, head_width, buffer });
        }
        if let Some(rotary) = &config.rotary {
            let table = self.rotary(rotary.table(self.context));
            self.ops.push(Op::Rotary { table, heads, head_width, buffer: query });
            if let Some([buffer, _]) = own {
                self.ops.push(Op::Rotary { table, heads: key_value_heads, head_width, buffer });
            }
        }
    }

    /// The cache that a layer's attention reads, after its keys and values are in it.
    fn cache(&mut self, layer: usize, config: &AttentionConfig, own: Option<[BufferId; 2]>) -> usize {
        let cache = match (config.keys_values.source, own) {
            (KeysValues::OfLayer(owner), _) => self.caches[owner],
            (_, None) => self.cache_widths.len(),
            (_, Some([key, value])) => {
                let cache = self.cache_widths.len();
                self.ops.push(Op::CacheWrite { layer: cache, key, value });
                self.cache_widths.push(config.key_value_width());
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
        let HeadNormConfig { kind, epsilon, extent } = *config;
        let (heads, head_width, columns) = match extent {
            HeadNormExtent::Head => (heads, head_width, head_width),
            HeadNormExtent::OwnWeights => (heads, head_width, heads * head_width),
            // A row is one wide head.
            HeadNormExtent::Row => (1, heads * head_width, heads * head_width),
        };
        let weight = Some(self.tensor(&format!("{name}.weight"), 1, columns));
        self.ops.push(Op::HeadNorm { kind, epsilon, weight, heads, head_width, buffer });
    }

    /// The block reads its input; experts apart from it read the residual stream.
    fn feed_forward(
        &mut self,
        name: &str,
        config: &FeedForwardConfig,
        [residual, input]: [BufferId; 2],
        output: BufferId,
    ) {
        match &config.kind {
            FeedForwardKind::Plain => self.plain(name, config, input, output),
            FeedForwardKind::Gated => self.gated(name, config, input, output),
            FeedForwardKind::Experts(experts) => {
                self.experts(name, config, experts, [residual, input], output)
            }
        }
    }

    /// down(activation(up(x))).
    fn plain(&mut self, name: &str, config: &FeedForwardConfig, input: BufferId, output: BufferId) {
        let up = self.buffer("feed-forward up", config.width, RowSet::Batch);
        self.linear(&format!("{name}.up"), config.bias, input, up);
        self.ops.push(Op::Activate { activation: config.activation, buffer: up });
        self.linear(&format!("{name}.down"), config.bias, up, output);
    }

    /// down(activation(gate(x)) · up(x)).
    fn gated(&mut self, name: &str, config: &FeedForwardConfig, input: BufferId, output: BufferId) {
        let up = self.buffer("feed-forward up", config.width, RowSet::Batch);
        let gate = self.buffer("feed-forward gate", config.width, RowSet::Batch);
        self.linear(&format!("{name}.up"), config.bias, input, up);
        self.linear(&format!("{name}.gate"), config.bias, input, gate);
        self.scale(self.factors.feed_forward_gate, gate);
        let up = Columns { buffer: up, first: 0 };
        self.ops.push(Op::Gate { activation: config.activation, up, output: gate });
        self.linear(&format!("{name}.down"), config.bias, gate, output);
    }

    /// The blocks that the router chooses, mixed by share, and the one that computes every row.
    fn experts(
        &mut self,
        name: &str,
        config: &FeedForwardConfig,
        experts: &ExpertsConfig,
        [residual, of_block]: [BufferId; 2],
        output: BufferId,
    ) {
        let ExpertsConfig { active, kind, apart, .. } = *experts;
        let width = self.buffers[output.0].columns;
        let input = match &apart {
            None => of_block,
            Some(apart) => {
                let normed = self.buffer("normed for experts", width, RowSet::Batch);
                self.norm(&format!("{name}.experts.norm"), &apart.norm, residual, normed);
                normed
            }
        };
        let routes = self.routes(name, config.bias, experts, [residual, of_block]);

        let (activation, bias) = (config.activation, config.bias);
        let up = self.buffer("experts up", active * config.width, RowSet::Batch);
        let down = self.buffer("experts down", active * width, RowSet::Batch);
        let part = |part: &str| format!("{name}.experts.{part}");
        self.expert_linear(&part("up"), bias, experts, [routes, input, up], ExpertInput::Shared);
        let hidden = match kind {
            ExpertKind::Plain => {
                self.ops.push(Op::Activate { activation, buffer: up });
                up
            }
            ExpertKind::Gated => {
                let gate = self.buffer("experts gate", active * config.width, RowSet::Batch);
                self.expert_linear(&part("gate"), bias, experts, [routes, input, gate], ExpertInput::Shared);
                let up = Columns { buffer: up, first: 0 };
                self.ops.push(Op::Gate { activation, up, output: gate });
                gate
            }
        };
        self.expert_linear(&part("down"), bias, experts, [routes, hidden, down], ExpertInput::PerExpert);
        let mixed = if apart.is_some() { self.buffer("experts mixed", width, RowSet::Batch) } else { output };
        self.ops.push(Op::Mix { routes, input: down, output: mixed });
        if let Some(apart) = &apart {
            self.norm(&part("update_norm"), &apart.norm, mixed, output);
        }
        if let Some(shared) = experts.shared {
            let bias = if bias == Bias::Present { bias } else { experts.shared_bias };
            let block = FeedForwardConfig { width: shared.width, bias, ..*config };
            self.shared_expert(name, &block, experts, shared.gate, [of_block, output]);
        }
    }

    /// The experts of each row, and their shares.
    fn routes(
        &mut self,
        name: &str,
        bias: Bias,
        experts: &ExpertsConfig,
        [residual, of_block]: [BufferId; 2],
    ) -> BufferId {
        let ExpertsConfig { count, active, router, apart, .. } = *experts;
        let scores = self.buffer("router scores", count, RowSet::Batch);
        let routes = self.buffer("routes", 2 * active, RowSet::Batch);
        let router_name = format!("{name}.router");
        match &apart {
            None => self.linear(&router_name, bias, of_block, scores),
            Some(apart) => {
                let width = self.buffers[residual.0].columns;
                let normed = self.buffer("normed for the router", width, RowSet::Batch);
                self.norm(&format!("{router_name}.norm"), &apart.norm, residual, normed);
                self.linear(&router_name, bias, normed, scores);
                self.scale(apart.router_factor, scores);
            }
        }
        let bias = self.bias(&format!("{name}.selection.bias"), count, experts.selection_bias);
        let factors = self.bias(&format!("{name}.experts.factors.weight"), count, experts.share_factors);
        self.ops.push(Op::Route { active, router, bias, factors, scores, output: routes });
        routes
    }

    /// Adds what the block that computes every row makes of the input.
    fn shared_expert(
        &mut self,
        name: &str,
        block: &FeedForwardConfig,
        experts: &ExpertsConfig,
        gate: SharedGate,
        [input, output]: [BufferId; 2],
    ) {
        let width = self.buffers[output.0].columns;
        let update = self.buffer("shared expert", width, RowSet::Batch);
        let part = format!("{name}.shared");
        match experts.kind {
            ExpertKind::Gated => self.gated(&part, block, input, update),
            ExpertKind::Plain => self.plain(&part, block, input, update),
        }
        if gate == SharedGate::Sigmoid {
            let gate = self.buffer("shared expert's gate", 1, RowSet::Batch);
            self.linear(&format!("{name}.shared_gate"), Bias::Absent, input, gate);
            let gate = Columns { buffer: gate, first: 0 };
            self.ops.push(Op::GateRows { function: GateFunction::Sigmoid, width, gate, output: update });
        }
        let input = match &experts.apart {
            None => update,
            Some(apart) => {
                let normed = self.buffer("normed shared expert", width, RowSet::Batch);
                self.norm(&format!("{part}.update_norm"), &apart.norm, update, normed);
                normed
            }
        };
        self.ops.push(Op::Add { input, output });
    }

    fn expert_linear(
        &mut self,
        name: &str,
        bias: Bias,
        experts: &ExpertsConfig,
        [routes, input, output]: [BufferId; 3],
        expert_input: ExpertInput,
    ) {
        let ExpertsConfig { count, active, .. } = *experts;
        let (inputs, outputs) = (self.buffers[input.0].columns, self.buffers[output.0].columns);
        let columns = match expert_input {
            ExpertInput::Shared => inputs,
            ExpertInput::PerExpert => inputs / active,
        };
        let rows = count * (outputs / active);
        let weight = self.tensor(&format!("{name}.weight"), rows, columns);
        let bias = self.bias(&format!("{name}.bias"), rows, bias);
        self.ops.push(Op::ExpertLinear { weight, bias, experts: count, routes, input, expert_input, output });
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
