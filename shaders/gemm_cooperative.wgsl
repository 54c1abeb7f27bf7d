// A linear map for many rows by an adapter's matrix units: tiles in workgroup memory, of which each subgroup
// multiplies a part, square by square. For GPUs that list squares of a kind in shaders/matrices/.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. The input comes normalised. Inputs and weights are as precise
// as the units take them, the sums are f32.
// Split: x and z over tiles of 8 · SIDE rows of the weight, y over tiles of 4 · SIDE rows of the batch. A turn
// copies 32 columns of both into workgroup memory, weights decoded unit by unit; then four subgroups multiply a
// quarter of the tile each, 2 by 4 squares. Where subgroups are smaller than the adapter's largest, a workgroup has
// more of them; those do the same once more. Squares of sums go through workgroup memory to be finished, as the units
// store no parts of squares. Control flow around the units depends on nothing that differs among lanes.
// Twin: src/reference/linear.rs

// Subgroups that multiply, and how many of them lie side by side in a tile.
const SUBGROUPS: u32 = 4u;
const SUBGROUPS_ACROSS: u32 = 2u;
// Squares of a subgroup, down the batch and across the weight's rows.
const DOWN: u32 = 2u;
const ACROSS: u32 = 4u;
const TILE_ROWS: u32 = SUBGROUPS / SUBGROUPS_ACROSS * DOWN * SIDE;
const TILE_WEIGHTS: u32 = SUBGROUPS_ACROSS * ACROSS * SIDE;
// Blocks of four columns a turn, and numbers from one row of a tile to the next.
const TURN: u32 = 8u;
const TILE_STRIDE: u32 = 4u * TURN + PADDING;
const SQUARE: u32 = SIDE * SIDE;
const TURN_UNITS: u32 = TURN / UNIT;

