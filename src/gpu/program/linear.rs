//! Linear maps as dispatches: for each regime its kernel, one dispatch a shard.

use super::compiler::{Compiler, Constants, activation_constant, flag};
use super::dispatch::Dispatch;
use crate::gpu::kernels::{FEW_ROWS, Kernel, LinearVariant, Reduction, Regime, SHUFFLE_LANES};
use crate::gpu::weights::{Form, Shard, padded_row, unit_weights};
use crate::model::config::{Activation, NormKind};
use crate::model::plan::{BufferId, Finish, InputNorm, RowSet, TensorId};
use crate::model::{ModelError, WeightFormat};

/// Weight rows of a lane in `shaders/linear_shuffle.wgsl`.
const SHUFFLE_ROWS: u32 = 2;

/// Weight rows of a lane in `shaders/linear_shuffle_tiles.wgsl`, for units of so many blocks of four weights.
fn shuffle_tile_rows(unit_blocks: u32) -> u32 {
    (4 / unit_blocks).clamp(1, 2)
}

/// Rows of the weight, rows of the batch and lanes of a workgroup of `shaders/linear_shared.wgsl`.
const SHARED_TILE: u32 = 64;

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
    pub finish: Finish,
}

/// The workgroup of `shaders/linear_groups.wgsl`.
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
    fn constants(&self, reduction: Reduction) -> [(&'static str, f64); 4] {
        [
            ("PARTS", f64::from(self.parts)),
            ("AT_ONCE", f64::from(self.rows)),
            ("SLOTS", f64::from(self.slots)),
            ("SUMMANDS", f64::from(reduction.summands(self.slots, self.lanes))),
        ]
    }
}

