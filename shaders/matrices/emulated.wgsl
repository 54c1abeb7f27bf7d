// Squares of 8 by 8 that each lane multiplies for itself: what takes the place of matrix units where a driver has none, so
// that the kernel's text is tested there. No adapter is given it.

// A factor is where it begins in its tile, in blocks of four.
alias Left = u32;
alias Right = u32;
alias Sums = array<f32, 64>;

// Rows and columns of a square.
const SIDE: u32 = 8u;

var<workgroup> batch_tile: array<vec4<Number>, TILE_ROWS * TILE_STRIDE>;
var<workgroup> weight_tile: array<vec4<Number>, TILE_WEIGHTS * TILE_STRIDE>;
var<workgroup> squares: array<f32, SUBGROUPS * SQUARE>;

/// 0, but no constant: software drivers would take half a minute to unroll what begins there.
fn zero() -> u32 { return pass_data[PASS_ROWS] >> 31u; }

/// Where a turn begins.
fn first_column() -> u32 { return zero(); }

fn put_rows(place: u32, numbers: vec4<Number>) { batch_tile[place] = numbers; }
fn put_weights(place: u32, numbers: vec4<Number>) { weight_tile[place] = numbers; }

fn rows_at(place: u32) -> Left { return place; }
fn weights_at(place: u32) -> Right { return place; }

/// The sum of the products of two blocks.
fn products(row: u32, column: u32) -> f32 {
    return dot(vec4<f32>(batch_tile[row]), vec4<f32>(weight_tile[column]));
}

/// In place of the built-in function.
fn coopMultiplyAdd(left: Left, right: Right, sums: Sums) -> Sums {
    var result = sums;
    let begin = zero();
    for (var i = begin; i < begin + SQUARE; i++) {
        let row = left + i / SIDE * TILE_STRIDE;
        let column = right + i % SIDE * TILE_STRIDE;
        result[i] += products(row, column) + products(row + 1u, column + 1u);
    }
    return result;
}

fn keep_sums(sums: Sums, quarter: u32) {
    var kept = sums;
    let begin = zero();
    for (var i = begin; i < begin + SQUARE; i++) {
        squares[quarter * SQUARE + i] = kept[i];
    }
}

fn four_sums(place: u32) -> vec4<f32> {
    return vec4(squares[place], squares[place + 1u], squares[place + 2u], squares[place + 3u]);
}
