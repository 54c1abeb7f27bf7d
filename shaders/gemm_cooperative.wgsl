// A linear map for many rows by an adapter's matrix units: tiles in workgroup memory, of which each subgroup
// multiplies a part, square by square. For GPUs that list squares of a kind in shaders/matrices/.
//
// Maths, shapes and bindings: shaders/lib/linear.wgsl. The input comes normalised. Inputs and weights are as precise
// as the units take them, the sums are f32.
// Split: x over tiles of 2 · ACROSS · SIDE rows of the weight, y over tiles of 2 · DOWN · SIDE rows of the batch, z over
// parts of the columns (shaders/lib/partial_sums.wgsl).
// Four subgroups multiply a quarter of the tile each. Where subgroups are smaller than the adapter's largest, a
// workgroup has more of them; those do the same once more. A turn takes some columns: what its lanes have loaded goes into
// workgroup memory, inputs narrowed and weights decoded; then they load what the next turn needs, which arrives while the
// units multiply. Squares of sums go through workgroup memory to be finished, as the units store no parts of squares.
// Control flow around the units depends on nothing that differs among lanes.
// A line with $i, $j, $b or $u stands once for each square down or across a subgroup's part, each block of the input and
// each unit of weights that a lane copies; lines that follow one another with the same ones stand together
// (src/gpu/kernels/repeat.rs). So squares are variables, which stay in registers whatever a compiler makes of arrays.
// Twin: src/reference/linear.rs

// Subgroups that multiply, and how many of them lie side by side in a tile.
const SUBGROUPS: u32 = 4u;
const SUBGROUPS_ACROSS: u32 = 2u;
const TILE_ROWS: u32 = SUBGROUPS / SUBGROUPS_ACROSS * DOWN * SIDE;
const TILE_WEIGHTS: u32 = SUBGROUPS_ACROSS * ACROSS * SIDE;
// Blocks of four numbers from one row of a tile to the next, and along a side of a square. Places in tiles are counted
// in such blocks.
const TILE_STRIDE: u32 = TURN + PADDING;
const SIDE_BLOCKS: u32 = SIDE / 4u;
// Where the weights' tile begins; the input's comes before it.
const WEIGHTS_AT: u32 = TILE_ROWS * TILE_STRIDE;
const TILE_ROOM: u32 = (TILE_ROWS + TILE_WEIGHTS) * TILE_STRIDE * ELEMENTS;
// A square of sums for each subgroup.
const SQUARE: u32 = SIDE * SIDE_BLOCKS;
const SUM_ROOM: u32 = SUBGROUPS * SQUARE;
const TURN_UNITS: u32 = TURN / UNIT;
// Blocks of the input and units of weights that a turn takes.
const TILE_BLOCKS: u32 = TILE_ROWS * TURN;
const TILE_UNITS: u32 = TILE_WEIGHTS * TURN_UNITS;

/// Where the workgroup's tile begins, and where the matrix ends.
struct Tile {
    first_row: u32,
    last_row: u32,
    first_weight: u32,
    last_weight: u32,
    // The part of the columns, and how many there are.
    part: u32,
    parts: u32,
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let tile = Tile(
        workgroup.y * TILE_ROWS,
        row_count() - 1u,
        workgroup.x * TILE_WEIGHTS,
        first_weight_row(SHARD_BLOCKS) - 1u,
        workgroup.z,
        workgroups.z,
    );
    let turns = (UNITS + TURN_UNITS - 1u) / TURN_UNITS;
    let first_turn = tile.part * turns / tile.parts;
    let end = (tile.part + 1u) * turns / tile.parts * TURN_UNITS;
    // The quarter of the tile, and where it begins in either factor.
    let quarter = subgroup % SUBGROUPS;
    let quarter_rows = quarter / SUBGROUPS_ACROSS * DOWN * SIDE * TILE_STRIDE;
    let quarter_weights = WEIGHTS_AT + quarter % SUBGROUPS_ACROSS * ACROSS * SIDE * TILE_STRIDE;

    prepare_tables(lane);
    var sums_$i_$j = Sums();
    var block_$b = tile_block(tile, first_turn * TURN_UNITS, $bu, lane);
    var unit_$u = tile_unit(tile, first_turn * TURN_UNITS, $uu, lane);
    for (var first_unit = first_turn * TURN_UNITS; first_unit < end; first_unit += TURN_UNITS) {
        put_block(block_$b, $bu, lane);
        put_unit(unit_$u, $uu, lane);
        workgroupBarrier();
        // After the last turn, that one again, for nothing.
        let next = min(first_unit + TURN_UNITS, (turns - 1u) * TURN_UNITS);
        block_$b = tile_block(tile, next, $bu, lane);
        unit_$u = tile_unit(tile, next, $uu, lane);
        for (var column = first_column(); column < TURN; column += SIDE_BLOCKS) {
            let weights_$j = right_columns(quarter_weights + $ju * SIDE * TILE_STRIDE + column, TILE_STRIDE);
            let rows_$i = left_rows(quarter_rows + $iu * SIDE * TILE_STRIDE + column, TILE_STRIDE);
            sums_$i_$j = coopMultiplyAdd(rows_$i, weights_$j, sums_$i_$j);
        }
        workgroupBarrier();
    }
    // A square of each subgroup after the other, as workgroup memory has room for one.
    for (var square = 0u; square < DOWN * ACROSS; square++) {
        if square == $iu * ACROSS + $ju { keep_sums(sums_$i_$j, quarter * SQUARE, SIDE_BLOCKS); }
        workgroupBarrier();
        finish_squares(tile, square / ACROSS, square % ACROSS, lane);
        workgroupBarrier();
    }
}

