// Counts to a number that the driver cannot know beforehand: a driver that ends loops early is found out.
//
// Split: one invocation.
// Twin: none; src/gpu/device/canary.rs knows the answer.

@group(0) @binding(0) var<storage, read> turns: u32;
@group(0) @binding(1) var<storage, read_write> counted: u32;

@compute @workgroup_size(1)
fn main() {
    var count = 0u;
    for (var turn = 0u; turn < turns; turn++) {
        // The exclusive or keeps a compiler from replacing the loop by its result.
        count += 1u + ((turn ^ count) & 0u * turn);
    }
    counted = count;
}
