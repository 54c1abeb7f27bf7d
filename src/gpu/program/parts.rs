//! Into how many parts the columns of a linear map are divided among workgroups: as many as it takes to keep a GPU at
//! work where there are few tiles.

use crate::model::plan::{Op, Plan};

/// Workgroups that are enough for every GPU.
const ENOUGH_WORKGROUPS: u32 = 512;
/// Fewest turns over the columns that a part has.
const PART_TURNS: u32 = 4;
/// Most parts.
const MOST_PARTS: u32 = 16;
/// Most sums of all parts together.
const MOST_SUMS: u32 = 1 << 22;

/// The tiles of a linear map whose columns may be divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TileParts {
    /// Tiles over the rows of the weight.
    pub tiles: u32,
    /// Rows of the batch and rows of the weight in a tile.
    pub tile: [u32; 2],
    /// Turns over the columns.
    pub turns: u32,
}

impl TileParts {
    /// The parts for so many rows of the batch.
    pub(super) fn parts(self, rows: u32) -> u32 {
        let [tile_rows, tile_weights] = self.tile;
        let tiles = (self.tiles * rows.div_ceil(tile_rows)).max(1);
        let sums = (tiles * tile_rows).saturating_mul(tile_weights);
        let parts = (ENOUGH_WORKGROUPS / tiles).min(MOST_SUMS / sums).min(self.turns / PART_TURNS);
        parts.clamp(1, MOST_PARTS)
    }
}

/// Bytes of the partial sums of a plan's linear maps, for passes of so many rows.
pub(super) fn partial_sum_bytes(plan: &Plan, rows: usize) -> u64 {
    let sums = plan.ops.iter().filter_map(|op| match op {
        Op::Linear { weight, .. } => Some(rows as u64 * plan.tensor(*weight).rows.next_multiple_of(8) as u64),
        _ => None,
    });
    bytes_of(sums.max().unwrap_or_default())
}

/// Bytes of the partial sums of a linear map that has so many results.
fn bytes_of(results: u64) -> u64 {
    let most = results.saturating_mul(u64::from(MOST_PARTS));
    // One more block says how many parts there are.
    4 * most.min(u64::from(MOST_SUMS)) + 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::{BufferId, Epilogue, TensorId, TensorSpec};

    #[test]
    fn few_tiles_are_divided_and_many_are_not() {
        let parts = |weights: u32, tile: [u32; 2], turns, rows| {
            TileParts { tiles: weights.div_ceil(tile[1]), tile, turns }.parts(rows)
        };
        assert_eq!(parts(4096, [64, 64], 128, 128), 4, "128 tiles");
        assert_eq!(parts(4096, [64, 64], 12, 128), 3, "no part is shorter than four turns");
        assert_eq!(parts(4096, [64, 64], 15, 128), 3);
        assert_eq!(parts(19200, [64, 64], 128, 64), 1, "twice 300 tiles are more than enough");
        assert_eq!(parts(64, [64, 64], 1000, 9), 16);
        assert_eq!(parts(28672, [64, 64], 128, 128), 1);
        assert_eq!(parts(4096, [128, 128], 128, 128), 8, "32 tiles of 16,384 sums");
        assert_eq!(parts(4096, [128, 128], 128, 512), 2);
        assert_eq!(parts(8, [64, 64], 1, 9), 1);
    }

    #[test]
    fn a_plan_has_room_for_the_sums_of_its_largest_map() {
        let map = |weight: usize| Op::Linear {
            norm: None,
            weight: TensorId(weight),
            bias: None,
            input: BufferId(0),
            output: BufferId(0),
            epilogue: Epilogue::Store,
        };
        let tensor = |rows| TensorSpec { name: String::new(), rows, columns: 64 };
        let plan = Plan {
            tensors: [10, 70, 4].map(tensor).to_vec(),
            buffers: Vec::new(),
            rotary_tables: Vec::new(),
            cache_widths: Vec::new(),
            states: Vec::new(),
            cache_format: Default::default(),
            ops: [0, 1, 2].map(map).to_vec(),
            logits: BufferId(0),
            hidden: None,
            carried: None,
        };
        // 70 rows are stored as 72: 16 parts of 9 rows by 72 sums of 4 bytes, and a block that counts the parts.
        assert_eq!(partial_sum_bytes(&plan, 9), 16 * 9 * 72 * 4 + 16);
    }

    #[test]
    fn the_sums_of_all_parts_have_room() {
        for (weights, turns) in [8u32, 72, 576, 4096, 28672].into_iter().zip([4, 64, 1000, 16, 300]) {
            for tile in [[64, 64], [64, 128], [128, 128], [32, 64]] {
                let divided = TileParts { tiles: weights.div_ceil(tile[1]), tile, turns };
                for rows in (9..1200).step_by(13) {
                    let parts = divided.parts(rows);
                    let results = u64::from(rows) * u64::from(weights.next_multiple_of(8));
                    let bytes = 4 * results * u64::from(parts) + 16;
                    assert!(
                        parts == 1 || bytes <= bytes_of(results),
                        "{divided:?}, {rows} rows: {parts} parts"
                    );
                }
            }
        }
    }
}
