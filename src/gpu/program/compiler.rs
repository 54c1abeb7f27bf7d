//! What the compilation of every op shares: constants, bindings, and how a kernel becomes a dispatch.

use super::dispatch::{Dispatch, Height};
use super::resources::Resources;
use crate::gpu::device::Device;
use crate::gpu::kernels::{Kernel, KernelChoice, Variant};
use crate::gpu::weights::{Form, Shard, padded, padded_row};
use crate::model::ModelError;
use crate::model::config::Activation;
use crate::model::plan::{BufferId, Columns, Plan, TensorId};

/// Makes dispatches of ops.
pub(super) struct Compiler<'a> {
    pub(super) device: &'a Device,
    pub(super) plan: &'a Plan,
    pub(super) resources: &'a Resources,
    pub(super) choice: KernelChoice,
}

pub(super) type Constants = Vec<(&'static str, f64)>;

impl Compiler<'_> {
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
        self.resources.tensors[tensor.0].shards.iter().map(dispatch).collect()
    }

    pub(super) fn buffer(&self, id: BufferId) -> &wgpu::Buffer {
        self.resources.activation(id)
    }

    pub(super) fn optional(&self, tensor: Option<TensorId>) -> &wgpu::Buffer {
        tensor.map_or(&self.resources.absent, |id| &self.resources.tensors[id.0].shards[0].buffer)
    }

    pub(super) fn form(&self, tensor: TensorId) -> Option<Form> {
        Some(self.resources.tensors[tensor.0].form)
    }

    /// Blocks of four from one row of a matrix to the next.
    pub(super) fn row_blocks(&self, tensor: TensorId) -> f64 {
        let columns = self.plan.tensor(tensor).columns;
        match self.resources.tensors[tensor.0].form {
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
