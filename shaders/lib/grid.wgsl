// Workgroups beyond 65,535 in one dimension spill into the third; the second dimension counts rows.

const MOST_WORKGROUPS: u32 = 65535u;

/// Index of the workgroup in the dimension that is spread over x and z.
fn spread(workgroup: vec3<u32>) -> u32 { return workgroup.x + workgroup.z * MOST_WORKGROUPS; }
