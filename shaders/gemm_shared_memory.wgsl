// A linear map for many rows: tiles of 64 rows of the batch by 64 rows of the weight, in workgroup memory and
// registers. For GPUs without matrix units that wgpu offers.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. The input comes normalised.
// Split: x over tiles of 64 rows of the weight, y over tiles of 64 rows of the batch, z over parts of the columns
// (shaders/lib/partial_sums.wgsl). A turn takes 32 columns: what the 64 lanes have loaded goes into workgroup memory,
// weights decoded; then they load what the next turn needs, which arrives while each lane multiplies eight rows of the
// batch with eight of the weight, so that a value read there is used eight times.
// A line with $i, $w, $b or $u stands once for each of the eight rows of either factor, each block of the input and each
// unit of weights that a lane copies (src/gpu/kernels/repeat.rs).
// Twin: src/reference/linear.rs

const TILE: u32 = 64u;
// Blocks of four columns a turn.
const TURN: u32 = 8u;
const TURN_UNITS: u32 = TURN / UNIT;

// Row by row. Blocks of the weight's rows are permuted among themselves, otherwise for each eight of them: lanes side by
// side read rows that are eight apart, and so from different banks.
var<workgroup> batch_tile: array<vec4<f32>, TILE * TURN>;
var<workgroup> weight_tile: array<vec4<f32>, TILE * TURN>;

/// Where the workgroup's tile begins, and where the matrix ends.
struct Tile {
    first_row: u32,
    last_row: u32,
    first_weight: u32,
    last_weight: u32,
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile =
        Tile(workgroup.y * TILE, row_count() - 1u, workgroup.x * TILE, first_weight_row(SHARD_BLOCKS) - 1u);
    let turns = (UNITS + TURN_UNITS - 1u) / TURN_UNITS;
    let first_turn = workgroup.z * turns / workgroups.z;
    let end = (workgroup.z + 1u) * turns / workgroups.z * TURN_UNITS;
    // What the lane multiplies: eight rows each.
    let across = lane % 8u;
    let weights = across * 8u * TURN;
    let rows = lane / 8u * 8u * TURN;

    // Sums of a row with the first four rows of the weight, and with the others.
    var even_$i = vec4<f32>();
    var odd_$i = vec4<f32>();
    var block_$b = tile_block(tile, first_turn * TURN_UNITS, $bu * 64u + lane);
    var unit_$u = tile_unit(tile, first_turn * TURN_UNITS, $uu * 64u + lane);
    for (var first_unit = first_turn * TURN_UNITS; first_unit < end; first_unit += TURN_UNITS) {
        batch_tile[$bu * 64u + lane] = block_$b;
        put_unit(unit_$u, $uu * 64u + lane);
        workgroupBarrier();
        let next = first_unit + TURN_UNITS;
        block_$b = tile_block(tile, next, $bu * 64u + lane);
        unit_$u = tile_unit(tile, next, $uu * 64u + lane);
        // From a lane's own place on: software drivers would unroll all columns for seconds.
        for (var place = rows; place < rows + TURN; place++) {
            let column = (place % TURN) ^ across;
            let weight_$w = weight_tile[weights + $wu * TURN + column];
            let row_$i = batch_tile[place + $iu * TURN];
            even_$i = add_products(row_$i, weight_0, weight_1, weight_2, weight_3, even_$i);
            odd_$i = add_products(row_$i, weight_4, weight_5, weight_6, weight_7, odd_$i);
        }
        workgroupBarrier();
    }
    let first_block = tile.first_weight / 4u + 2u * across;
    let part = vec2(workgroup.z, workgroups.z);
    finish_pair(part, tile, lane / 8u * 8u + $iu, first_block, even_$i, odd_$i);
}

/// Adds the products of a row's four columns with those of four rows of the weight.
fn add_products(
    row: vec4<f32>,
    weight_0: vec4<f32>,
    weight_1: vec4<f32>,
    weight_2: vec4<f32>,
    weight_3: vec4<f32>,
    sums: vec4<f32>,
) -> vec4<f32> {
    var result = fma(vec4(row.x), vec4(weight_0.x, weight_1.x, weight_2.x, weight_3.x), sums);
    result = fma(vec4(row.y), vec4(weight_0.y, weight_1.y, weight_2.y, weight_3.y), result);
    result = fma(vec4(row.z), vec4(weight_0.z, weight_1.z, weight_2.z, weight_3.z), result);
    return fma(vec4(row.w), vec4(weight_0.w, weight_1.w, weight_2.w, weight_3.w), result);
}

/// Block `index` of the tile's input in the turn that begins at a unit. Rows beyond the end repeat the last; columns
/// beyond are zero.
fn tile_block(tile: Tile, first_unit: u32, index: u32) -> vec4<f32> {
    let row = min(tile.first_row + index / TURN, tile.last_row);
    let column = first_unit * UNIT + index % TURN;
    let block = input[row * INPUT_BLOCKS + min(column, UNITS * UNIT - 1u)];
    return select(vec4<f32>(), block, column < UNITS * UNIT);
}

/// Unit `index` of the tile's weights in that turn. Those beyond the ends repeat the last, for inputs that are zero.
fn tile_unit(tile: Tile, first_unit: u32, index: u32) -> Unit {
    let row = min(tile.first_weight + index / TURN_UNITS, tile.last_weight);
    return load_unit(row * UNITS + min(first_unit + index % TURN_UNITS, UNITS - 1u));
}

fn put_unit(unit: Unit, index: u32) {
    let row = index / TURN_UNITS;
    let first = index % TURN_UNITS * UNIT;
    let place = row * TURN;
    let turned = row / 8u;
    weight_tile[place + (first ^ turned)] = decoded(unit, 0u);
    if UNIT > 1u {
        weight_tile[place + ((first + 1u) ^ turned)] = decoded(unit, 1u);
    }
    if UNIT > 2u {
        weight_tile[place + ((first + 2u) ^ turned)] = decoded(unit, 2u);
        weight_tile[place + ((first + 3u) ^ turned)] = decoded(unit, 3u);
    }
    if UNIT > 4u {
        weight_tile[place + ((first + 4u) ^ turned)] = decoded(unit, 4u);
        weight_tile[place + ((first + 5u) ^ turned)] = decoded(unit, 5u);
        weight_tile[place + ((first + 6u) ^ turned)] = decoded(unit, 6u);
        weight_tile[place + ((first + 7u) ^ turned)] = decoded(unit, 7u);
    }
}

/// Finishes two successive blocks of a row's results, as far as they exist.
fn finish_pair(part: vec2<u32>, tile: Tile, tile_row: u32, block: u32, even: vec4<f32>, odd: vec4<f32>) {
    let row = tile.first_row + tile_row;
    if row > tile.last_row {
        return;
    }
    if FINISH == GATE {
        if block / 2u < SHARD_BLOCKS {
            finish_part(part.x, part.y, row, block / 2u, even, odd);
        }
        return;
    }
    if block < SHARD_BLOCKS {
        finish_part(part.x, part.y, row, block, even, vec4(0.0));
    }
    if block + 1u < SHARD_BLOCKS {
        finish_part(part.x, part.y, row, block + 1u, odd, vec4(0.0));
    }
}