// Row by row. The units take single numbers alone, hence no vectors.
var<workgroup> batch_tile: array<Number, TILE_ROWS * TILE_STRIDE>;
var<workgroup> weight_tile: array<Number, TILE_WEIGHTS * TILE_STRIDE>;
// A square of sums for each subgroup, row by row.
var<workgroup> squares: array<f32, SUBGROUPS * SQUARE>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let first_row = workgroup.y * TILE_ROWS;
    let first_weight = spread(workgroup) * TILE_WEIGHTS;
    let last_weight = first_weight_row(SHARD_BLOCKS) - 1u;
    // Where the subgroup's part begins in both tiles.
    let part = subgroup % SUBGROUPS;
    let part_row = part / SUBGROUPS_ACROSS * DOWN * SIDE;
    let part_weight = part % SUBGROUPS_ACROSS * ACROSS * SIDE;

    prepare_tables(lane);
    for (var i = lane; i < SQUARE; i += WORKGROUP) {
        squares[i] = 0.0;
    }
    workgroupBarrier();
    // Square i, j of the part is number ACROSS · i + j. Loops over them have constant bounds, so that they stay in
    // registers.
    var sums: array<Sums, DOWN * ACROSS>;
    for (var i = 0u; i < DOWN * ACROSS; i++) {
        sums[i] = coopLoadT<Sums>(&squares[0], SIDE);
    }
    for (var first_unit = 0u; first_unit < UNITS; first_unit += TURN_UNITS) {
        copy_rows(first_row, first_unit * UNIT, lane);
        copy_weights(first_weight, last_weight, first_unit, lane);
        workgroupBarrier();
        for (var column = 0u; column < 4u * TURN; column += SIDE) {
            var weights_of: array<Right, ACROSS>;
            for (var j = 0u; j < ACROSS; j++) {
                // A column of this factor is a row of the weight.
                let place = (part_weight + j * SIDE) * TILE_STRIDE + column;
                weights_of[j] = coopLoad<Right>(&weight_tile[place], TILE_STRIDE);
            }
            for (var i = 0u; i < DOWN; i++) {
                let place = (part_row + i * SIDE) * TILE_STRIDE + column;
                let rows = coopLoadT<Left>(&batch_tile[place], TILE_STRIDE);
                for (var j = 0u; j < ACROSS; j++) {
                    let square = ACROSS * i + j;
                    sums[square] = coopMultiplyAdd(rows, weights_of[j], sums[square]);
                }
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < DOWN * ACROSS; i++) {
        coopStoreT(sums[i], &squares[part * SQUARE], SIDE);
        workgroupBarrier();
        finish_squares(i, first_row, first_weight, lane);
        workgroupBarrier();
    }
}

/// Copies some columns of the batch's rows. Rows beyond the end repeat the last; columns beyond are zero.
fn copy_rows(first_row: u32, first_column: u32, lane: u32) {
    let last_row = row_count() - 1u;
    for (var i = lane; i < TILE_ROWS * TURN; i += WORKGROUP) {
        let column = first_column + i % TURN;
        var value = vec4<f32>();
        if column < UNITS * UNIT {
            value = input[min(first_row + i / TURN, last_row) * INPUT_BLOCKS + column];
        }
        let numbers = narrowed(value);
        let place = i / TURN * TILE_STRIDE + 4u * (i % TURN);
        batch_tile[place] = numbers.x;
        batch_tile[place + 1u] = numbers.y;
        batch_tile[place + 2u] = numbers.z;
        batch_tile[place + 3u] = numbers.w;
    }
}

/// Copies some columns of the weight's rows, decoded. Rows beyond the end repeat the last; columns beyond are zero.
fn copy_weights(first_weight: u32, last_weight: u32, first_unit: u32, lane: u32) {
    for (var i = lane; i < TILE_WEIGHTS * TURN_UNITS; i += WORKGROUP) {
        let unit = first_unit + i % TURN_UNITS;
        var weights: array<vec4<f32>, UNIT>;
        if unit < UNITS {
            let place = min(first_weight + i / TURN_UNITS, last_weight) * UNITS + unit;
            let scale = unit_scale(place);
            weights = weight_unit(place);
            for (var j = 0u; j < UNIT; j++) {
                weights[j] *= scale;
            }
        } else {
            weights = array<vec4<f32>, UNIT>();
        }
        for (var j = 0u; j < UNIT; j++) {
            let numbers = narrowed(weights[j]);
            let place = i / TURN_UNITS * TILE_STRIDE + 4u * (i % TURN_UNITS * UNIT + j);
            weight_tile[place] = numbers.x;
            weight_tile[place + 1u] = numbers.y;
            weight_tile[place + 2u] = numbers.z;
            weight_tile[place + 3u] = numbers.w;
        }
    }
}

/// Finishes square `index` of each subgroup, as far as its outputs exist.
fn finish_squares(index: u32, first_row: u32, first_weight: u32, lane: u32) {
    // Rows of the weight that make one block of outputs.
    let block_rows = select(4u, 8u, FINISH == GATE);
    let across = SIDE / block_rows;
    for (var i = lane; i < SUBGROUPS * SIDE * across; i += WORKGROUP) {
        let subgroup = i / (SIDE * across);
        let square_row = i / across % SIDE;
        let row = first_row + (subgroup / SUBGROUPS_ACROSS * DOWN + index / ACROSS) * SIDE + square_row;
        let square_weight = (subgroup % SUBGROUPS_ACROSS * ACROSS + index % ACROSS) * SIDE;
        let block = (first_weight + square_weight) / block_rows + i % across;
        if row < row_count() && block < SHARD_BLOCKS {
            let place = subgroup * SQUARE + square_row * SIDE + i % across * block_rows;
            var up = vec4<f32>();
            if FINISH == GATE {
                up = four_sums(place + 4u);
            }
            finish(row, block, four_sums(place), up);
        }
    }
}

fn four_sums(place: u32) -> vec4<f32> {
    return vec4(squares[place], squares[place + 1u], squares[place + 2u], squares[place + 3u]);
}
