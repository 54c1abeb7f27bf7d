// For formats without tables.

fn prepare_tables(lane: u32) {}
