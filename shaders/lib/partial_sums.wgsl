// Sums over a part of the columns, where there are too few tiles to keep a GPU at work: workgroups divide the columns of
// a tile among them, and shaders/linear_sums.wgsl adds up what they have found, always in the same order.
//
// Shapes: one block that says how many parts there are; then parts × rows × blocks of four rows of the shard.

@group(0) @binding(7) var<storage, read_write> partials: array<vec4<f32>>;

/// Where the sums of a block of outputs are; those of a gate are followed by its up's.
fn partial_place(part: u32, row: u32, block: u32) -> u32 {
    return 1u + ((part * row_count() + row) * SHARD_BLOCKS + block) * select(1u, 2u, FINISH == GATE);
}

/// Makes the sums of one of so many parts of the columns the output, or keeps them.
fn finish_part(part: u32, parts: u32, row: u32, block: u32, result: vec4<f32>, up: vec4<f32>) {
    if parts == 1u {
        finish(row, block, result, up);
        return;
    }
    let place = partial_place(part, row, block);
    partials[place] = result;
    if FINISH == GATE {
        partials[place + 1u] = up;
    }
    if part + row + block == 0u {
        partials[0] = vec4(f32(parts));
    }
}
