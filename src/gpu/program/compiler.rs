//! The plan as dispatches: for each op the pipelines, bind groups and grids that compute it.
//!
//! Made once at load, and again only when a buffer was replaced (the cache grew); per pass nothing is decided
//! but the number of rows.

use super::attention::Attention;
use super::experts::ExpertMap;
use super::linear::LinearMap;
use crate::gpu::cache::Cache;
use crate::gpu::device::Device;
use crate::gpu::kernels::{Kernel, KernelChoice, Regime, Variant};
use crate::gpu::pass::Work;
use crate::gpu::weights::{Form, padded, padded_row};
use crate::gpu::weights::{GpuTensor, Shard};
use crate::model::ModelError;
use crate::model::config::{Activation, NormKind};
use crate::model::plan::{BufferId, Columns, Op, Plan, RotaryId, RowSet, TensorId};

/// Most workgroups in one dimension of a dispatch.
const MOST_WORKGROUPS: u32 = 65_535;

/// What the ops compute with.
pub(crate) struct Memory<'a> {
    pub pass: &'a wgpu::Buffer,
    pub tensors: &'a [GpuTensor],
    pub buffers: &'a [wgpu::Buffer],
    /// Bound where an optional tensor is absent.
    pub nothing: &'a wgpu::Buffer,
    pub cache: &'a Cache,
}

/// One op, ready to run.
pub(crate) struct Step {
    /// Which rows it computes.
    pub rows: RowSet,
    dispatches: Dispatches,
}

/// An op's dispatches.
pub(super) enum Dispatches {
    /// By [`Regime`].
    ByRows([Vec<Dispatch>; 3]),
    /// Those of an attention.
    Attention(Attention),
}

#[derive(Clone)]
pub(super) struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    /// Workgroups over the columns.
    columns: u32,
    height: Height,
}

/// What a dispatch's second and third dimension count.
#[derive(Clone, Copy)]
pub(super) enum Height {
    /// Rows, so many a workgroup; the third dimension goes on where the first ends.
    Rows(u32),
    /// Rows, and splits of the positions.
    Splits,
    /// Parts of tiles of rows, so many to a tile.
    Tiles(u32),
}

impl Step {
    /// How many dispatches the op is for a pass.
    pub fn dispatches(&self, work: Work) -> usize {
        self.chosen(work).len()
    }

    fn chosen(&self, work: Work) -> &[Dispatch] {
        match &self.dispatches {
            Dispatches::ByRows(dispatches) => &dispatches[Regime::of(work.rows) as usize],
            Dispatches::Attention(attention) => attention.choose(work),
        }
    }

    /// Encodes the op for a pass.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, work: Work) {
        self.chosen(work).iter().for_each(|dispatch| dispatch.encode(pass, work));
    }

    /// Encodes one of the op's dispatches for a pass, by its place among [`Self::pipelines`].
    pub fn encode_one(&self, pass: &mut wgpu::ComputePass<'_>, work: Work, dispatch: usize) {
        self.chosen(work)[dispatch].encode(pass, work);
    }

    /// The pipelines of the op's dispatches for a pass.
    pub fn pipelines(&self, work: Work) -> impl Iterator<Item = &wgpu::ComputePipeline> {
        self.chosen(work).iter().map(|dispatch| &dispatch.pipeline)
    }
}

impl Dispatch {
    fn encode(&self, pass: &mut wgpu::ComputePass<'_>, work: Work) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        let x = self.columns.min(MOST_WORKGROUPS);
        let rows = work.rows as u32;
        let (y, z) = match self.height {
            Height::Rows(each) => (rows.div_ceil(each), self.columns.div_ceil(MOST_WORKGROUPS)),
            Height::Splits => (rows, work.splits as u32),
            Height::Tiles(parts) => (work.tiles as u32 * parts, 1),
        };
        pass.dispatch_workgroups(x, y, z);
    }
}

/// One step for each of these ops of the plan, by their indices.
pub(crate) fn compile(
    device: &Device,
    plan: &Plan,
    ops: &[usize],
    memory: &Memory<'_>,
    choice: KernelChoice,
) -> Result<Vec<Step>, ModelError> {
    let compiler = Compiler { device, plan, memory, choice };
    ops.iter().map(|&op| compiler.step(&plan.ops[op])).collect()
}

