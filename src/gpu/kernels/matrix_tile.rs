//! Tiles of `shaders/gemm_cooperative.wgsl`: how much of a product a workgroup computes.

use super::matrix_units::{LEAST_LANES, MatrixUnits, SUBGROUPS};

/// Bytes of the table of `shaders/lib/numbers_memory.wgsl`, which some formats have.
const TABLE_BYTES: u32 = 64;

/// How large a tile is: small ones keep more of a GPU at work where there are few, large ones read less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatrixTile {
    /// Two by two squares for each subgroup.
    Small,
    /// Two by four.
    Medium,
    /// Four by four.
    Large,
}

/// Matrix units and the tiles that they compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Matrices {
    /// What multiplies.
    pub units: MatrixUnits,
    /// What a workgroup computes.
    pub tile: MatrixTile,
}

impl MatrixTile {
    /// Every size, the likeliest to be fast first.
    pub const ALL: [Self; 3] = [Self::Medium, Self::Large, Self::Small];

    /// Squares of a subgroup, down the batch's rows and across the weight's.
    fn squares(self) -> [u32; 2] {
        match self {
            Self::Small => [2, 2],
            Self::Medium => [2, 4],
            Self::Large => [4, 4],
        }
    }

    /// The sizes as the kernel knows them.
    pub(super) fn constants(self) -> String {
        let ([down, across], turn) = (self.squares(), self.turn());
        format!(
            "// Squares of a subgroup, and blocks of four columns of a turn.\n\
             const DOWN: u32 = {down}u;\nconst ACROSS: u32 = {across}u;\nconst TURN: u32 = {turn}u;\n"
        )
    }

    /// Blocks of four columns that a turn takes.
    pub(crate) fn turn(self) -> u32 {
        match self {
            Self::Small => 16,
            Self::Medium | Self::Large => 8,
        }
    }
}

impl Matrices {
    /// Each kind of units with each tile.
    pub fn all() -> impl Iterator<Item = Self> {
        MatrixUnits::ALL.into_iter().flat_map(Self::of)
    }

    /// Units with each tile.
    pub fn of(units: MatrixUnits) -> impl Iterator<Item = Self> {
        MatrixTile::ALL.into_iter().map(move |tile| Self { units, tile })
    }

    /// Rows of the batch and rows of the weight in a tile.
    pub(crate) fn rows(self) -> [u32; 2] {
        self.tile.squares().map(|squares| SUBGROUPS / 2 * squares * self.units.side())
    }

    /// Most workgroup memory that the kernel takes, in bytes. It is more than every adapter has; those with matrix units
    /// have 32 KiB.
    pub fn memory_bytes(self) -> u32 {
        let stride = self.tile.turn() + self.units.padding();
        let sums = SUBGROUPS * self.units.side().pow(2) * 4;
        self.rows().iter().sum::<u32>() * stride * self.units.block_bytes() + sums + TABLE_BYTES
    }

    /// How often the kernel's lines stand, by what they repeat for; of weights in units of so many blocks of four.
    pub(super) fn repeats(self, unit_blocks: u32) -> [(char, u32); 4] {
        let ([down, across], turn) = (self.tile.squares(), self.tile.turn());
        let [rows, weights] = self.rows();
        let copies = |items: u32| items.div_ceil(LEAST_LANES);
        let units = copies(weights * turn / unit_blocks);
        [('i', down), ('j', across), ('b', copies(rows * turn)), ('u', units)]
    }

    pub(super) fn id(self) -> String {
        let [rows, weights] = self.rows();
        format!("{}-{rows}x{weights}", self.units.id())
    }

    pub(super) fn describe(self) -> String {
        let [rows, weights] = self.rows();
        format!("{}, tiles of {rows} by {weights}", self.units.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::super::shader_text::assert_shared;
    use super::*;

    #[test]
    fn the_shader_divides_tiles_likewise() {
        let expected = [("SUBGROUPS", u64::from(SUBGROUPS)), ("SUBGROUPS_ACROSS", u64::from(SUBGROUPS / 2))];
        assert_shared("gemm_cooperative.wgsl", &expected);
    }

    #[test]
    fn lanes_copy_a_tile_once() {
        let tile = |units, tile| Matrices { units, tile };
        let (half, small) = (MatrixUnits::Half16, MatrixUnits::Half8);
        // Squares down and across; blocks of the input and units of the weight for each of 128 lanes, in units of 2 and of
        // 8 blocks: of 128 rows by 8 blocks a lane copies 8, or one unit in eight.
        for (matrices, unit_blocks, [down, across, blocks, units]) in [
            (tile(half, MatrixTile::Small), 2, [2, 2, 8, 4]),
            (tile(half, MatrixTile::Medium), 2, [2, 4, 4, 4]),
            (tile(half, MatrixTile::Large), 8, [4, 4, 8, 1]),
            // 64 units of weights for 128 lanes.
            (tile(small, MatrixTile::Medium), 8, [2, 4, 2, 1]),
        ] {
            let expected = [('i', down), ('j', across), ('b', blocks), ('u', units)];
            assert_eq!(matrices.repeats(unit_blocks), expected, "{matrices:?}");
        }
        assert_eq!([8, 16, 32, 64].map(MatrixUnits::lanes), [128, 128, 128, 256], "by lanes of a subgroup");
    }

    #[test]
    fn every_adapter_with_matrix_units_has_room_for_their_tiles() {
        for matrices in Matrices::all() {
            assert!(matrices.memory_bytes() <= 32 << 10, "{matrices:?}: {}", matrices.memory_bytes());
        }
    }
}
