// Squares of 8 by 8, in tiles of single numbers: Metal's units take no vectors.

alias Left = coop_mat8x8<Number, A>;
alias Right = coop_mat8x8<Number, B>;
alias Sums = coop_mat8x8<f32, C>;

// Rows and columns of a square.
const SIDE: u32 = 8u;

// Row by row.
var<workgroup> batch_tile: array<Number, 4u * TILE_ROWS * TILE_STRIDE>;
var<workgroup> weight_tile: array<Number, 4u * TILE_WEIGHTS * TILE_STRIDE>;
// A square of sums for each subgroup, row by row.
var<workgroup> squares: array<f32, SUBGROUPS * SQUARE>;

/// Where a turn begins.
fn first_column() -> u32 { return 0u; }

/// Makes four numbers a block of a tile.
fn put_rows(place: u32, numbers: vec4<Number>) {
    batch_tile[4u * place] = numbers.x;
    batch_tile[4u * place + 1u] = numbers.y;
    batch_tile[4u * place + 2u] = numbers.z;
    batch_tile[4u * place + 3u] = numbers.w;
}

fn put_weights(place: u32, numbers: vec4<Number>) {
    weight_tile[4u * place] = numbers.x;
    weight_tile[4u * place + 1u] = numbers.y;
    weight_tile[4u * place + 2u] = numbers.z;
    weight_tile[4u * place + 3u] = numbers.w;
}

/// The square that begins with this block. A column of the right factor is a row of the weight.
fn rows_at(place: u32) -> Left { return coopLoadT<Left>(&batch_tile[4u * place], 4u * TILE_STRIDE); }
fn weights_at(place: u32) -> Right { return coopLoad<Right>(&weight_tile[4u * place], 4u * TILE_STRIDE); }

/// Keeps a subgroup's sums where all lanes read them.
fn keep_sums(sums: Sums, quarter: u32) { coopStoreT(sums, &squares[quarter * SQUARE], SIDE); }

/// Four of them.
fn four_sums(place: u32) -> vec4<f32> {
    return vec4(squares[place], squares[place + 1u], squares[place + 2u], squares[place + 3u]);
}
