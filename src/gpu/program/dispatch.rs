//! One dispatch of an op: a pipeline, its bindings, and its grid for a pass.

use crate::gpu::pass::Work;

/// Most workgroups in one dimension of a dispatch.
const MOST_WORKGROUPS: u32 = 65_535;

/// A kernel with what it computes on.
#[derive(Clone)]
pub(super) struct Dispatch {
    pub pipeline: wgpu::ComputePipeline,
    pub group: wgpu::BindGroup,
    /// Workgroups over the columns.
    pub columns: u32,
    pub height: Height,
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

impl Dispatch {
    /// Encodes it for a pass.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, work: Work) {
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
