// What varies from pass to pass, in one buffer that one write fills. src/gpu/pass/layout.rs has the same constants,
// and a test compares them; src/gpu/pass/words.rs fills the buffer.

@group(0) @binding(0) var<storage, read> pass_data: array<u32>;

// The header: word by word, then the angles' places.

/// T: rows of the batch.
const PASS_ROWS: u32 = 0u;
/// Rows whose logits are wanted.
const PASS_OUTPUTS: u32 = 1u;
/// Where the rows' records begin.
const PASS_ROWS_AT: u32 = 2u;
/// Where the list of output rows begins.
const PASS_OUTPUTS_AT: u32 = 3u;
/// Where the output rows' sampling records begin.
const PASS_SAMPLING_AT: u32 = 4u;
/// Splits of attention have a multiple of so many positions.
const PASS_SPLIT_STEP: u32 = 5u;
/// Splits of the longest row.
const PASS_SPLITS: u32 = 6u;
/// Where the records of the tiles of rows begin.
const PASS_TILES_AT: u32 = 7u;
/// Where the records of the walks through the rows begin.
const PASS_WALKS_AT: u32 = 8u;
/// How many tokens are pinned, and where their list begins.
const PASS_PINNED: u32 = 9u;
const PASS_PINNED_AT: u32 = 10u;
/// Where the angles of rotary table 0 begin: for each row its cosines, then its sines. Other tables' words follow.
const PASS_ANGLES_AT: u32 = 11u;

/// In place of a row or a slot that there is not.
const NOTHING: u32 = 4294967295u;

// A row's record.

const ROW_WORDS: u32 = 12u;
const ROW_TOKEN: u32 = 0u;
const ROW_POSITION: u32 = 1u;
/// The slot of its own key and value in the cache.
const ROW_SLOT: u32 = 2u;
/// How many positions it sees through its page table.
const ROW_CACHED: u32 = 3u;
/// Where that page table begins.
const ROW_PAGES_AT: u32 = 4u;
/// Where its chain of slots begins: the rows of this batch that lead to it, itself last.
const ROW_CHAIN_AT: u32 = 5u;
const ROW_CHAIN_LENGTH: u32 = 6u;
/// The row of this batch just before it.
const ROW_PARENT: u32 = 7u;
/// The slot of the state before the first row of the batch that leads to it.
const ROW_STATE_FROM: u32 = 8u;
/// The slot for the state after it.
const ROW_STATE_TO: u32 = 9u;

// A record of a tile of rows.

const TILE_WORDS: u32 = 8u;
/// Where its page table begins.
const TILE_PAGES_AT: u32 = 0u;
/// How many positions its longest row sees through it.
const TILE_LONGEST: u32 = 1u;
/// Where its list of rows begins, and how many they are.
const TILE_ROWS_AT: u32 = 2u;
const TILE_ROW_COUNT: u32 = 3u;
/// Where the slots of all their chains begin, and how many they are.
const TILE_CHAINS_AT: u32 = 4u;
const TILE_CHAINED: u32 = 5u;

// A record of a walk: rows each of which is the parent of the next, the first without one.

const WALK_WORDS: u32 = 4u;
/// The slot of the state before its first row.
const WALK_FROM: u32 = 0u;
/// Where its list of rows begins, and how many they are.
const WALK_ROWS_AT: u32 = 1u;
const WALK_ROW_COUNT: u32 = 2u;
/// How many of them belong to walks before this one.
const WALK_FIRST_OWN: u32 = 3u;

// An output row's record of how to sample.

const SAMPLING_WORDS: u32 = 8u;
const SAMPLING_INVERSE_TEMPERATURE: u32 = 0u;
const SAMPLING_TOP_K: u32 = 1u;
const SAMPLING_TOP_P: u32 = 2u;
const SAMPLING_MIN_P: u32 = 3u;
const SAMPLING_POINT: u32 = 4u;

fn row_word(row: u32, word: u32) -> u32 { return pass_data[pass_data[PASS_ROWS_AT] + row * ROW_WORDS + word]; }
fn row_token(row: u32) -> u32 { return row_word(row, ROW_TOKEN); }
fn row_position(row: u32) -> u32 { return row_word(row, ROW_POSITION); }
fn row_slot(row: u32) -> u32 { return row_word(row, ROW_SLOT); }
fn row_cached(row: u32) -> u32 { return row_word(row, ROW_CACHED); }
fn row_chain_length(row: u32) -> u32 { return row_word(row, ROW_CHAIN_LENGTH); }

/// How many positions a row sees: through its page table, and of its chain.
fn row_positions(row: u32) -> u32 { return row_cached(row) + row_chain_length(row); }

/// The batch row of an output row.
fn picked_row(output: u32) -> u32 { return pass_data[pass_data[PASS_OUTPUTS_AT] + output]; }

fn walk_word(walk: u32, word: u32) -> u32 { return pass_data[pass_data[PASS_WALKS_AT] + walk * WALK_WORDS + word]; }
fn walk_row(rows_at: u32, step: u32) -> u32 { return pass_data[rows_at + step]; }

fn split_count() -> u32 { return pass_data[PASS_SPLITS]; }

/// Positions of a split of a row that sees so many: whole steps, so that there are no more than split_count() splits.
fn split_positions(seen: u32) -> u32 {
    let step = pass_data[PASS_SPLIT_STEP];
    let of_all = step * split_count();
    return (seen + of_all - 1u) / of_all * step;
}

/// A word of an output row's record of how to sample, as it is and as a number.
fn sampling_word(output: u32, word: u32) -> u32 {
    return pass_data[pass_data[PASS_SAMPLING_AT] + output * SAMPLING_WORDS + word];
}
fn sampling_number(output: u32, word: u32) -> f32 { return bitcast<f32>(sampling_word(output, word)); }

/// Where a row's angles by a rotary table of `pairs` pairs begin.
fn row_angles(row: u32, table: u32, pairs: u32) -> u32 {
    return pass_data[PASS_ANGLES_AT + table] + row * 2u * pairs;
}

/// Cosine and sine of a pair, of the angles that begin at `angles`.
fn cosine_sine(angles: u32, pair: u32, pairs: u32) -> vec2<f32> {
    return vec2(bitcast<f32>(pass_data[angles + pair]), bitcast<f32>(pass_data[angles + pairs + pair]));
}
