// For formats without a grid.

fn prepare_grid(lane: u32) {}
