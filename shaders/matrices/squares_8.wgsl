// Squares of 8 by 8, in tiles of single numbers: Metal's units take no vectors.
//
// A kernel says how many elements its tiles take, TILE_ROOM, and how many blocks of four sums, SUM_ROOM. Places and strides
// count blocks of four.

alias Left = coop_mat8x8<Number, A>;
alias Right = coop_mat8x8<Number, B>;
alias Sums = coop_mat8x8<f32, C>;

// Elements of a tile to a block of four numbers.
const ELEMENTS: u32 = 4u;
// Rows and columns of a square.
const SIDE: u32 = 8u;

var<workgroup> tiles: array<Number, TILE_ROOM>;
// Squares of sums.
var<workgroup> squares: array<f32, ELEMENTS * SUM_ROOM>;

/// Where a turn begins.
fn first_column() -> u32 { return 0u; }

/// Makes four numbers a block of a tile.
fn put(place: u32, numbers: vec4<Number>) {
    tiles[ELEMENTS * place] = numbers.x;
    tiles[ELEMENTS * place + 1u] = numbers.y;
    tiles[ELEMENTS * place + 2u] = numbers.z;
    tiles[ELEMENTS * place + 3u] = numbers.w;
}

// Places and strides have names of their own here: naga 30 loses expressions in the arguments of these functions.

/// The left factor whose rows lie there, one after the other.
fn left_rows(place: u32, stride: u32) -> Left {
    let at = ELEMENTS * place;
    let step = ELEMENTS * stride;
    return coopLoadT<Left>(&tiles[at], step);
}

/// The right factor whose columns lie there.
fn right_columns(place: u32, stride: u32) -> Right {
    let at = ELEMENTS * place;
    let step = ELEMENTS * stride;
    return coopLoad<Right>(&tiles[at], step);
}

/// Keeps a subgroup's sums where all lanes read them, row by row, and takes them from there.
fn keep_sums(sums: Sums, place: u32, stride: u32) {
    let at = ELEMENTS * place;
    let step = ELEMENTS * stride;
    coopStoreT(sums, &squares[at], step);
}

fn kept_sums(place: u32, stride: u32) -> Sums {
    let at = ELEMENTS * place;
    let step = ELEMENTS * stride;
    return coopLoadT<Sums>(&squares[at], step);
}

/// Four of them.
fn four_sums(place: u32) -> vec4<f32> {
    let at = ELEMENTS * place;
    return vec4(squares[at], squares[at + 1u], squares[at + 2u], squares[at + 3u]);
}

fn put_sums(place: u32, sums: vec4<f32>) {
    squares[ELEMENTS * place] = sums.x;
    squares[ELEMENTS * place + 1u] = sums.y;
    squares[ELEMENTS * place + 2u] = sums.z;
    squares[ELEMENTS * place + 3u] = sums.w;
}
