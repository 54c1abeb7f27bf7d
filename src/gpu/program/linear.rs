//! Linear maps as dispatches: for each number of rows its kernel, one dispatch a shard.

use super::compiler::Compiler;
use super::parts::TileParts;
use super::plain_ops::Norm;
use super::spec::{Binding, DispatchSpec, Grid, Height};
use crate::gpu::kernels::{
    FinishKind, Kernel, KernelUse, LinearKernel, LinearKind, LinearVariant, Matrices, Override, Reduction,
    RowCount, SHUFFLE_LANES, Variant,
};
use crate::gpu::weights::{GpuLayout, padded_row, unit_weights};
use crate::model::WeightFormat;
use crate::model::config::{Activation, NormKind};
use crate::model::plan::{BufferId, Epilogue, InputNorm, Op, TensorId};

/// Blocks of four outputs of a lane in `shaders/gemv_subgroup.wgsl`.
const SHUFFLE_BLOCKS: u32 = 2;

/// Weight rows of a lane in `shaders/gemm_subgroup.wgsl`, for units of so many blocks of four weights.
fn shuffle_tile_rows(unit_blocks: u32) -> u32 {
    (4 / unit_blocks).clamp(1, 2)
}

/// Rows of the weight, rows of the batch and lanes of a workgroup of `shaders/gemm_shared_memory.wgsl`.
const SHARED_TILE: u32 = 64;
/// Blocks of four columns of its turn.
const SHARED_TURN: u32 = 8;

/// Lanes of a workgroup of `shaders/linear_sums.wgsl`.
const SUM_LANES: u32 = 64;

/// Rows of a weight from which on a workgroup takes eight where the input is normalised on the way: the norm's
/// instructions are then few beside the weights', and there still are enough workgroups for a GPU.
const NORMED_IN_EIGHTS: usize = 2048;

/// Bytes of the table of `shaders/lib/numbers_memory.wgsl`, which some formats have.
const NUMBERS_BYTES: u64 = 64;

/// Lanes that most GPUs run together: fewer in a workgroup leave some idle.
const COMMON_SUBGROUP: u32 = 32;

/// The fields of an [`crate::model::Op::Linear`].
#[derive(Clone, Copy)]
pub(super) struct LinearMap {
    pub norm: Option<InputNorm>,
    pub weight: TensorId,
    pub bias: Option<TensorId>,
    pub input: BufferId,
    pub output: BufferId,
    pub epilogue: Epilogue,
}

impl LinearMap {
    /// Those of an op, if it is one.
    pub(super) fn of(op: &Op) -> Option<Self> {
        let Op::Linear { norm, weight, bias, input, output, epilogue } = *op else { return None };
        Some(Self { norm, weight, bias, input, output, epilogue })
    }
}

/// The workgroup of `shaders/gemv_per_workgroup.wgsl` and `shaders/gemv_few_rows.wgsl`.
struct GroupShape {
    /// Blocks of four rows of the weight.
    parts: u32,
    /// Rows of the batch.
    rows: u32,
    /// Sums of four, made at once.
    slots: u32,
    lanes: u32,
}

impl GroupShape {
    fn kernel(&self) -> Kernel {
        if self.rows == 1 { Kernel::GemvPerWorkgroup } else { Kernel::GemvFewRows }
    }

    fn overrides(&self, reduction: Reduction) -> Vec<Override> {
        let mut overrides = vec![
            Override::Parts(self.parts),
            Override::Slots(self.slots),
            Override::Summands(reduction.summands(self.slots, self.lanes)),
        ];
        overrides.extend((self.rows > 1).then_some(Override::AtOnce(self.rows)));
        overrides
    }
}

/// The kernel for a shard of a matrix, and its workgroups.
struct Shape {
    kernel: Kernel,
    matrices: Option<Matrices>,
    lanes: u32,
    /// Workgroups over the rows of the weight.
    columns: u32,
    /// Rows of the batch that a workgroup takes.
    rows: u32,
    /// The tiles of kernels that may divide the columns.
    parts: Option<TileParts>,
    overrides: Vec<Override>,
}

