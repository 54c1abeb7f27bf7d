// The sum of one value per lane over a workgroup of WORKGROUP lanes, a power of two. Every lane gets it.

var<workgroup> reduce_values: array<f32, WORKGROUP>;

fn workgroup_sum(value: f32, lane: u32) -> f32 {
    reduce_values[lane] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane < half {
            reduce_values[lane] += reduce_values[lane + half];
        }
        workgroupBarrier();
    }
    let sum = reduce_values[0];
    // The next call may overwrite the values only when every lane has read the sum.
    workgroupBarrier();
    return sum;
}
