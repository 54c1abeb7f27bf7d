// What varies from pass to pass, in one buffer that one write fills. src/gpu/pass/words.rs lays it out.
//
//   word 0          T: rows of the batch
//   word 1          rows whose logits are wanted
//   word 2          where the row records begin
//   word 3          where the list of output rows begins
//   word 4          where the records of how to choose begin, 8 words for each output row
//   words 5, 6      positions of a split of attention, and splits of the longest row
//   word 7          where the tiles of rows begin
//   word 8 + i      where the angles of rotary table i begin: for each row its cosines, then its sines
//
// A row record is 8 words: token, position, slot of its own key and value in the cache, number of positions it
// sees through its page table, where that page table begins, where its chain of slots begins, how long the
// chain is, and one unused. A tile's record is 8 words: where its page table begins, positions that its longest
// row sees through it, where its list of rows begins, how many they are, where the slots of all their chains
// begin, how many they are, and two unused.

@group(0) @binding(0) var<storage, read> pass_data: array<u32>;

const RECORD_WORDS: u32 = 8u;

fn row_record(row: u32) -> u32 { return pass_data[2] + row * RECORD_WORDS; }
fn row_token(row: u32) -> u32 { return pass_data[row_record(row)]; }
fn row_position(row: u32) -> u32 { return pass_data[row_record(row) + 1u]; }
fn row_slot(row: u32) -> u32 { return pass_data[row_record(row) + 2u]; }

/// The batch row of an output row.
fn picked_row(output: u32) -> u32 { return pass_data[pass_data[3] + output]; }