impl Compiler<'_> {
    /// The dispatches of a linear map; one more before them where the kernel wants its input normalised.
    pub(crate) fn linear(&self, map: &LinearMap, regime: Regime) -> Result<Vec<Dispatch>, ModelError> {
        let variant = self.linear_variant(map.weight, regime);
        let (mut map, mut dispatches) = (*map, Vec::new());
        if let Some(norm) = map.norm
            && self.plan.tensor(map.weight).rows > variant.most_normed_rows()
        {
            let InputNorm { epsilon, weight, normed } = norm;
            dispatches.push(self.norm(NormKind::Rms, epsilon, weight, None, map.input, normed)?);
            (map.input, map.norm) = (normed, None);
        }
        for shard in &self.resources.tensors[map.weight.0].shards {
            dispatches.push(self.linear_shard(&map, variant, regime, shard)?);
        }
        Ok(dispatches)
    }

    /// The kernel for a matrix.
    fn linear_variant(&self, weight: TensorId, regime: Regime) -> LinearVariant {
        let chosen = match regime {
            Regime::One => self.choice.one_row,
            Regime::Few => self.choice.few_rows,
            Regime::Many => self.choice.many_rows,
        };
        match self.resources.tensors[weight.0].form {
            Form::Matrix(format) => chosen.suited(format),
            Form::Vector => chosen.suited(WeightFormat::F32),
        }
    }

    fn linear_shard(
        &self,
        map: &LinearMap,
        variant: LinearVariant,
        regime: Regime,
        shard: &Shard,
    ) -> Result<Dispatch, ModelError> {
        let block_rows = match map.finish {
            Finish::Gate(_) => 8,
            Finish::Store | Finish::Add | Finish::Activate(_) => 4,
        };
        let blocks = shard.rows.len().div_ceil(block_rows) as u32;
        let mut constants: Constants = Vec::new();
        let (kernel, lanes, groups, rows) = match variant {
            LinearVariant::Lanes => {
                let lanes = self.choice.plain_lanes;
                (Kernel::LinearLanes, lanes, blocks.div_ceil(lanes), 1)
            }
            LinearVariant::Groups { blocks: parts } => {
                let shape = self.group_shape(map, parts, regime);
                constants.extend(shape.constants(self.choice.reduction));
                let outputs = if block_rows == 8 { 1 } else { shape.parts };
                (Kernel::LinearGroups, shape.lanes, blocks.div_ceil(outputs), shape.rows)
            }
            LinearVariant::Tiles => {
                let lanes = self.choice.plain_lanes;
                (Kernel::LinearTiles, lanes, blocks.div_ceil(lanes), 4)
            }
            LinearVariant::Shuffle => {
                let group_rows = SHUFFLE_LANES * SHUFFLE_ROWS;
                (Kernel::LinearShuffle, SHUFFLE_LANES, (blocks * block_rows as u32).div_ceil(group_rows), 1)
            }
            LinearVariant::ShuffleTiles => {
                let group_rows = SHUFFLE_LANES * shuffle_tile_rows(self.unit_blocks(map.weight));
                let groups = (blocks * block_rows as u32).div_ceil(group_rows);
                (Kernel::LinearShuffleTiles, SHUFFLE_LANES, groups, SHUFFLE_LANES)
            }
            LinearVariant::Shared => {
                let weight_rows = blocks * block_rows as u32;
                (Kernel::LinearShared, SHARED_TILE, weight_rows.div_ceil(SHARED_TILE), SHARED_TILE)
            }
            LinearVariant::Matrices { units, lanes } => {
                let [batch_rows, weight_rows] = units.tile();
                let groups = (blocks * block_rows as u32).div_ceil(weight_rows);
                (Kernel::LinearMatrices(units), lanes, groups, batch_rows)
            }
        };
        // The kernels know these numbers from shaders/lib/linear.wgsl. Without an activation any will do.
        let (finish, activation) = match map.finish {
            Finish::Store => (0, Activation::Silu),
            Finish::Add => (1, Activation::Silu),
            Finish::Activate(activation) => (2, activation),
            Finish::Gate(activation) => (3, activation),
        };
        let outputs_only = self.plan.buffer(map.output).rows == RowSet::Outputs;
        constants.extend([
            ("WORKGROUP", f64::from(lanes)),
            ("UNITS", self.units(map.weight)),
            ("INPUT_BLOCKS", f64::from(self.stride_blocks(map.input))),
            ("OUTPUT_BLOCKS", f64::from(self.stride_blocks(map.output))),
            ("FIRST_BLOCK", (shard.rows.start / block_rows) as f64),
            ("SHARD_BLOCKS", f64::from(blocks)),
            ("COLUMNS", self.plan.buffer(map.input).columns as f64),
            ("HAS_BIAS", flag(map.bias)),
            ("HAS_NORM", f64::from(u8::from(map.norm.is_some()))),
            ("EPSILON", map.norm.map_or(0.0, |norm| f64::from(norm.epsilon))),
            ("FINISH", f64::from(finish)),
            ("ROWS_WORD", f64::from(u8::from(outputs_only))),
            activation_constant(activation),
        ]);
        let mut buffers = vec![
            (1, &shard.buffer),
            (3, self.buffer(map.input)),
            (4, self.buffer(map.output)),
            (5, self.optional(map.bias)),
        ];
        buffers.extend(shard.scales.as_ref().map(|scales| (2, scales)));
        if kernel.reads_pass() {
            buffers.push((0, &self.resources.pass));
        }
        if variant.most_normed_rows() > 0 {
            buffers.push((6, self.optional(map.norm.map(|norm| norm.weight))));
        }
        self.dispatch(kernel, self.form(map.weight), constants, &buffers, groups, rows)
    }

    /// Blocks of four weights in a unit of a matrix.
    fn unit_blocks(&self, tensor: TensorId) -> u32 {
        (self.row_blocks(tensor) / self.units(tensor)) as u32
    }

    /// The workgroup of [`LinearVariant::Groups`] for a matrix: no more lanes than its rows have units, within a
    /// subgroup's size, and no more than its sums leave room for.
    fn group_shape(&self, map: &LinearMap, parts: u32, regime: Regime) -> GroupShape {
        let parts = if matches!(map.finish, Finish::Gate(_)) { 2 } else { parts };
        let rows = if regime == Regime::One { 1 } else { FEW_ROWS as u32 };
        let norms = if map.norm.is_some() { rows.div_ceil(4) } else { 0 };
        let slots = rows * parts + norms;
        let useful = (self.units(map.weight) as u32).next_power_of_two().max(COMMON_SUBGROUP);
        let lanes = self.choice.reduction.lanes(slots, self.choice.reduce_lanes.min(useful));
        GroupShape { parts, rows, slots, lanes }
    }

    /// Units in a row of a matrix.
    pub(crate) fn units(&self, tensor: TensorId) -> f64 {
        let columns = self.plan.tensor(tensor).columns;
        match self.resources.tensors[tensor.0].form {
            Form::Matrix(format) => (padded_row(format, columns) / unit_weights(format)) as f64,
            form @ Form::Vector => (form.row_bytes(columns) / 16) as f64,
        }
    }
}
