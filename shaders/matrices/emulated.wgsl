// Squares of 8 by 8 that lanes multiply for themselves, a row each: what takes the place of matrix units where a driver has
// none, so that the kernels' text is tested there. No adapter is given it. Subgroups have eight lanes or more; of more,
// several have the same row.
// Software drivers compile it in seconds because nothing is an array and what repeats stays a loop.
//
// A kernel says how many elements its tiles take, TILE_ROOM, and how many blocks of four sums, SUM_ROOM. Places and strides
// count blocks of four.

// A factor is the block of its tile that it begins with: the left one that of the lane's row.
alias Left = u32;

struct Right {
    place: u32,
    stride: u32,
}

/// The lane's row.
struct Sums {
    low: vec4<f32>,
    high: vec4<f32>,
}

// Elements of a tile to a block of four numbers.
const ELEMENTS: u32 = 1u;
// Rows and columns of a square.
const SIDE: u32 = 8u;

var<workgroup> tiles: array<vec4<Number>, TILE_ROOM>;
// Squares of sums.
var<workgroup> squares: array<vec4<f32>, SUM_ROOM>;

/// 0, but no constant: software drivers would take half a minute to unroll what begins there.
fn zero() -> u32 { return pass_data[PASS_ROWS] >> 31u; }

/// Where a turn begins.
fn first_column() -> u32 { return zero(); }

fn own_row() -> u32 { return subgroupExclusiveAdd(1u) % SIDE; }

/// Makes four numbers a block of a tile.
fn put(place: u32, numbers: vec4<Number>) { tiles[place] = numbers; }

/// The left factor whose rows lie there, one after the other.
fn left_rows(place: u32, stride: u32) -> Left { return place + own_row() * stride; }
/// The right factor whose columns lie there.
fn right_columns(place: u32, stride: u32) -> Right { return Right(place, stride); }

/// In place of the built-in function.
fn coopMultiplyAdd(left: Left, right: Right, sums: Sums) -> Sums {
    var result = sums;
    let first = vec4<f32>(tiles[left]);
    let second = vec4<f32>(tiles[left + 1u]);
    let begin = zero();
    for (var i = begin; i < begin + SIDE; i++) {
        let at = right.place + i * right.stride;
        let low = vec4<f32>(tiles[at]);
        let high = vec4<f32>(tiles[at + 1u]);
        let sum = dot(first, low) + dot(second, high);
        result.low += select(vec4<f32>(), vec4(sum), vec4(i) == vec4(0u, 1u, 2u, 3u));
        result.high += select(vec4<f32>(), vec4(sum), vec4(i) == vec4(4u, 5u, 6u, 7u));
    }
    return result;
}

/// Keeps a subgroup's sums where all lanes read them, row by row, and takes them from there.
fn keep_sums(sums: Sums, place: u32, stride: u32) {
    let at = place + own_row() * stride;
    squares[at] = sums.low;
    squares[at + 1u] = sums.high;
}

fn kept_sums(place: u32, stride: u32) -> Sums {
    let at = place + own_row() * stride;
    return Sums(squares[at], squares[at + 1u]);
}

/// Four of them.
fn four_sums(place: u32) -> vec4<f32> { return squares[place]; }
fn put_sums(place: u32, sums: vec4<f32>) { squares[place] = sums; }
