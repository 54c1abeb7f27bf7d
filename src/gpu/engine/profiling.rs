//! The engine as a model whose passes can be timed op by op, and compared with what its device can do.

use std::ops::Range;

use super::core::Engine;
use crate::gpu::cache::PAGE_POSITIONS;
use crate::gpu::yardsticks::{copy_bandwidth, f32_rate};
use crate::model::language_model::LanguageModel;
use crate::model::plan::{AttentionOp, BufferId, Op, RowSet};
use crate::model::profiling::{CacheMap, LayerKeeps, OpTime, PassWork, Profiling};
use crate::model::{Batch, ModelError};

impl Profiling for Engine {
    fn op_times(&mut self, batch: &Batch) -> Result<Option<Vec<OpTime>>, ModelError> {
        self.device.check()?;
        let Some(costs) = self.profile(batch)? else { return Ok(None) };
        let layers = self.plan().layers();
        let time = |cost: super::OpCost| OpTime {
            kind: self.plan().kind(cost.op),
            layer: layers[cost.op],
            seconds: cost.seconds,
            dispatches: cost.dispatches,
            weight_bytes: self.weight_bytes(cost.op),
        };
        Ok(Some(costs.into_iter().map(time).collect()))
    }

    fn work(&self, positions: Range<usize>, outputs: usize) -> PassWork {
        // Without a row that wants logits the ops after the last layer do not run.
        let runs = |op: &usize| outputs > 0 || self.program.steps[*op].rows == RowSet::Batch;
        let ops = (0..self.plan().ops.len()).filter(runs);
        let of = |op| self.work_of(op, &positions, outputs);
        let mut work = ops.map(of).fold(PassWork::default(), PassWork::and);
        // The state is read, and written anew.
        work.cache_bytes += 2 * self.plan().state_bytes();
        work
    }

    fn copy_bandwidth(&mut self) -> Result<f64, ModelError> {
        copy_bandwidth(&self.device)
    }

    fn f32_rate(&mut self) -> Result<f64, ModelError> {
        f32_rate(&self.device)
    }

    fn cache_map(&self) -> CacheMap {
        let cache = &self.resources.cache;
        CacheMap {
            layers: self.layers_keep(),
            sequences: cache.pages.sequences().filter(|sequence| sequence.positions > 0).collect(),
            page_positions: PAGE_POSITIONS,
            page_bytes: cache.page_bytes(),
            used_pages: self.cache_usage().pages,
            shared_pages: cache.pages.shared(),
            allocated_pages: cache.pages.capacity(),
        }
    }
}

impl Engine {
    /// What an op of a pass over consecutive positions has to move and to compute.
    fn work_of(&self, op: usize, positions: &Range<usize>, outputs: usize) -> PassWork {
        let plan = self.plan();
        let rows = |buffer: BufferId| match plan.buffer(buffer).rows {
            RowSet::Batch => positions.len() as f64,
            RowSet::Outputs => outputs as f64,
        };
        let weight_bytes = self.weight_bytes(op);
        match &plan.ops[op] {
            // A head's matrix multiplies its own part of a row.
            Op::Linear { weight, output, .. } | Op::HeadLinear { weight, output, .. } => {
                let weight = plan.tensor(*weight);
                let multiply_adds = rows(*output) * weight.rows as f64 * weight.columns as f64;
                PassWork { weight_bytes, multiply_adds, ..PassWork::default() }
            }
            Op::ExpertLinear { weight, experts, routes, output, .. } => {
                let weight = plan.tensor(*weight);
                let active = plan.buffer(*routes).columns / 2;
                let each = weight.rows as f64 / *experts as f64 * weight.columns as f64;
                let multiply_adds = rows(*output) * active as f64 * each;
                let read = (active * positions.len()).min(*experts);
                let weight_bytes = weight_bytes * read as u64 / active.max(1) as u64;
                PassWork { weight_bytes, multiply_adds, ..PassWork::default() }
            }
            Op::Attention(attention) => self.work_of_attention(attention, positions),
            _ => PassWork { weight_bytes, ..PassWork::default() },
        }
    }

    fn work_of_attention(&self, op: &AttentionOp, positions: &Range<usize>) -> PassWork {
        let first = |position: usize| op.scores.first_seen(position + 1);
        let seen: f64 = positions.clone().map(|position| (position + 1 - first(position)) as f64).sum();
        let read = positions.end - positions.clone().map(first).min().unwrap_or(positions.end);
        PassWork {
            weight_bytes: 0,
            cache_bytes: self.resources.cache.layers[op.layer].bytes_of_position() * read as u64,
            // Scores, and the mean of the values.
            multiply_adds: seen * (op.heads * (op.head_width + op.value_width())) as f64,
        }
    }

    /// What each layer keeps of a text.
    fn layers_keep(&self) -> Vec<LayerKeeps> {
        let plan = self.plan();
        let mut layers: Vec<LayerKeeps> = Vec::new();
        for (op, layer) in plan.ops.iter().zip(plan.layers()) {
            let Some(layer) = layer else { continue };
            if layers.last().is_none_or(|last| last.layer != layer) {
                layers.push(LayerKeeps { layer, ..LayerKeeps::default() });
            }
            let Some(keeps) = layers.last_mut() else { continue };
            match op {
                Op::Attention(AttentionOp { scores, .. }) => {
                    (keeps.cache, keeps.window, keeps.chunk) = (true, scores.window, scores.chunk);
                }
                Op::Recurrence(_) | Op::Convolution(_) => keeps.state = true,
                _ => {}
            }
        }
        layers
    }
}