/// Whether no turn ends beyond the columns.
fn turns_are_whole() -> bool { return UNITS % TURN_UNITS == 0u; }

/// A lane's block of the tile's input, by its index, in the turn that begins at a unit. Rows beyond the end repeat the
/// last; columns beyond are zero.
fn tile_block(tile: Tile, first_unit: u32, index: u32, lane: u32) -> vec4<f32> {
    if index * WORKGROUP >= TILE_BLOCKS {
        return vec4<f32>();
    }
    let item = index * WORKGROUP + lane;
    let row = min(tile.first_row + item / TURN, tile.last_row);
    let column = first_unit * UNIT + item % TURN;
    if turns_are_whole() {
        return input[row * INPUT_BLOCKS + column];
    }
    let block = input[row * INPUT_BLOCKS + min(column, UNITS * UNIT - 1u)];
    return select(vec4<f32>(), block, column < UNITS * UNIT);
}

/// A lane's unit of the tile's weights in that turn. Those beyond the ends repeat the last, for inputs that are zero.
fn tile_unit(tile: Tile, first_unit: u32, index: u32, lane: u32) -> Unit {
    if index * WORKGROUP >= TILE_UNITS {
        return Unit();
    }
    let item = index * WORKGROUP + lane;
    let row = min(tile.first_weight + item / TURN_UNITS, tile.last_weight);
    let unit = first_unit + item % TURN_UNITS;
    return load_unit(row * UNITS + select(min(unit, UNITS - 1u), unit, turns_are_whole()));
}

/// Whether a lane's item of this index is one of so many: known beforehand where there is one for each lane, or none.
fn is_item(index: u32, lane: u32, items: u32) -> bool {
    if (index + 1u) * WORKGROUP <= items {
        return true;
    }
    return index * WORKGROUP < items && index * WORKGROUP + lane < items;
}

fn put_block(block: vec4<f32>, index: u32, lane: u32) {
    if is_item(index, lane, TILE_BLOCKS) {
        let item = index * WORKGROUP + lane;
        put(item / TURN * TILE_STRIDE + item % TURN, narrowed(block));
    }
}

fn put_unit(unit: Unit, index: u32, lane: u32) {
    if is_item(index, lane, TILE_UNITS) {
        let item = index * WORKGROUP + lane;
        let place = WEIGHTS_AT + item / TURN_UNITS * TILE_STRIDE + item % TURN_UNITS * UNIT;
        put(place, unit_block(unit, 0u));
        if UNIT > 1u {
            put(place + 1u, unit_block(unit, 1u));
        }
        if UNIT > 2u {
            put(place + 2u, unit_block(unit, 2u));
            put(place + 3u, unit_block(unit, 3u));
        }
        if UNIT > 4u {
            put(place + 4u, unit_block(unit, 4u));
            put(place + 5u, unit_block(unit, 5u));
            put(place + 6u, unit_block(unit, 6u));
            put(place + 7u, unit_block(unit, 7u));
        }
    }
}

/// Finishes a square of each subgroup once all are kept, as far as its outputs exist.
fn finish_squares(tile: Tile, down: u32, across: u32, lane: u32) {
    // Rows of the weight that make one block of outputs, and such blocks in a row of a square.
    let block_rows = select(4u, 8u, FINISH == GATE);
    let blocks = SIDE / block_rows;
    for (var i = lane; i < SUBGROUPS * SIDE * blocks; i += WORKGROUP) {
        let quarter = i / (SIDE * blocks);
        let square_row = i / blocks % SIDE;
        let row = tile.first_row + (quarter / SUBGROUPS_ACROSS * DOWN + down) * SIDE + square_row;
        let square_weight = (quarter % SUBGROUPS_ACROSS * ACROSS + across) * SIDE;
        let block = (tile.first_weight + square_weight) / block_rows + i % blocks;
        if row <= tile.last_row && block < SHARD_BLOCKS {
            let place = quarter * SQUARE + square_row * SIDE_BLOCKS + i % blocks * (block_rows / 4u);
            var up = vec4<f32>();
            if FINISH == GATE {
                up = four_sums(place + 1u);
            }
            finish_part(tile.part, tile.parts, row, block, four_sums(place), up);
        }
    }
}