impl Shape {
    /// A kernel without matrix units, parts and overrides of its own.
    fn plain(kernel: Kernel, lanes: u32, columns: u32, rows: u32) -> Self {
        Self { kernel, matrices: None, lanes, columns, rows, parts: None, overrides: Vec::new() }
    }
}

/// What becomes of a result, as kernels know it; without an activation any will do.
fn finish(epilogue: Epilogue) -> (FinishKind, Activation) {
    match epilogue {
        Epilogue::Store => (FinishKind::Store, Activation::Silu),
        Epilogue::Add => (FinishKind::Add, Activation::Silu),
        Epilogue::Activate(activation) => (FinishKind::Activate, activation),
        Epilogue::Gate(activation) => (FinishKind::Gate, activation),
    }
}

/// Rows of the weight in a block of four outputs.
fn block_rows(epilogue: Epilogue) -> u32 {
    match epilogue {
        Epilogue::Gate(_) => 8,
        Epilogue::Store | Epilogue::Add | Epilogue::Activate(_) => 4,
    }
}

impl Compiler<'_> {
    /// The dispatches of a linear map; one more before them where the kernel wants its input normalised.
    pub(super) fn linear(&self, map: &LinearMap, row_count: RowCount) -> Vec<DispatchSpec> {
        let kernel = self.linear_kernel(map, row_count);
        let (mut map, mut dispatches) = (*map, Vec::new());
        if let Some(norm) = map.norm
            && self.plan.tensor(map.weight).rows > kernel.variant.most_normed_rows()
        {
            let InputNorm { epsilon, weight, normed } = norm;
            let (kind, input) = (NormKind::Rms, map.input);
            dispatches.push(self.norm(Norm { kind, epsilon, weight, bias: None, input, output: normed }));
            (map.input, map.norm) = (normed, None);
        }
        for shard in 0..self.tensors[map.weight.0].shards.len() {
            dispatches.extend(self.linear_shard(&map, kernel, row_count, shard));
        }
        dispatches
    }

    /// The kind of a linear map; `None` for a weight that is no matrix.
    pub(super) fn linear_kind(&self, map: &LinearMap) -> Option<LinearKind> {
        let GpuLayout::Matrix(format) = self.layout(map.weight) else { return None };
        let spec = self.plan.tensor(map.weight);
        let finish = finish(map.epilogue).0;
        Some(LinearKind {
            format,
            rows: spec.rows,
            columns: spec.columns,
            is_normed: map.norm.is_some(),
            finish,
        })
    }

    /// The kernel for a linear map: what a trial found, or else the choice's.
    pub(super) fn linear_kernel(&self, map: &LinearMap, row_count: RowCount) -> LinearKernel {
        let kind = self.linear_kind(map);
        let found = kind.and_then(|kind| self.tuned.kernel(&kind, row_count));
        let chosen = found.unwrap_or_else(|| self.choice.linear(row_count));
        let format = kind.map_or(WeightFormat::F32, |kind| kind.format);
        LinearKernel { variant: chosen.variant.suited(format), ..chosen }
    }

    fn linear_shard(
        &self,
        map: &LinearMap,
        linear: LinearKernel,
        row_count: RowCount,
        shard: usize,
    ) -> Vec<DispatchSpec> {
        let rows = &self.tensors[map.weight.0].shards[shard];
        let block_rows = block_rows(map.epilogue);
        let blocks = (rows.len() as u32).div_ceil(block_rows);
        let shape = self.linear_shape(map, linear, row_count, blocks);
        let mut common = vec![
            Override::Units(self.units(map.weight)),
            Override::InputBlocks(self.stride_blocks(map.input)),
            Override::OutputBlocks(self.stride_blocks(map.output)),
            Override::FirstBlock(rows.start as u32 / block_rows),
            Override::ShardBlocks(blocks),
            Override::Columns(self.plan.buffer(map.input).columns as u32),
            Override::HasBias(map.bias.is_some()),
            Override::HasNorm(map.norm.is_some()),
            Override::Epsilon(map.norm.map_or(0.0, |norm| norm.epsilon)),
            Override::RowsWord(self.plan.buffer(map.output).rows),
        ];
        let (finish, activation) = finish(map.epilogue);
        common.extend([Override::Finish(finish), Override::Activation(activation)]);
        let mut bindings = self.shard_bindings(map.weight, shard);
        bindings.extend([
            (3, Binding::Activation(map.input)),
            (4, Binding::Activation(map.output)),
            (5, Binding::Vector(map.bias)),
        ]);
        if shape.kernel.reads_pass() {
            bindings.push((0, Binding::Pass));
        }
        if linear.variant.most_normed_rows() > 0 {
            bindings.push((6, Binding::Vector(map.norm.map(|norm| norm.weight))));
        }
        if shape.parts.is_some() {
            bindings.push((7, Binding::Partials));
        }
        let sums = shape.parts.map(|parts| Self::part_sums(map, parts, blocks, &common));
        let (units, tile) = shape.matrices.map(|all| (all.units, all.tile)).unzip();
        let variant = Variant { units, tile, ..self.variant_for(shape.kernel, map.weight) };
        let overrides = [shape.overrides, vec![Override::Workgroup(shape.lanes)], common].concat();
        let height = shape.parts.map_or(Height::Rows(shape.rows), Height::Parts);
        let product = DispatchSpec {
            kernel: KernelUse { variant, overrides },
            bindings,
            grid: Grid { columns: shape.columns, height },
        };
        [Some(product), sums].into_iter().flatten().collect()
    }

    /// The dispatch that adds up what workgroups have found over parts of the columns.
    fn part_sums(map: &LinearMap, parts: TileParts, blocks: u32, common: &[Override]) -> DispatchSpec {
        let overrides = [&[Override::Workgroup(SUM_LANES)][..], common].concat();
        let (output, bias) = (Binding::Activation(map.output), Binding::Vector(map.bias));
        DispatchSpec {
            kernel: KernelUse { variant: Kernel::LinearSums.into(), overrides },
            bindings: vec![(0, Binding::Pass), (4, output), (5, bias), (7, Binding::Partials)],
            grid: Grid { columns: blocks.div_ceil(SUM_LANES), height: Height::PartSums(parts) },
        }
    }

    /// The kernel and the workgroups for a shard of so many blocks of outputs.
    fn linear_shape(&self, map: &LinearMap, linear: LinearKernel, row_count: RowCount, blocks: u32) -> Shape {
        let plain_lanes = self.choice.plain_lanes;
        let weight_rows = blocks * block_rows(map.epilogue);
        match linear.variant {
            LinearVariant::GemvPerLane => {
                Shape::plain(Kernel::GemvPerLane, plain_lanes, blocks.div_ceil(plain_lanes), 1)
            }
            LinearVariant::GemvPerWorkgroup { blocks: parts } => {
                let shape = self.group_shape(map, (parts, linear.lanes), row_count);
                let outputs = if matches!(map.epilogue, Epilogue::Gate(_)) { 1 } else { shape.parts };
                Shape {
                    overrides: shape.overrides(self.choice.reduction),
                    ..Shape::plain(shape.kernel(), shape.lanes, blocks.div_ceil(outputs), shape.rows)
                }
            }
            LinearVariant::GemmRegisters => {
                Shape::plain(Kernel::GemmRegisters, plain_lanes, blocks.div_ceil(plain_lanes), 4)
            }
            LinearVariant::GemvSubgroup => {
                let groups = blocks.div_ceil(SHUFFLE_LANES * SHUFFLE_BLOCKS);
                Shape::plain(Kernel::GemvSubgroup, SHUFFLE_LANES, groups, 1)
            }
            LinearVariant::GemmSubgroup => {
                let group_rows = SHUFFLE_LANES * shuffle_tile_rows(self.unit_blocks(map.weight));
                let groups = weight_rows.div_ceil(group_rows);
                Shape::plain(Kernel::GemmSubgroup, SHUFFLE_LANES, groups, SHUFFLE_LANES)
            }
            LinearVariant::GemmSharedMemory => {
                let tiles = weight_rows.div_ceil(SHARED_TILE);
                let turns = self.row_blocks(map.weight).div_ceil(SHARED_TURN);
                let parts = TileParts { tiles, tile: [SHARED_TILE; 2], turns };
                let shape = Shape::plain(Kernel::GemmSharedMemory, SHARED_TILE, tiles, SHARED_TILE);
                Shape { parts: Some(parts), ..shape }
            }
            LinearVariant::GemmCooperative { matrices, lanes } => {
                let [batch_rows, tile_rows] = matrices.rows();
                let tiles = weight_rows.div_ceil(tile_rows);
                let shape = Shape::plain(Kernel::GemmCooperative, lanes, tiles, batch_rows);
                let turns = self.row_blocks(map.weight).div_ceil(matrices.tile.turn());
                let parts = TileParts { tiles, tile: matrices.rows(), turns };
                Shape { matrices: Some(matrices), parts: Some(parts), ..shape }
            }
        }
    }

    /// Blocks of four weights in a unit of a matrix.
    fn unit_blocks(&self, tensor: TensorId) -> u32 {
        self.row_blocks(tensor) / self.units(tensor)
    }

    /// The workgroup of [`LinearVariant::GemvPerWorkgroup`] for a matrix: no more lanes than its rows have units, within a
    /// subgroup's size, and no more than its sums and a grid leave room for.
    fn group_shape(&self, map: &LinearMap, (parts, lanes): (u32, u32), row_count: RowCount) -> GroupShape {
        let is_large = row_count == RowCount::One && self.plan.tensor(map.weight).rows >= NORMED_IN_EIGHTS;
        let parts = if matches!(map.epilogue, Epilogue::Gate(_)) || map.norm.is_some() && is_large {
            2
        } else {
            parts
        };
        let rows = row_count.at_once();
        let norms = if map.norm.is_some() { rows.div_ceil(4) } else { 0 };
        let slots = rows * parts + norms;
        let useful = self.units(map.weight).next_power_of_two().max(COMMON_SUBGROUP);
        let grid = self.layout(map.weight).table_bytes() + NUMBERS_BYTES;
        let lanes = self.choice.reduction.lanes(slots, lanes.min(useful), grid);
        GroupShape { parts, rows, slots, lanes }
    }

    /// Units in a row of a matrix.
    pub(super) fn units(&self, tensor: TensorId) -> u32 {
        let columns = self.plan.tensor(tensor).columns;
        match self.layout(tensor) {
            GpuLayout::Matrix(format) => (padded_row(format, columns) / unit_weights(format)) as u32,
            layout @ GpuLayout::Vector => layout.row_bytes(columns) as u32 / 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::kernels::shader_text::{assert_shared, constants};

    #[test]
    fn the_shaders_take_as_many_rows_as_are_dispatched() {
        assert_shared(
            "gemm_shared_memory.wgsl",
            &[("TILE", u64::from(SHARED_TILE)), ("TURN", u64::from(SHARED_TURN))],
        );
        assert_shared("gemv_subgroup.wgsl", &[("LANE_BLOCKS", u64::from(SHUFFLE_BLOCKS))]);
        assert_shared("lib/shuffle.wgsl", &[("LANES", u64::from(SHUFFLE_LANES))]);
        // gemm_subgroup.wgsl computes its rows of a lane from UNIT, as `shuffle_tile_rows` does.
        for (format, file) in
            [(WeightFormat::F32, "f32"), (WeightFormat::F16, "f16"), (WeightFormat::Q8_0, "q8_0")]
        {
            let unit_blocks = unit_weights(format) as u32 / 4;
            let unit = constants(&format!("weights/{file}.wgsl"))["UNIT"];
            assert_eq!(unit, f64::from(unit_blocks), "{file}");
            assert_eq!(f64::from(shuffle_tile_rows(unit_blocks)), (4.0 / unit).floor().clamp(1.0, 2.0));
        }
    }
}
