//! The second embedding, which has a vector for each layer.

use super::Planner;
use crate::model::config::{Bias, EmbeddingByLayer, ModelConfig, NormConfig};
use crate::model::plan::{BufferId, Columns, Op, RowSet};

impl Planner {
    /// What each row has for each layer: its token's vectors, and what a projection makes of its embedding.
    pub(super) fn embed_by_layer(
        &mut self,
        by_layer: EmbeddingByLayer,
        config: &ModelConfig,
        residual: BufferId,
    ) {
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
        let columns = Columns { buffer: projected, first: 0 };
        self.ops.push(Op::HeadNorm { kind, epsilon, weight, heads, head_width: width, columns });
        self.ops.push(Op::Add { input: projected, output: vectors });
        self.scale(std::f32::consts::FRAC_1_SQRT_2, vectors);
        self.by_layer = Some((by_layer, vectors));
    }

    /// Adds what a layer makes of its own vector of each row: norm(output(activation(gate(x)) · vector)).
    pub(super) fn add_by_layer(
        &mut self,
        name: &str,
        by_layer: EmbeddingByLayer,
        vector: Columns,
        residual: BufferId,
    ) {
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
}
