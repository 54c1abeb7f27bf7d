// Turns each head's pairs of elements by the angles of the row's position (Su et al. 2021), in place.
//
//   (a, b) = (x[i], x[i + P])   →   (a·cos − b·sin, b·cos + a·sin)
//
// Shapes: values T × heads·D, from column FIRST of rows STRIDE apart; P = PAIRS rotating pairs a head. Cosines and
// sines come with the pass, computed in f64: WGSL promises too little for `cos` of a large angle.
// Split: x over all pairs of a row, y over rows.
// Twin: src/reference/rotary.rs

override WORKGROUP: u32;
override HEADS: u32;
override HEAD_WIDTH: u32;
override PAIRS: u32;
override STRIDE: u32;
override FIRST: u32;
override TABLE: u32;

@group(0) @binding(1) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= HEADS * PAIRS {
        return;
    }
    let row = id.y;
    let head = id.x / PAIRS;
    let pair = id.x % PAIRS;
    let turn = cosine_sine(row_angles(row, TABLE, PAIRS), pair, PAIRS);
    let first = row * STRIDE + FIRST + head * HEAD_WIDTH + pair;
    let a = values[first];
    let b = values[first + PAIRS];
    values[first] = a * turn.x - b * turn.y;
    values[first + PAIRS] = b * turn.x + a * turn.y;
}
