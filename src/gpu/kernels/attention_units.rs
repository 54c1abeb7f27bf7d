//! Matrix units as `shaders/attention_cooperative.wgsl` uses them: attention of a prompt.

use super::matrix_units::{LEAST_LANES, MatrixUnits};

/// Rows of a tile.
const ROWS: u32 = 32;
/// Widest heads, in blocks of eight elements.
const MOST_VEC8S: u32 = 32;

/// Matrix units, and the workgroups that they get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionUnits {
    /// What multiplies.
    pub units: MatrixUnits,
    /// Lanes of a workgroup.
    pub lanes: u32,
    /// Bytes of workgroup memory that the adapter has.
    pub workgroup_bytes: u32,
}

impl AttentionUnits {
    /// Whether heads of so many blocks of eight elements can be computed so: whole pairs of squares, for which there is room.
    pub(crate) fn suit(self, vec8s: u32) -> bool {
        let is_whole = (8 * vec8s).is_multiple_of(2 * self.units.side());
        is_whole && vec8s <= MOST_VEC8S && self.memory_bytes(vec8s) <= self.workgroup_bytes
    }

    /// Elements of tiles of queries, keys or values, and weights, as the kernel counts them.
    pub(crate) fn tile_room(self, vec8s: u32) -> u32 {
        self.blocks(vec8s) * self.units.elements()
    }

    /// Blocks of four numbers of those.
    fn blocks(self, vec8s: u32) -> u32 {
        let [halves, padding, tile] = [self.units.halves(), self.units.padding(), self.tile()];
        let [head_stride, key_stride] = [2 * vec8s + padding, tile / 4 + padding];
        let cached = (tile * head_stride).max(8 * vec8s * key_stride);
        ROWS * halves * (head_stride + key_stride) + cached
    }

    /// Workgroup memory that the kernel takes, in bytes.
    pub fn memory_bytes(self, vec8s: u32) -> u32 {
        let sums = 16 * ROWS * (self.tile() / 4 + 1);
        // A number of each lane, a factor of each row, and whether one of those is below 1.
        let numbers = 4 * (self.lanes + ROWS + 1);
        self.units.block_bytes() * self.blocks(vec8s) + sums + numbers.next_multiple_of(16)
    }

    /// Keys of a tile.
    fn tile(self) -> u32 {
        2 * self.units.side()
    }

    pub(super) fn id(self) -> String {
        format!("attention-cooperative-{}-{}", self.units.id(), self.lanes)
    }

    pub(super) fn describe(self) -> String {
        format!("tiles of {ROWS} rows by {}", self.units.describe())
    }
}

/// How often the kernel's lines stand, by what they repeat for: squares down a quarter of 32 rows, those across half of the widest
/// head, and blocks of eight of keys and fours of those of values that a lane copies.
pub(super) fn repeats(units: MatrixUnits) -> [(char, u32); 4] {
    let side = units.side();
    let keys = (2 * side * MOST_VEC8S).div_ceil(LEAST_LANES);
    [('i', ROWS / 2 / side), ('o', 4 * MOST_VEC8S / side), ('b', keys), ('v', keys.div_ceil(4))]
}

#[cfg(test)]
mod tests {
    use super::super::shader_text::assert_shared;
    use super::*;

    fn attention(units: MatrixUnits, workgroup_bytes: u32) -> AttentionUnits {
        AttentionUnits { units, lanes: 128, workgroup_bytes }
    }

    #[test]
    fn the_shader_has_tiles_of_as_many_rows() {
        assert_shared("attention_cooperative.wgsl", &[("ROWS", u64::from(ROWS))]);
    }

    #[test]
    fn heads_are_whole_pairs_of_squares_that_fit_the_memory() {
        let widths = |units, kib: u32| {
            let attention = attention(units, kib << 10);
            (1..=40).filter(|&vec8s| attention.suit(vec8s)).map(|vec8s| 8 * vec8s).collect::<Vec<_>>()
        };
        // 32 rows of queries twice, of D + 8 numbers; 32 rows of weights twice and D of values, of 40; sums and numbers.
        let bytes = 2 * (64 * (64 + 8) + (64 + 64) * 40) + 16 * 32 * 9 + 656;
        assert_eq!(attention(MatrixUnits::Half16, 0).memory_bytes(8), bytes);
        assert_eq!(widths(MatrixUnits::Half16, 48), [32, 64, 96, 128, 160]);
        assert_eq!(widths(MatrixUnits::Half16, 64), [32, 64, 96, 128, 160, 192, 224, 256]);
        assert_eq!(widths(MatrixUnits::Half8, 32), [16, 32, 48, 64, 80, 96, 112, 128, 144]);
        assert_eq!(widths(MatrixUnits::Single8, 32), [16, 32, 48, 64, 80, 96, 112]);
    }
}
