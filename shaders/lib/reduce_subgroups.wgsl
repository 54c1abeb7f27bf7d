// Sums over a workgroup of WORKGROUP lanes, by subgroups: for adapters that have them, of any size.
// shaders/lib/reduce_memory.wgsl has the same functions for the others.
//
// A kernel has `run` where others have `main`, and names the number of sums that it makes at once, SLOTS, each of
// four values. Each subgroup adds up its own lanes, and its first lane leaves the sum for the rest of the workgroup:
// one barrier for all sums. Nothing is assumed of the size of a subgroup but the least that the adapter has; some
// drivers choose it per kernel and report another, so lanes are never counted by it.

/// SLOTS · the most subgroups that a workgroup can have.
override SUMMANDS: u32;

/// The invocation within its workgroup and its subgroup.
struct Lane {
    index: u32,
    in_subgroup: u32,
    subgroup: u32,
    subgroups: u32,
}

// Arguments of their own: naga 30 leaves these built-ins unset in a structure that it translates to HLSL.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) in_subgroup: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    run(workgroup, Lane(index, in_subgroup, subgroup, subgroups));
}

var<workgroup> summands: array<vec4<f32>, SUMMANDS>;

/// Gives this lane's part of the sums of a slot; all lanes call it together. Sums are there after `join`.
fn contribute(slot: u32, values: vec4<f32>, lane: Lane) {
    let sums = subgroupAdd(values);
    if lane.in_subgroup == 0u {
        summands[lane.subgroup * SLOTS + slot] = sums;
    }
}

/// Makes what every lane contributed known; all lanes call it together.
fn join(lane: Lane) { workgroupBarrier(); }

/// The sums of a slot, for every lane.
fn joined(slot: u32, lane: Lane) -> vec4<f32> {
    var sums = summands[slot];
    for (var subgroup = 1u; subgroup < lane.subgroups; subgroup++) {
        sums += summands[subgroup * SLOTS + slot];
    }
    return sums;
}

/// The sum of one value a lane; every lane gets it.
fn workgroup_sum(value: f32, lane: Lane) -> f32 {
    let part = subgroupAdd(value);
    if lane.in_subgroup == 0u {
        summands[lane.subgroup * SLOTS] = vec4(part);
    }
    workgroupBarrier();
    let sum = joined(0u, lane).x;
    // The next call may overwrite the sum only when every lane has read it.
    workgroupBarrier();
    return sum;
}
