//! The plan as dispatches: for each op the pipelines, bind groups and grids that compute it.
//!
//! Made once at load, and again only when a buffer was replaced (the cache grew); per pass nothing is decided
//! but the number of rows.

use super::cache::Cache;
use super::device::Device;
use super::kernels::{KernelChoice, LinearVariant};
use super::pages::PAGE_POSITIONS;
use super::shader::Kernel;
use super::weights::{Form, GpuTensor, Shard, padded};
use crate::model::ModelError;
use crate::model::config::{Activation, NormKind};
use crate::model::plan::{BufferId, Op, Plan, RowSet, TensorId};

/// Positions that attention takes at a time.
const ATTENTION_TILE: u32 = 32;
/// Most workgroups in one dimension of a dispatch.
const MOST_WORKGROUPS: u32 = 65_535;

/// What the ops compute with.
pub(super) struct Memory<'a> {
    pub pass: &'a wgpu::Buffer,
    pub tensors: &'a [GpuTensor],
    pub buffers: &'a [wgpu::Buffer],
    /// Bound where an optional tensor is absent.
    pub nothing: &'a wgpu::Buffer,
    pub cache: &'a Cache,
}

/// One op, ready to run.
pub(super) struct Step {
    /// Which rows it computes.
    pub rows: RowSet,
    /// Its dispatches for few rows.
    few: Vec<Dispatch>,
    /// Its dispatches for more; empty where `few` serves as well.
    many: Vec<Dispatch>,
    most_few_rows: usize,
}

struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    /// Workgroups over the columns.
    columns: u32,
    /// Rows of one workgroup.
    rows: u32,
}

impl Step {
    /// Encodes the op for `rows` rows.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, rows: usize) {
        let many = rows > self.most_few_rows && !self.many.is_empty();
        for dispatch in if many { &self.many } else { &self.few } {
            pass.set_pipeline(&dispatch.pipeline);
            pass.set_bind_group(0, &dispatch.group, &[]);
            let x = dispatch.columns.min(MOST_WORKGROUPS);
            let y = (rows as u32).div_ceil(dispatch.rows);
            pass.dispatch_workgroups(x, y, dispatch.columns.div_ceil(MOST_WORKGROUPS));
        }
    }
}

/// One step for each op of the plan.
pub(super) fn compile(
    device: &Device,
    plan: &Plan,
    memory: &Memory<'_>,
    choice: KernelChoice,
) -> Result<Vec<Step>, ModelError> {
    let compiler = Compiler { device, plan, memory, choice };
    plan.ops.iter().map(|op| compiler.step(op)).collect()
}

struct Compiler<'a> {
    device: &'a Device,
    plan: &'a Plan,
    memory: &'a Memory<'a>,
    choice: KernelChoice,
}

