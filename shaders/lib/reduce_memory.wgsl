// Sums over a workgroup of WORKGROUP lanes, in workgroup memory: for adapters without subgroups.
// shaders/lib/reduce_subgroups.wgsl has the same functions for the others.
//
// A kernel has `run` where others have `main`, and names the number of sums that it makes at once, SLOTS, each of
// four values. WORKGROUP is a power of two: every turn of the tree adds its upper half to its lower one.

/// SLOTS · WORKGROUP (naga 30 takes no product of overrides as an array's length).
override SUMMANDS: u32;

/// The invocation within its workgroup.
struct Lane {
    index: u32,
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    run(workgroup, Lane(index));
}

var<workgroup> summands: array<vec4<f32>, SUMMANDS>;

/// Gives this lane's part of the sums of a slot. Sums are there after `join`.
fn contribute(slot: u32, values: vec4<f32>, lane: Lane) { summands[slot * WORKGROUP + lane.index] = values; }

/// Adds up what every lane contributed; all lanes call it together.
fn join(lane: Lane) {
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane.index < half {
            for (var slot = 0u; slot < SLOTS; slot++) {
                let place = slot * WORKGROUP + lane.index;
                summands[place] += summands[place + half];
            }
        }
        workgroupBarrier();
    }
}

/// The sums of a slot, for every lane.
fn joined(slot: u32, lane: Lane) -> vec4<f32> { return summands[slot * WORKGROUP]; }

/// The sum of one value a lane; every lane gets it.
fn workgroup_sum(value: f32, lane: Lane) -> f32 {
    summands[lane.index].x = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane.index < half {
            summands[lane.index].x += summands[lane.index + half].x;
        }
        workgroupBarrier();
    }
    let sum = summands[0].x;
    // The next call may overwrite the values only when every lane has read the sum.
    workgroupBarrier();
    return sum;
}
