// Tiles of rows whose attention is computed together: up to 32 rows of one sequence, as src/gpu/pass/words.rs lists
// them.
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
    chains_at: u32,
    keys: u32,
}

fn row_tile(index: u32) -> RowTile {
    let record = pass_data[PASS_TILES_AT] + TILE_WORDS * index;
    let longest = pass_data[record + TILE_LONGEST];
    return RowTile(
        pass_data[record + TILE_PAGES_AT],
        longest,
        pass_data[record + TILE_ROWS_AT],
        pass_data[record + TILE_ROW_COUNT],
        pass_data[record + TILE_CHAINS_AT],
        longest + pass_data[record + TILE_CHAINED],
    );
}

/// The batch row of a row of the tile.
fn tile_row(tile: RowTile, index: u32) -> u32 { return pass_data[tile.rows_at + index]; }

/// The slot of a key of the tile.
fn tile_slot(tile: RowTile, key: u32) -> u32 {
    if key < tile.longest {
        return pass_data[tile.pages_at + key / PAGE_POSITIONS] * PAGE_POSITIONS + key % PAGE_POSITIONS;
    }
    return pass_data[tile.chains_at + key - tile.longest];
}

/// The first key that a row of the tile may see, or one before it: a multiple of `step`.
fn first_key(tile: RowTile, step: u32) -> u32 {
    if WINDOW == 0u && CHUNK == 0u {
        return 0u;
    }
    var first = tile.longest;
    for (var i = 0u; i < tile.rows; i++) {
        first = min(first, first_seen(row_positions(tile_row(tile, i))));
    }
    return first / step * step;
}

/// Which of a row's positions the key of this slot is; NOWHERE if the row's chain lacks it.
fn chain_position(row: u32, slot: u32) -> u32 {
    let begin = row_word(row, ROW_CHAIN_AT);
    let end = begin + row_chain_length(row);
    var position = NOWHERE;
    for (var i = begin; i < end && position == NOWHERE; i++) {
        if pass_data[i] == slot {
            position = row_cached(row) + i - begin;
        }
    }
    return position;
}
