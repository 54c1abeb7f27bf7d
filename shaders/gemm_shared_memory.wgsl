// A linear map for many rows: tiles of 64 rows of the batch by 64 rows of the weight, in workgroup memory and
// registers. For GPUs without matrix units that wgpu offers.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. The input comes normalised.
// Split: x and z over tiles of 64 rows of the weight, y over tiles of 64 rows of the batch. A workgroup of 64
// lanes copies sixteen columns of both into workgroup memory, weights decoded; then each lane multiplies eight
// rows of the batch with eight of the weight, so that a value read there is used eight times.
// A lane copies four rows of a block of columns and stores whole blocks of four rows: of lanes that each stored a
// component of one block, some drivers would keep only the last one's.
// Twin: src/reference/linear.rs

const TILE: u32 = 64u;
// Blocks of four columns a turn.
const TURN: u32 = 4u;
// A column of the tile is 16 blocks of four rows, and one more so that columns begin in different banks.
const STRIDE: u32 = TILE / 4u + 1u;

// Column by column: the value of column k and row r is in block k · STRIDE + r / 4.
var<workgroup> batch_tile: array<vec4<f32>, 4u * TURN * STRIDE>;
// Even blocks of the weight's rows come first, odd ones after them: a lane takes an even one and its successor
// (a gate and its up), and neighbouring lanes still read neighbouring blocks.
var<workgroup> weight_tile: array<vec4<f32>, 4u * TURN * STRIDE>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let columns = UNITS * UNIT;
    let first_row = workgroup.y * TILE;
    let last_row = row_count() - 1u;
    let first_weight = spread(workgroup) * TILE;
    let last_weight = first_weight_row(SHARD_BLOCKS) - 1u;
    if first_weight > last_weight {
        return;
    }
    prepare_tables(lane);
    // What the lane copies: of each turn's columns one block, of each tile's rows another.
    let column = lane % TURN;
    let block = lane / TURN;
    let weight_place = block / 2u + 8u * (block % 2u);
    // What it multiplies.
    let across = lane % 8u;
    let down = lane / 8u;

    // Sums of rows 4 · down to 4 · down + 3, then of those 32 further, by an even block and by its successor.
    var upper_even = mat4x4<f32>();
    var upper_odd = mat4x4<f32>();
    var lower_even = mat4x4<f32>();
    var lower_odd = mat4x4<f32>();
    for (var turn = 0u; turn < columns; turn += TURN) {
        // Four lanes read 64 neighbouring bytes of a row. Rows beyond the ends repeat the last; columns beyond
        // are zero.
        var values = mat4x4<f32>();
        var weights4 = mat4x4<f32>();
        if turn + column < columns {
            for (var i = 0u; i < 4u; i++) {
                let row = min(first_row + 4u * block + i, last_row);
                let weight_row = min(first_weight + 4u * block + i, last_weight);
                values[i] = input[row * INPUT_BLOCKS + turn + column];
                weights4[i] = weight4(weight_row * columns + turn + column);
            }
        }
        values = transpose(values);
        weights4 = transpose(weights4);
        for (var i = 0u; i < 4u; i++) {
            batch_tile[(4u * column + i) * STRIDE + block] = values[i];
            weight_tile[(4u * column + i) * STRIDE + weight_place] = weights4[i];
        }
        workgroupBarrier();
        for (var place = 0u; place < 4u * TURN * STRIDE; place += STRIDE) {
            let upper = batch_tile[place + down];
            let lower = batch_tile[place + down + 8u];
            let even = weight_tile[place + across];
            let odd = weight_tile[place + across + 8u];
            upper_even = add_products(upper, even, upper_even);
            upper_odd = add_products(upper, odd, upper_odd);
            lower_even = add_products(lower, even, lower_even);
            lower_odd = add_products(lower, odd, lower_odd);
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        let row = first_row + 4u * down + i;
        finish_pair(row, first_weight / 4u + 2u * across, upper_even[i], upper_odd[i]);
        finish_pair(row + TILE / 2u, first_weight / 4u + 2u * across, lower_even[i], lower_odd[i]);
    }
}

/// Adds the product of each row with each weight: a column of the matrix is a row of the batch.
fn add_products(rows: vec4<f32>, weights4: vec4<f32>, sums: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4(
        fma(vec4(rows.x), weights4, sums[0]),
        fma(vec4(rows.y), weights4, sums[1]),
        fma(vec4(rows.z), weights4, sums[2]),
        fma(vec4(rows.w), weights4, sums[3]),
    );
}

/// Finishes two successive blocks of a row's results, as far as they exist.
fn finish_pair(row: u32, block: u32, even: vec4<f32>, odd: vec4<f32>) {
    if row >= row_count() {
        return;
    }
    if FINISH == GATE {
        if block / 2u < SHARD_BLOCKS {
            finish(row, block / 2u, even, odd);
        }
        return;
    }
    if block < SHARD_BLOCKS {
        finish(row, block, even, vec4(0.0));
    }
    if block + 1u < SHARD_BLOCKS {
        finish(row, block + 1u, odd, vec4(0.0));
    }
}