type Constants = Vec<(&'static str, f64)>;

impl Compiler<'_> {
    fn step(&self, op: &Op) -> Result<Step, ModelError> {
        let rows = op.output().map_or(RowSet::Batch, |buffer| self.plan.buffer(buffer).rows);
        let (few, many) = match *op {
            Op::Linear { weight, bias, input, output } => {
                let few = self.linear(self.choice.few_rows, weight, bias, input, output)?;
                (few, self.linear(LinearVariant::Tiles, weight, bias, input, output)?)
            }
            Op::Embed { table, positions, output } => (self.embed(table, positions, output)?, Vec::new()),
            _ => (vec![self.single(op)?], Vec::new()),
        };
        Ok(Step { rows, few, many, most_few_rows: self.choice.most_few_rows })
    }

    fn embed(
        &self,
        table: TensorId,
        positions: Option<TensorId>,
        output: BufferId,
    ) -> Result<Vec<Dispatch>, ModelError> {
        let blocks = self.blocks(output);
        self.for_shards(table, |shard| {
            let buffers = [self.memory.pass, &shard.buffer, self.optional(positions), self.buffer(output)];
            let mut constants = shard_constants(shard);
            constants.push(("COLUMNS4", f64::from(blocks)));
            constants.push(("HAS_POSITIONS", flag(positions)));
            self.elementwise(Kernel::Embed, self.form(table), blocks, constants, &buffers)
        })
    }

    fn linear(
        &self,
        variant: LinearVariant,
        weight: TensorId,
        bias: Option<TensorId>,
        input: BufferId,
        output: BufferId,
    ) -> Result<Vec<Dispatch>, ModelError> {
        self.for_shards(weight, |shard| {
            let outputs = shard.rows.len() as u32;
            let (kernel, lanes, groups, rows) = match variant {
                LinearVariant::Lanes => {
                    let lanes = self.choice.plain_lanes;
                    (Kernel::LinearLanes, lanes, outputs.div_ceil(lanes), 1)
                }
                LinearVariant::Groups => {
                    (Kernel::LinearGroups, self.choice.reduce_lanes, outputs.div_ceil(4), 1)
                }
                LinearVariant::Tiles => {
                    let lanes = self.choice.plain_lanes;
                    (Kernel::LinearTiles, lanes, outputs.div_ceil(4 * lanes), 4)
                }
            };
            let mut constants = shard_constants(shard);
            constants.extend([
                ("WORKGROUP", f64::from(lanes)),
                ("COLUMNS4", f64::from(self.blocks(input))),
                ("OUTPUT_BLOCKS", f64::from(self.blocks(output))),
                ("HAS_BIAS", flag(bias)),
            ]);
            let mut buffers =
                vec![&shard.buffer, self.optional(bias), self.buffer(input), self.buffer(output)];
            if variant == LinearVariant::Tiles {
                let outputs_only = self.plan.buffer(output).rows == RowSet::Outputs;
                constants.push(("ROWS_WORD", f64::from(u8::from(outputs_only))));
                buffers.insert(0, self.memory.pass);
            }
            self.dispatch(kernel, self.form(weight), constants, &buffers, groups, rows)
        })
    }

    /// Ops of one dispatch, whose kernel reads no weights of varying format.
    fn single(&self, op: &Op) -> Result<Dispatch, ModelError> {
        let pass = self.memory.pass;
        match *op {
            Op::Norm { kind, epsilon, weight, bias, input, output } => {
                let kernel = match kind {
                    NormKind::Rms => Kernel::RmsNorm,
                    NormKind::Layer => Kernel::LayerNorm,
                };
                let constants = vec![
                    ("WORKGROUP", f64::from(self.choice.reduce_lanes)),
                    ("COLUMNS", self.plan.buffer(input).columns as f64),
                    ("COLUMNS4", f64::from(self.blocks(input))),
                    ("EPSILON", f64::from(epsilon)),
                    ("HAS_BIAS", flag(bias)),
                ];
                let buffers = [
                    self.buffer(input),
                    self.optional(Some(weight)),
                    self.optional(bias),
                    self.buffer(output),
                ];
                self.dispatch(kernel, None, constants, &buffers, 1, 1)
            }
            Op::Rotary { table, heads, head_width, buffer } => {
                let pairs = self.plan.rotary_tables[table.0].pairs();
                let constants = vec![
                    ("HEADS", heads as f64),
                    ("HEAD_WIDTH", head_width as f64),
                    ("PAIRS", pairs as f64),
                    ("STRIDE", self.stride(buffer)),
                    ("TABLE", table.0 as f64),
                ];
                let columns = (heads * pairs) as u32;
                self.elementwise(Kernel::Rotary, None, columns, constants, &[pass, self.buffer(buffer)])
            }
            Op::CacheWrite { layer, key, value } => {
                let (groups, head_width) = self.cache_shape(layer);
                let blocks = head_width.div_ceil(4);
                let constants = vec![
                    ("GROUPS", groups as f64),
                    ("HEAD_WIDTH", head_width as f64),
                    ("HEAD_BLOCKS", blocks as f64),
                    ("STRIDE", self.stride(key)),
                ];
                let cache = &self.memory.cache.layers[layer];
                let buffers = [pass, self.buffer(key), self.buffer(value), &cache.keys, &cache.values];
                self.elementwise(Kernel::CacheWrite, None, (groups * blocks) as u32, constants, &buffers)
            }
            Op::Attention { layer, heads, key_value_heads, head_width, scale, query, output } => {
                let constants = vec![
                    ("WORKGROUP", f64::from(self.choice.reduce_lanes)),
                    ("TILE", f64::from(ATTENTION_TILE)),
                    ("HEADS", heads as f64),
                    ("GROUPS", key_value_heads as f64),
                    ("HEAD_WIDTH", head_width as f64),
                    ("HEAD_BLOCKS", head_width.div_ceil(4) as f64),
                    ("STRIDE", self.stride(query)),
                    ("SCALE", f64::from(scale)),
                    ("PAGE_POSITIONS", PAGE_POSITIONS as f64),
                ];
                let cache = &self.memory.cache.layers[layer];
                let buffers = [pass, self.buffer(query), &cache.keys, &cache.values, self.buffer(output)];
                self.dispatch(Kernel::Attention, None, constants, &buffers, heads as u32, 1)
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
            Op::Embed { .. } | Op::Linear { .. } => unreachable!("ops with shards have their own functions"),
        }
    }

    /// A kernel with one lane for each block of four columns.
    fn blockwise(
        &self,
        kernel: Kernel,
        buffer: BufferId,
        mut constants: Constants,
        buffers: &[&wgpu::Buffer],
    ) -> Result<Dispatch, ModelError> {
        let blocks = self.blocks(buffer);
        constants.push(("COLUMNS4", f64::from(blocks)));
        self.elementwise(kernel, None, blocks, constants, buffers)
    }

    /// A kernel with one lane for each of `columns` items of a row.
    fn elementwise(
        &self,
        kernel: Kernel,
        form: Option<Form>,
        columns: u32,
        mut constants: Constants,
        buffers: &[&wgpu::Buffer],
    ) -> Result<Dispatch, ModelError> {
        let lanes = self.choice.plain_lanes;
        constants.push(("WORKGROUP", f64::from(lanes)));
        self.dispatch(kernel, form, constants, buffers, columns.div_ceil(lanes), 1)
    }

    fn dispatch(
        &self,
        kernel: Kernel,
        form: Option<Form>,
        constants: Constants,
        buffers: &[&wgpu::Buffer],
        columns: u32,
        rows: u32,
    ) -> Result<Dispatch, ModelError> {
        let format = match form {
            Some(Form::Matrix(format)) => Some(format),
            Some(Form::Vector) | None => None,
        };
        let pipeline = self.device.pipeline(kernel, format, &constants)?;
        let group = self.device.bind_group(kernel, &pipeline, buffers);
        Ok(Dispatch { pipeline, group, columns, rows })
    }

    fn for_shards(
        &self,
        tensor: TensorId,
        dispatch: impl Fn(&Shard) -> Result<Dispatch, ModelError>,
    ) -> Result<Vec<Dispatch>, ModelError> {
        self.memory.tensors[tensor.0].shards.iter().map(dispatch).collect()
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

    fn buffer(&self, id: BufferId) -> &wgpu::Buffer {
        &self.memory.buffers[id.0]
    }

    fn optional(&self, tensor: Option<TensorId>) -> &wgpu::Buffer {
        tensor.map_or(self.memory.nothing, |id| &self.memory.tensors[id.0].shards[0].buffer)
    }

    fn form(&self, tensor: TensorId) -> Option<Form> {
        Some(self.memory.tensors[tensor.0].form)
    }

    fn blocks(&self, buffer: BufferId) -> u32 {
        self.plan.buffer(buffer).columns.div_ceil(4) as u32
    }

    fn stride(&self, buffer: BufferId) -> f64 {
        padded(self.plan.buffer(buffer).columns) as f64
    }
}

fn shard_constants(shard: &Shard) -> Constants {
    vec![("FIRST_ROW", shard.rows.start as f64), ("SHARD_ROWS", shard.rows.len() as f64)]
}

fn flag(tensor: Option<TensorId>) -> f64 {
    f64::from(u8::from(tensor.is_some()))
}

/// The number by which `shaders/lib/activation.wgsl` knows the non-linearity.
fn activation_constant(activation: Activation) -> (&'static str, f64) {
    let number = match activation {
        Activation::Silu => 0,
        Activation::Gelu => 1,
        Activation::GeluTanh => 2,
        Activation::Relu => 3,
    };
    ("ACTIVATION", f64::from(number))
}
