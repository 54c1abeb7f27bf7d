// The grid copied to workgroup memory first: lanes that each look up another word take turns there far less than in a
// cache of lines.

var<workgroup> grid: array<u32, GRID_WORDS>;

/// Copies the grid; all lanes call it together, before weights are read.
fn prepare_tables(lane: u32) {
    for (var i = lane; i < GRID_WORDS; i += WORKGROUP) {
        grid[i] = scales[i];
    }
    workgroupBarrier();
}

fn grid_word(index: u32) -> u32 { return grid[index]; }
