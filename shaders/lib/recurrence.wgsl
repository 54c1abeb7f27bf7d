// Where a prepared row of a recurrence has what: queries and keys of each group, KEY4 blocks of four each with zeros
// behind a key's elements; for each group the product of its query and its key; for each head its decay and its
// strength.

override HEADS: u32;
override GROUPS: u32;
override KEY4: u32;
/// From one prepared row to the next, in blocks of four.
override PREPARED_STRIDE4: u32;

fn query_at(row: u32, group: u32) -> u32 { return row * PREPARED_STRIDE4 + group * KEY4; }
fn key_at(row: u32, group: u32) -> u32 { return query_at(row, GROUPS + group); }

/// The first number behind queries and keys, counted in single numbers.
fn numbers_at(row: u32) -> u32 { return 4u * query_at(row, 2u * GROUPS); }
fn product_at(row: u32, group: u32) -> u32 { return numbers_at(row) + group; }
fn decay_at(row: u32, head: u32) -> u32 { return numbers_at(row) + GROUPS + head; }
fn strength_at(row: u32, head: u32) -> u32 { return decay_at(row, HEADS + head); }
