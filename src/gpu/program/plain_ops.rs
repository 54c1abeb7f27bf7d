//! The ops that are one dispatch, and the embedding.

use super::compiler::{Compiler, activation_constant, flag, numbered};
use super::dispatch::Dispatch;
use crate::gpu::kernels::Kernel;
use crate::model::ModelError;
use crate::model::config::NormKind;
use crate::model::plan::{BufferId, Columns, Op, RotaryId, TensorId};

/// The norm of an [`Op::HeadNorm`].
#[derive(Clone, Copy)]
pub(super) struct HeadNorm {
    kind: NormKind,
    epsilon: f32,
    weight: TensorId,
}

impl Compiler<'_> {
    pub(super) fn embed(
        &self,
        table: TensorId,
        positions: Option<TensorId>,
        output: BufferId,
    ) -> Result<Vec<Dispatch>, ModelError> {
        let blocks = self.blocks(output);
        self.for_shards(table, |shard| {
            let mut buffers = vec![
                (0, &self.resources.pass),
                (1, &shard.buffer),
                (3, self.optional(positions)),
                (4, self.buffer(output)),
            ];
            buffers.extend(shard.scales.as_ref().map(|scales| (2, scales)));
            let constants = vec![
                ("FIRST_ROW", shard.rows.start as f64),
                ("SHARD_ROWS", shard.rows.len() as f64),
                ("COLUMNS4", f64::from(blocks)),
                ("ROW_BLOCKS", self.row_blocks(table)),
                ("STRIDE4", self.stride(output) / 4.0),
                ("HAS_POSITIONS", flag(positions)),
            ];
            self.elementwise(Kernel::Embed, self.form(table), blocks, constants, &buffers)
        })
    }

    /// Ops of one dispatch, whose kernel reads no weights of varying format.
    pub(super) fn single(&self, op: &Op) -> Result<Dispatch, ModelError> {
        let pass = &self.resources.pass;
        match *op {
            Op::Norm { kind, epsilon, weight, bias, input, output } => {
                self.norm(kind, epsilon, weight, bias, input, output)
            }
            Op::Rotary { table, heads, head_width, buffer } => {
                self.rotary(table, heads, head_width, Columns { buffer, first: 0 })
            }
            Op::Activate { activation, buffer } => {
                let constants = vec![activation_constant(activation)];
                self.blockwise(Kernel::Activate, buffer, constants, &[self.buffer(buffer)])
            }
            Op::Gate { activation, up, output } => {
                let constants = vec![activation_constant(activation)];
                self.blockwise(Kernel::Gate, output, constants, &[self.buffer(up), self.buffer(output)])
            }
            Op::Add { input, output } => {
                let buffers = [self.buffer(input), self.buffer(output)];
                self.blockwise(Kernel::Add, output, Vec::new(), &buffers)
            }
            Op::Pick { input, output } => {
                let buffers = [pass, self.buffer(input), self.buffer(output)];
                self.blockwise(Kernel::Pick, output, Vec::new(), &buffers)
            }
            Op::Scale { factor, buffer } => {
                let constants = vec![("FACTOR", f64::from(factor))];
                self.blockwise(Kernel::Scale, buffer, constants, &[self.buffer(buffer)])
            }
            Op::Clamp { limit, buffer } => {
                let constants = vec![("LIMIT", f64::from(limit))];
                self.blockwise(Kernel::Clamp, buffer, constants, &[self.buffer(buffer)])
            }
            Op::SoftCap { cap, buffer } => {
                let constants = vec![("CAP", f64::from(cap))];
                self.blockwise(Kernel::SoftCap, buffer, constants, &[self.buffer(buffer)])
            }
            Op::HeadNorm { kind, epsilon, weight, heads, head_width, buffer } => {
                let norm = HeadNorm { kind, epsilon, weight };
                self.head_norm(norm, heads, head_width, Columns { buffer, first: 0 })
            }
            Op::Route { active, shares, scores, output } => self.route(active, shares, scores, output),
            Op::Mix { routes, input, output } => self.mix(routes, input, output),
            Op::GateRows { gate, output } => self.gate_rows(gate, output),
            Op::Embed { .. }
            | Op::Linear { .. }
            | Op::CacheWrite { .. }
            | Op::Attention(_)
            | Op::ExpertLinear { .. } => {
                unreachable!("has its own function")
            }
        }
    }

    pub(super) fn norm(
        &self,
        kind: NormKind,
        epsilon: f32,
        weight: TensorId,
        bias: Option<TensorId>,
        input: BufferId,
        output: BufferId,
    ) -> Result<Dispatch, ModelError> {
        let kernel = match kind {
            NormKind::Rms => Kernel::RmsNorm,
            NormKind::Layer => Kernel::LayerNorm,
        };
        let mut constants = vec![
            ("COLUMNS", self.plan.buffer(input).columns as f64),
            ("COLUMNS4", f64::from(self.stride_blocks(input))),
            ("EPSILON", f64::from(epsilon)),
            ("HAS_BIAS", flag(bias)),
        ];
        constants.extend(self.sum_constants());
        let tensors = [self.optional(Some(weight)), self.optional(bias)];
        let buffers = numbered(&[self.buffer(input), tensors[0], tensors[1], self.buffer(output)]);
        self.dispatch(kernel, None, constants, &buffers, 1, 1)
    }

    fn head_norm(
        &self,
        norm: HeadNorm,
        heads: usize,
        head_width: usize,
        columns: Columns,
    ) -> Result<Dispatch, ModelError> {
        let mut constants = vec![
            ("HEAD_WIDTH", head_width as f64),
            ("WEIGHT_WIDTH", self.plan.tensor(norm.weight).columns as f64),
            ("SUBTRACTS_MEAN", f64::from(u8::from(norm.kind == NormKind::Layer))),
            ("EPSILON", f64::from(norm.epsilon)),
        ];
        constants.extend(self.column_constants(columns));
        constants.extend(self.sum_constants());
        let buffers = numbered(&[self.buffer(columns.buffer), self.optional(Some(norm.weight))]);
        self.dispatch(Kernel::HeadNorm, None, constants, &buffers, heads as u32, 1)
    }

    fn rotary(
        &self,
        table: RotaryId,
        heads: usize,
        head_width: usize,
        columns: Columns,
    ) -> Result<Dispatch, ModelError> {
        let pairs = self.plan.rotary_tables[table.0].pairs();
        let mut constants = vec![
            ("HEADS", heads as f64),
            ("HEAD_WIDTH", head_width as f64),
            ("PAIRS", pairs as f64),
            ("TABLE", table.0 as f64),
        ];
        constants.extend(self.column_constants(columns));
        let buffers = numbered(&[&self.resources.pass, self.buffer(columns.buffer)]);
        self.elementwise(Kernel::Rotary, None, (heads * pairs) as u32, constants, &buffers)
    }
}
