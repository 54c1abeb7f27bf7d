// Where the pinned tokens stand in a row of logits.
//
//   pinned = l(t), number of entries before t by descending logit and then ascending id
//
// for each pinned token t of the pass. The buffer is zero before.
// Shapes: logits (output rows) × V, padded to COLUMNS4 blocks of four; pinned (output rows) × MOST_PINNED × 2 words.
// Split: x over blocks, one lane each, without a barrier; y over output rows; z over pinned tokens.
// Twin: src/reference/selection.rs

override WORKGROUP: u32;

@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> pinned: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let block = id.x;
    let pin = id.z;
    if block >= BLOCKS || pin >= pass_data[PASS_PINNED] {
        return;
    }
    let token = pass_data[pass_data[PASS_PINNED_AT] + pin];
    let base = id.y * COLUMNS4;
    let own = logits[base + token / 4u];
    let key = keys4(own, token / 4u)[token % 4u];
    let first = block_start(block);
    let end = min(first + BLOCK4 * STRIDE, COLUMNS4);
    var before = 0u;
    for (var column = first; column < end; column += STRIDE) {
        let keys = keys4(logits[base + column], column);
        let ids = 4u * column + vec4(0u, 1u, 2u, 3u);
        let found = (keys > vec4(key)) | ((keys == vec4(key)) & (ids < vec4(token)));
        before += dot(select(vec4(0u), vec4(1u), found & inside(column)), vec4(1u));
    }
    let at = 2u * (id.y * MOST_PINNED + pin);
    if block == 0u {
        atomicStore(&pinned[at], bitcast<u32>(own[token % 4u]));
    }
    if before > 0u {
        atomicAdd(&pinned[at + 1u], before);
    }
}
