//! Matrix units: which squares an adapter multiplies at once, among those that the kernels have a form for.
//!
//! Knows no ops: [`crate::gpu::program`] decides which linear maps are computed by them. wgpu calls them cooperative
//! matrices; they are an experimental feature there, on Vulkan and Metal.

use wgpu::{Adapter, CooperativeScalarType, Features};

use crate::model::WeightFormat;

/// Subgroups of a workgroup that multiply: two by two quarters of a tile.
pub(super) const SUBGROUPS: u32 = 4;
/// Fewest lanes of a workgroup: a lane copies so much of a tile that these are enough.
pub(super) const LEAST_LANES: u32 = 128;

/// Squares that are multiplied and added up in f32, as `shaders/matrices/` has them by numbers and by size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatrixUnits {
    /// 16 by 16, of f16.
    Half16,
    /// 8 by 8, of f16.
    Half8,
    /// 8 by 8, of f32.
    Single8,
    /// 8 by 8, of f16, which each lane multiplies for itself: no adapter is given these, but tests are, where there are no
    /// others.
    Emulated8,
}

impl MatrixUnits {
    /// Every kind that adapters have, the likeliest to be fast first.
    pub const ALL: [Self; 3] = [Self::Half16, Self::Half8, Self::Single8];

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
        let units = match self {
            Self::Half16 | Self::Half8 => Features::EXPERIMENTAL_COOPERATIVE_MATRIX | Features::SHADER_F16,
            Self::Single8 => Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
            Self::Emulated8 => Features::SHADER_F16,
        };
        units | Features::SUBGROUP
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

    /// Lanes of a workgroup, for subgroups of at most so many.
    pub fn lanes(subgroup: u32) -> u32 {
        (SUBGROUPS * subgroup).max(LEAST_LANES)
    }

    /// How many of the numbers that they take have one of f32 as their sum, all but exactly.
    pub(super) fn halves(self) -> u32 {
        if self.rounds() { 2 } else { 1 }
    }

    /// Elements of a tile in workgroup memory to a block of four numbers.
    pub(super) fn elements(self) -> u32 {
        match self {
            Self::Half16 | Self::Emulated8 => 1,
            Self::Half8 | Self::Single8 => 4,
        }
    }

    /// Blocks of four numbers that a row of a tile in workgroup memory is longer than its columns.
    pub(super) fn padding(self) -> u32 {
        if self.rounds() { 2 } else { 1 }
    }

    /// Bytes of such a block.
    pub(super) fn block_bytes(self) -> u32 {
        if self.rounds() { 8 } else { 16 }
    }

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Half16 => "f16-16",
            Self::Half8 => "f16-8",
            Self::Single8 => "f32-8",
            Self::Emulated8 => "emulated-8",
        }
    }

    pub(super) fn describe(self) -> String {
        let numbers = if self.rounds() { "f16" } else { "f32" };
        format!("matrix units of {side} by {side}, {numbers} to f32", side = self.side())
    }

    /// Rows and columns of a square.
    pub(super) fn side(self) -> u32 {
        match self {
            Self::Half16 => 16,
            Self::Half8 | Self::Single8 | Self::Emulated8 => 8,
        }
    }

    fn inputs(self) -> CooperativeScalarType {
        match self {
            Self::Half16 | Self::Half8 | Self::Emulated8 => CooperativeScalarType::F16,
            Self::Single8 => CooperativeScalarType::F32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shader_text::assert_shared;
    use super::*;

    #[test]
    fn the_shaders_have_the_same_squares() {
        for (file, units) in [
            ("squares_16", MatrixUnits::Half16),
            ("squares_8", MatrixUnits::Half8),
            ("squares_8", MatrixUnits::Single8),
            ("emulated", MatrixUnits::Emulated8),
        ] {
            let shared = [("SIDE", units.side()), ("ELEMENTS", units.elements())];
            assert_shared(
                &format!("matrices/{file}.wgsl"),
                &shared.map(|(name, value)| (name, value.into())),
            );
            let numbers = if units.rounds() { "f16" } else { "f32" };
            let shared = [("PADDING", units.padding()), ("HALVES", units.halves())];
            assert_shared(
                &format!("matrices/{numbers}.wgsl"),
                &shared.map(|(name, value)| (name, value.into())),
            );
        }
    }
}