pub(super) struct Compiler<'a> {
    pub(super) device: &'a Device,
    pub(super) plan: &'a Plan,
    pub(super) memory: &'a Memory<'a>,
    pub(super) choice: KernelChoice,
}

/// The norm of an [`Op::HeadNorm`].
#[derive(Clone, Copy)]
pub(super) struct HeadNorm {
    kind: NormKind,
    epsilon: f32,
    weight: TensorId,
}

pub(super) type Constants = Vec<(&'static str, f64)>;

impl Compiler<'_> {
    fn step(&self, op: &Op) -> Result<Step, ModelError> {
        let rows = op.output().map_or(RowSet::Batch, |buffer| self.plan.buffer(buffer).rows);
        let dispatches = match *op {
            Op::Linear { norm, weight, bias, input, output, finish } => {
                let map = LinearMap { norm, weight, bias, input, output, finish };
                let [one, few, many] = Regime::ALL.map(|regime| self.linear(&map, regime));
                [one?, few?, many?]
            }
            Op::Embed { table, positions, output } => same(self.embed(table, positions, output)?),
            Op::CacheWrite { layer, key, value } => same(vec![self.cache_write(layer, key, value)?]),
            Op::Attention { .. } => {
                return Ok(Step { rows, dispatches: Dispatches::Attention(self.attention(op)?) });
            }
            Op::ExpertLinear { weight, bias, experts, routes, input, takes, output } => {
                same(self.expert_linear(ExpertMap { weight, bias, experts, routes, input, takes, output })?)
            }
            _ => same(vec![self.single(op)?]),
        };
        Ok(Step { rows, dispatches: Dispatches::ByRows(dispatches) })
    }

    fn embed(
        &self,
        table: TensorId,
        positions: Option<TensorId>,
        output: BufferId,
    ) -> Result<Vec<Dispatch>, ModelError> {
        let blocks = self.blocks(output);
        self.for_shards(table, |shard| {
            let mut buffers = vec![
                (0, self.memory.pass),
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
    fn single(&self, op: &Op) -> Result<Dispatch, ModelError> {
        let pass = self.memory.pass;
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
            | Op::Attention { .. }
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
        let buffers = numbered(&[self.memory.pass, self.buffer(columns.buffer)]);
        self.elementwise(Kernel::Rotary, None, (heads * pairs) as u32, constants, &buffers)
    }

    /// The workgroup of a kernel that adds up over its lanes, one sum at a time.
    pub(super) fn sum_constants(&self) -> [(&'static str, f64); 2] {
        let KernelChoice { reduction, reduce_lanes, .. } = self.choice;
        [("WORKGROUP", f64::from(reduce_lanes)), ("SUMMANDS", f64::from(reduction.summands(1, reduce_lanes)))]
    }

    /// Where in a buffer's rows some columns lie.
    pub(super) fn column_constants(&self, columns: Columns) -> [(&'static str, f64); 2] {
        [("STRIDE", self.stride(columns.buffer)), ("FIRST", columns.first as f64)]
    }

    /// A kernel with one lane for each block of four columns, padding included.
    pub(super) fn blockwise(
        &self,
        kernel: Kernel,
        buffer: BufferId,
        mut constants: Constants,
        buffers: &[&wgpu::Buffer],
    ) -> Result<Dispatch, ModelError> {
        let blocks = self.stride_blocks(buffer);
        constants.push(("COLUMNS4", f64::from(blocks)));
        self.elementwise(kernel, None, blocks, constants, &numbered(buffers))
    }

    /// A kernel with one lane for each of `columns` items of a row.
    pub(super) fn elementwise(
        &self,
        kernel: Kernel,
        form: Option<Form>,
        columns: u32,
        mut constants: Constants,
        buffers: &[(u32, &wgpu::Buffer)],
    ) -> Result<Dispatch, ModelError> {
        let lanes = self.choice.plain_lanes;
        constants.push(("WORKGROUP", f64::from(lanes)));
        self.dispatch(kernel, form, constants, buffers, columns.div_ceil(lanes), 1)
    }

    pub(super) fn dispatch(
        &self,
        kernel: Kernel,
        form: Option<Form>,
        constants: Constants,
        buffers: &[(u32, &wgpu::Buffer)],
        columns: u32,
        rows: u32,
    ) -> Result<Dispatch, ModelError> {
        self.dispatch_over(kernel, form, constants, buffers, columns, Height::Rows(rows))
    }

    pub(super) fn dispatch_over(
        &self,
        kernel: Kernel,
        form: Option<Form>,
        constants: Constants,
        buffers: &[(u32, &wgpu::Buffer)],
        columns: u32,
        height: Height,
    ) -> Result<Dispatch, ModelError> {
        let format = match form {
            Some(Form::Matrix(format)) => Some(format),
            Some(Form::Vector) | None => None,
        };
        let reduction = kernel.reduces().then_some(self.choice.reduction);
        let pipeline = self.device.pipeline(Variant { kernel, format, reduction }, &constants)?;
        let group = self.device.bind_group(&pipeline, buffers);
        Ok(Dispatch { pipeline, group, columns, height })
    }

    pub(super) fn for_shards(
        &self,
        tensor: TensorId,
        dispatch: impl Fn(&Shard) -> Result<Dispatch, ModelError>,
    ) -> Result<Vec<Dispatch>, ModelError> {
        self.memory.tensors[tensor.0].shards.iter().map(dispatch).collect()
    }

    pub(super) fn buffer(&self, id: BufferId) -> &wgpu::Buffer {
        &self.memory.buffers[id.0]
    }

    pub(super) fn optional(&self, tensor: Option<TensorId>) -> &wgpu::Buffer {
        tensor.map_or(self.memory.nothing, |id| &self.memory.tensors[id.0].shards[0].buffer)
    }

    pub(super) fn form(&self, tensor: TensorId) -> Option<Form> {
        Some(self.memory.tensors[tensor.0].form)
    }

    /// Blocks of four from one row of a matrix to the next.
    pub(super) fn row_blocks(&self, tensor: TensorId) -> f64 {
        let columns = self.plan.tensor(tensor).columns;
        match self.memory.tensors[tensor.0].form {
            Form::Matrix(format) => (padded_row(format, columns) / 4) as f64,
            Form::Vector => (padded(columns) / 4) as f64,
        }
    }

    /// Blocks of four in a row of a buffer, padding included.
    pub(super) fn stride_blocks(&self, buffer: BufferId) -> u32 {
        padded(self.plan.buffer(buffer).columns) as u32 / 4
    }

    /// Blocks of four in a row of a buffer that hold its columns.
    pub(super) fn blocks(&self, buffer: BufferId) -> u32 {
        self.plan.buffer(buffer).columns.div_ceil(4) as u32
    }

    pub(super) fn stride(&self, buffer: BufferId) -> f64 {
        padded(self.plan.buffer(buffer).columns) as f64
    }
}

/// The same dispatches in every regime.
pub(super) fn same(dispatches: Vec<Dispatch>) -> [Vec<Dispatch>; 3] {
    [dispatches.clone(), dispatches.clone(), dispatches]
}

/// Buffers at bindings 0, 1, 2 ….
pub(super) fn numbered<'a>(buffers: &[&'a wgpu::Buffer]) -> Vec<(u32, &'a wgpu::Buffer)> {
    (0..).zip(buffers.iter().copied()).collect()
}

pub(super) fn flag(tensor: Option<TensorId>) -> f64 {
    f64::from(u8::from(tensor.is_some()))
}

/// The number by which `shaders/lib/activation.wgsl` knows the non-linearity.
pub(super) fn activation_constant(activation: Activation) -> (&'static str, f64) {
    let number = match activation {
        Activation::Silu => 0,
        Activation::Gelu => 1,
        Activation::GeluTanh => 2,
        Activation::Relu => 3,
        Activation::ReluSquared => 4,
        Activation::GeluSigmoid => 5,
        Activation::ClampedGelu => 6,
    };
    ("ACTIVATION", f64::from(number))
}
