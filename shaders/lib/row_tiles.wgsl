// Tiles of rows whose attention is computed together: up to 32 rows of one sequence, as src/gpu/pass/words.rs lists them.
//
// The keys of a tile are the positions that its longest row sees through the page table, then the slots of all its
// rows' chains; a row takes those that it sees itself.

/// Above every position.
const NOWHERE: u32 = 0xffffffffu;

/// A tile, as the pass lists it.
struct RowTile {
    pages_at: u32,
    longest: u32,
    rows_at: u32,
    rows: u32,
    extras_at: u32,
    keys: u32,
}

fn row_tile(index: u32) -> RowTile {
    let record = pass_data[7] + RECORD_WORDS * index;
    return RowTile(
        pass_data[record],
        pass_data[record + 1u],
        pass_data[record + 2u],
        pass_data[record + 3u],
        pass_data[record + 4u],
        pass_data[record + 1u] + pass_data[record + 5u],
    );
}

/// The slot of a key of the tile.
fn tile_slot(tile: RowTile, key: u32) -> u32 {
    if key < tile.longest {
        return pass_data[tile.pages_at + key / PAGE_POSITIONS] * PAGE_POSITIONS + key % PAGE_POSITIONS;
    }
    return pass_data[tile.extras_at + key - tile.longest];
}

/// The first key that a row of the tile may see, or one before it: a multiple of `step`.
fn first_key(tile: RowTile, step: u32) -> u32 {
    if WINDOW == 0u {
        return 0u;
    }
    var first = tile.longest;
    for (var i = tile.rows_at; i < tile.rows_at + tile.rows; i++) {
        let record = row_record(pass_data[i]);
        first = min(first, first_seen(pass_data[record + 3u] + pass_data[record + 6u]));
    }
    return first / step * step;
}

/// Which of a row's positions the key of this slot is; NOWHERE if the row's chain lacks it.
fn place_in_chain(row: u32, slot: u32) -> u32 {
    let record = row_record(row);
    let begin = pass_data[record + 5u];
    for (var i = begin; i < begin + pass_data[record + 6u]; i++) {
        if pass_data[i] == slot {
            return pass_data[record + 3u] + i - begin;
        }
    }
    return NOWHERE;
}
