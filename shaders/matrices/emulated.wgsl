// Squares of 8 by 8 that each lane multiplies for itself, rounded to f16: what takes the place of matrix units where a
// driver has none, so that the kernel's text is tested there. No adapter is given it.

alias Number = f32;

// What a row of a tile is longer than its columns.
const PADDING: u32 = 8u;

/// Numbers as units of f16 take them.
fn narrowed(value: vec4<f32>) -> vec4<f32> {
    let kept = clamp(value, vec4(-65504.0), vec4(65504.0));
    return vec4(unpack2x16float(pack2x16float(kept.xy)), unpack2x16float(pack2x16float(kept.zw)));
}

/// Rows 4·i to 4·i + 3 and columns 4·j to 4·j + 3, by i and j; a column of a quarter is a row of the square.
struct Square {
    q00: mat4x4<f32>,
    q01: mat4x4<f32>,
    q10: mat4x4<f32>,
    q11: mat4x4<f32>,
}

alias Left = Square;
// Transposed: a row of this one is a column of the factor.
alias Right = Square;
alias Sums = Square;

// Rows and columns of a square.
const SIDE: u32 = 8u;

var<workgroup> batch_tile: array<vec4<f32>, TILE_ROWS * TILE_STRIDE / 4u>;
var<workgroup> weight_tile: array<vec4<f32>, TILE_WEIGHTS * TILE_STRIDE / 4u>;
var<workgroup> squares: array<vec4<f32>, SUBGROUPS * SQUARE / 4u>;

/// Where a turn begins: no constant, or software drivers would take half a minute to unroll it.
fn first_column() -> u32 { return pass_data[PASS_ROWS] >> 31u; }

fn put_rows(place: u32, numbers: vec4<f32>) { batch_tile[place / 4u] = numbers; }
fn put_weights(place: u32, numbers: vec4<f32>) { weight_tile[place / 4u] = numbers; }

fn batch_quarter(place: u32) -> mat4x4<f32> {
    let row = TILE_STRIDE / 4u;
    return mat4x4(batch_tile[place], batch_tile[place + row], batch_tile[place + 2u * row], batch_tile[place + 3u * row]);
}

fn weight_quarter(place: u32) -> mat4x4<f32> {
    let row = TILE_STRIDE / 4u;
    return mat4x4(
        weight_tile[place],
        weight_tile[place + row],
        weight_tile[place + 2u * row],
        weight_tile[place + 3u * row],
    );
}

fn rows_at(place: u32) -> Left {
    let first = place / 4u;
    let lower = first + TILE_STRIDE;
    return Square(batch_quarter(first), batch_quarter(first + 1u), batch_quarter(lower), batch_quarter(lower + 1u));
}

fn weights_at(place: u32) -> Right {
    let first = place / 4u;
    let lower = first + TILE_STRIDE;
    return Square(weight_quarter(first), weight_quarter(first + 1u), weight_quarter(lower), weight_quarter(lower + 1u));
}

/// Rows of quarters times those of the transposed factor.
fn product(a: mat4x4<f32>, a_next: mat4x4<f32>, b: mat4x4<f32>, b_next: mat4x4<f32>) -> mat4x4<f32> {
    return transpose(b) * a + transpose(b_next) * a_next;
}

/// In place of the built-in function.
fn coopMultiplyAdd(left: Left, right: Right, sums: Sums) -> Sums {
    return Square(
        sums.q00 + product(left.q00, left.q01, right.q00, right.q01),
        sums.q01 + product(left.q00, left.q01, right.q10, right.q11),
        sums.q10 + product(left.q10, left.q11, right.q00, right.q01),
        sums.q11 + product(left.q10, left.q11, right.q10, right.q11),
    );
}

fn keep_sums(sums: Sums, quarter: u32) {
    let first = quarter * SQUARE / 4u;
    for (var i = 0u; i < 4u; i++) {
        squares[first + 2u * i] = sums.q00[i];
        squares[first + 2u * i + 1u] = sums.q01[i];
        squares[first + 2u * i + 8u] = sums.q10[i];
        squares[first + 2u * i + 9u] = sums.q11[i];
    }
}

fn four_sums(place: u32) -> vec4<f32> { return squares[place / 4u]; }
