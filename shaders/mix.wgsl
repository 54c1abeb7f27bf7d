// Adds up what the experts of a row made, by their shares.
//
//   output[t][c] = Σ_k share(t, k) · input[t][k·C + c], the shares only if TIMES_SHARE
//
// Shapes: routes rows of ROUTES_STRIDE numbers, K indices and then K shares; input T × K·C, rows of INPUT_BLOCKS
// blocks of four; output T × C, rows of COLUMNS4 blocks of four, of which BLOCKS hold columns.
// Split: x over blocks of a row, y over rows.
// Twin: src/reference/mix.rs

override WORKGROUP: u32;
override ACTIVE: u32;
override TIMES_SHARE: bool;
override ROUTES_STRIDE: u32;
override INPUT_BLOCKS: u32;
override COLUMNS4: u32;
override BLOCKS: u32;

@group(0) @binding(0) var<storage, read> routes: array<f32>;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= BLOCKS {
        return;
    }
    var place = id.y * INPUT_BLOCKS + id.x;
    let first_share = id.y * ROUTES_STRIDE + ACTIVE;
    var sum = vec4(0.0);
    for (var share = first_share; share < first_share + ACTIVE; share++) {
        sum = fma(vec4(select(1.0, routes[share], TIMES_SHARE)), input[place], sum);
        place += BLOCKS;
    }
    output[id.y * COLUMNS4 + id.x] = sum;
}
