//! Matrix units: which squares an adapter multiplies at once, among those that the kernels have a form for.
//!
//! Knows no ops: [`crate::gpu::program`] decides which linear maps are computed by them. wgpu calls them cooperative
//! matrices; they are an experimental feature there, on Vulkan and Metal.

use wgpu::{Adapter, CooperativeScalarType, Features};

use crate::model::WeightFormat;

/// Subgroups of a workgroup of `shaders/linear_matrices.wgsl` that multiply.
const SUBGROUPS: u32 = 4;
/// Squares of a tile along the rows of the batch, and along those of the weight.
const TILE_SQUARES: [u32; 2] = [4, 8];

/// Squares that are multiplied and added up in f32, as `shaders/matrices/` has them by numbers and by size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatrixUnits {
    /// 16 by 16, of f16.
    Half16,
    /// 8 by 8, of f16.
    Half8,
    /// 8 by 8, of f32.
    Single8,
}

impl MatrixUnits {
    /// Every kind, the likeliest to be fast first.
    pub const ALL: [Self; 3] = [Self::Half16, Self::Half8, Self::Single8];

    /// Workgroup memory that the kernel takes at most, in bytes. It is more than every adapter has; those with
    /// matrix units have 32 KiB.
    pub const MOST_MEMORY: u32 = 20 << 10;

    /// Those that an adapter offers and that the kernels have a form for.
    pub(super) fn offered(adapter: &Adapter) -> Vec<Self> {
        let features = adapter.features();
        let shapes = adapter.cooperative_matrix_properties();
        let is_listed = |units: &Self| {
            let (side, inputs) = (units.side(), units.inputs());
            shapes.iter().any(|shape| {
                [shape.m_size, shape.n_size, shape.k_size] == [side; 3]
                    && (shape.ab_type, shape.cr_type) == (inputs, CooperativeScalarType::F32)
            })
        };
        let usable = |units: &Self| features.contains(units.features()) && is_listed(units);
        Self::ALL.into_iter().filter(usable).collect()
    }

    /// What a device has to be opened with.
    pub(crate) fn features(self) -> Features {
        let numbers = match self {
            Self::Half16 | Self::Half8 => Features::SHADER_F16,
            Self::Single8 => Features::empty(),
        };
        Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SUBGROUP | numbers
    }

    /// Rows of the batch and rows of the weight in a tile.
    pub(crate) fn tile(self) -> [u32; 2] {
        TILE_SQUARES.map(|squares| squares * self.side())
    }

    /// Whether weights of this format may be multiplied: rounding inputs is no worse than what was done to the
    /// weights already. f32 weights keep f32 inputs.
    pub fn suit(self, format: WeightFormat) -> bool {
        !self.rounds() || format != WeightFormat::F32
    }

    /// Whether inputs and decoded weights are rounded to f16 before they are multiplied.
    pub fn rounds(self) -> bool {
        self.inputs() == CooperativeScalarType::F16
    }

    pub(crate) fn describe(self) -> String {
        let numbers = if self.rounds() { "f16" } else { "f32" };
        format!("matrix units of {side} by {side}, {numbers} to f32", side = self.side())
    }

    fn side(self) -> u32 {
        match self {
            Self::Half16 => 16,
            Self::Half8 | Self::Single8 => 8,
        }
    }

    fn inputs(self) -> CooperativeScalarType {
        match self {
            Self::Half16 | Self::Half8 => CooperativeScalarType::F16,
            Self::Single8 => CooperativeScalarType::F32,
        }
    }
}

/// Lanes of a workgroup, for subgroups of at most so many.
pub(super) fn lanes(subgroup: u32) -> u32 {
    SUBGROUPS * subgroup
}
