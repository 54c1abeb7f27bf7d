// Squares of 8 by 8 that lanes multiply for themselves, a row each: what takes the place of matrix units where a driver has
// none, so that the kernel's text is tested there. No adapter is given it. Subgroups have eight lanes or more; of more,
// several have the same row.
// Software drivers compile it in seconds because nothing is an array and what repeats stays a loop.

// A factor is the block of its tile that it begins with: the left one that of the lane's row.
alias Left = u32;
alias Right = u32;

/// The lane's row.
struct Sums {
    low: vec4<f32>,
    high: vec4<f32>,
}

// Rows and columns of a square.
const SIDE: u32 = 8u;

var<workgroup> batch_tile: array<vec4<Number>, TILE_ROWS * TILE_STRIDE>;
var<workgroup> weight_tile: array<vec4<Number>, TILE_WEIGHTS * TILE_STRIDE>;
var<workgroup> squares: array<vec4<f32>, SUBGROUPS * SQUARE / 4u>;

/// 0, but no constant: software drivers would take half a minute to unroll what begins there.
fn zero() -> u32 { return pass_data[PASS_ROWS] >> 31u; }

/// Where a turn begins.
fn first_column() -> u32 { return zero(); }

fn own_row() -> u32 { return subgroupExclusiveAdd(1u) % SIDE; }

fn put_rows(place: u32, numbers: vec4<Number>) { batch_tile[place] = numbers; }
fn put_weights(place: u32, numbers: vec4<Number>) { weight_tile[place] = numbers; }

fn rows_at(place: u32) -> Left { return place + own_row() * TILE_STRIDE; }
fn weights_at(place: u32) -> Right { return place; }

/// In place of the built-in function.
fn coopMultiplyAdd(left: Left, right: Right, sums: Sums) -> Sums {
    var result = sums;
    let first = vec4<f32>(batch_tile[left]);
    let second = vec4<f32>(batch_tile[left + 1u]);
    let begin = zero();
    for (var i = begin; i < begin + SIDE; i++) {
        let column = right + i * TILE_STRIDE;
        let sum = dot(first, vec4<f32>(weight_tile[column])) + dot(second, vec4<f32>(weight_tile[column + 1u]));
        result.low += select(vec4<f32>(), vec4(sum), vec4(i) == vec4(0u, 1u, 2u, 3u));
        result.high += select(vec4<f32>(), vec4(sum), vec4(i) == vec4(4u, 5u, 6u, 7u));
    }
    return result;
}

fn keep_sums(sums: Sums, quarter: u32) {
    let place = quarter * SQUARE / 4u + own_row() * 2u;
    squares[place] = sums.low;
    squares[place + 1u] = sums.high;
}

/// Four of them.
fn four_sums(place: u32) -> vec4<f32> { return squares[place / 4u]; }
