// Workgroups that take one or two blocks of four rows of a weight: what the kernels for one row of the batch and for few share.
//
// Bindings and results: shaders/lib/linear.wgsl. Sums: shaders/lib/reduce_*.wgsl; a row's are in PARTS slots in a row.

// Blocks of four rows of the weight that a workgroup takes: 1 or 2; with FINISH = GATE 2, a gate and its up.
override PARTS: u32;

/// Whether a workgroup has nothing of the shard.
fn is_beyond_shard(group: u32) -> bool { return group * select(PARTS, 1u, FINISH == GATE) >= SHARD_BLOCKS; }

/// Makes what was joined from `slot` on, times the norm's factor, the output of a row.
fn finish_parts(row: u32, group: u32, slot: u32, factor: f32, lane: Lane) {
    let first = factor * joined(slot, lane);
    if FINISH == GATE {
        finish(row, group, first, factor * joined(slot + 1u, lane));
        return;
    }
    finish(row, group * PARTS, first, vec4(0.0));
    if PARTS == 2u && group * 2u + 1u < SHARD_BLOCKS {
        finish(row, group * 2u + 1u, factor * joined(slot + 1u, lane), vec4(0.0));
    }
}
