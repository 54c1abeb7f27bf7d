//! One dispatch of an op, ready to run: a pipeline, its bindings, and its grid for a pass.

use super::resources::Resources;
use super::spec::{DispatchSpec, Grid, Height};
use crate::gpu::device::Device;
use crate::gpu::kernels::MOST_WORKGROUPS;
use crate::gpu::pass::PassShape;
use crate::model::ModelError;

/// A kernel with what it computes on.
#[derive(Clone)]
pub(crate) struct Dispatch {
    pub pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    grid: Grid,
}

impl Dispatch {
    /// Makes what a dispatch needs of a device.
    pub(crate) fn new(
        device: &Device,
        resources: &Resources,
        spec: &DispatchSpec,
    ) -> Result<Self, ModelError> {
        let pipeline = device.pipeline(&spec.kernel)?;
        let bound = |&(number, binding)| (number, resources.bound(binding));
        let bindings: Vec<_> = spec.bindings.iter().map(bound).collect();
        let group = device.bind_group(&pipeline, &bindings);
        Ok(Self { pipeline, group, grid: spec.grid })
    }

    /// Encodes it for a pass.
    pub(crate) fn encode(&self, pass: &mut wgpu::ComputePass<'_>, shape: PassShape) {
        let Grid { columns, height } = self.grid;
        let x = columns.min(MOST_WORKGROUPS);
        let rows = shape.rows as u32;
        let (y, z) = match height {
            Height::Rows(each) => (rows.div_ceil(each), columns.div_ceil(MOST_WORKGROUPS)),
            Height::Splits => (rows, shape.splits as u32),
            Height::Walks => (shape.walks as u32, columns.div_ceil(MOST_WORKGROUPS)),
            Height::Tiles(parts) => (shape.tiles as u32 * parts, 1),
            Height::Parts(tiles) => (rows.div_ceil(tiles.tile[0]), tiles.parts(rows)),
            Height::PartSums(tiles) if tiles.parts(rows) == 1 => return,
            Height::PartSums(_) => (rows, columns.div_ceil(MOST_WORKGROUPS)),
        };
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}
