//! Attention and the writing of the KV cache as dispatches.

use super::{Compiler, Constants, Dispatch, HeadNorm, numbered};
use crate::gpu::pages::PAGE_POSITIONS;
use crate::gpu::shader::Kernel;
use crate::model::ModelError;
use crate::model::config::NormKind;
use crate::model::plan::{BufferId, Columns, Fresh, Op};

/// Positions that attention takes at a time.
const TILE: u32 = 32;

impl Compiler<'_> {
    pub(super) fn cache_write(
        &self,
        layer: usize,
        key: BufferId,
        value: BufferId,
    ) -> Result<Dispatch, ModelError> {
        let columns = |buffer| Columns { buffer, first: 0 };
        self.write_cache(layer, columns(key), columns(value))
    }

    /// The dispatches of an [`Op::Attention`].
    pub(super) fn attention(&self, op: &Op) -> Result<Vec<Dispatch>, ModelError> {
        let Op::Attention { layer, heads, key_value_heads, head_width, scale, query, output, fresh } = *op
        else {
            unreachable!("is for attention alone")
        };
        let mut dispatches = Vec::new();
        if let Some(Fresh { key, value, norms, rotary }) = fresh {
            let parts =
                [(query, heads, norms.map(|n| n.query)), (key, key_value_heads, norms.map(|n| n.key))];
            for (columns, heads, norm) in parts {
                if let (Some(weight), Some(norms)) = (norm, norms) {
                    let norm = HeadNorm { kind: NormKind::Rms, epsilon: norms.epsilon, weight };
                    dispatches.push(self.head_norm(norm, heads, head_width, columns)?);
                }
                if let Some(table) = rotary {
                    dispatches.push(self.rotary(table, heads, head_width, columns)?);
                }
            }
            dispatches.push(self.write_cache(layer, key, value)?);
        }
        let mut constants: Constants = vec![
            ("WORKGROUP", f64::from(self.choice.reduce_lanes)),
            ("TILE", f64::from(TILE)),
            ("HEADS", heads as f64),
            ("GROUPS", key_value_heads as f64),
            ("HEAD_WIDTH", head_width as f64),
            ("HEAD_BLOCKS", head_width.div_ceil(4) as f64),
            ("SCALE", f64::from(scale)),
            ("PAGE_POSITIONS", PAGE_POSITIONS as f64),
        ];
        constants.extend(self.column_constants(query));
        constants.push(("OUTPUT_STRIDE", self.stride(output)));
        let cache = &self.memory.cache.layers[layer];
        let (query, output) = (self.buffer(query.buffer), self.buffer(output));
        let buffers = numbered(&[self.memory.pass, query, &cache.keys, &cache.values, output]);
        dispatches.push(self.dispatch(Kernel::Attention, None, constants, &buffers, heads as u32, 1)?);
        Ok(dispatches)
    }

    fn write_cache(&self, layer: usize, key: Columns, value: Columns) -> Result<Dispatch, ModelError> {
        let (groups, head_width) = self.cache_shape(layer);
        let blocks = head_width.div_ceil(4);
        let constants = vec![
            ("GROUPS", groups as f64),
            ("HEAD_WIDTH", head_width as f64),
            ("HEAD_BLOCKS", blocks as f64),
            ("STRIDE", self.stride(key.buffer)),
            ("FIRST_KEY", key.first as f64),
            ("FIRST_VALUE", value.first as f64),
        ];
        let cache = &self.memory.cache.layers[layer];
        let (key, value) = (self.buffer(key.buffer), self.buffer(value.buffer));
        let buffers = numbered(&[self.memory.pass, key, value, &cache.keys, &cache.values]);
        self.elementwise(Kernel::CacheWrite, None, (groups * blocks) as u32, constants, &buffers)
    }

    /// Key/value heads and head width of a layer's cache.
    fn cache_shape(&self, wanted: usize) -> (usize, usize) {
        let shape = |op: &Op| match *op {
            Op::Attention { layer, key_value_heads, head_width, .. } if layer == wanted => {
                Some((key_value_heads, head_width))
            }
            _ => None,
        };
        self.plan.ops.iter().find_map(shape).expect("a cache that is written is read by attention")
    }
}
