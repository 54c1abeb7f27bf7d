// Squares of 16 by 16, in tiles of vectors: these units take them from arrays of vectors, which are stored four numbers
// at a time. A stride between rows counts vectors then.

alias Left = coop_mat16x16<Number, A>;
alias Right = coop_mat16x16<Number, B>;
alias Sums = coop_mat16x16<f32, C>;

// Rows and columns of a square.
const SIDE: u32 = 16u;

// Row by row, four columns each.
var<workgroup> batch_tile: array<vec4<Number>, TILE_ROWS * TILE_STRIDE / 4u>;
var<workgroup> weight_tile: array<vec4<Number>, TILE_WEIGHTS * TILE_STRIDE / 4u>;
// A square of sums for each subgroup, row by row.
var<workgroup> squares: array<vec4<f32>, SUBGROUPS * SQUARE / 4u>;

/// Where a turn begins.
fn first_column() -> u32 { return 0u; }

/// Puts four numbers into a tile, from number `place` of it on.
fn put_rows(place: u32, numbers: vec4<Number>) { batch_tile[place / 4u] = numbers; }
fn put_weights(place: u32, numbers: vec4<Number>) { weight_tile[place / 4u] = numbers; }

/// The square whose first number this is. A column of the right factor is a row of the weight.
fn rows_at(place: u32) -> Left { return coopLoadT<Left>(&batch_tile[place / 4u], TILE_STRIDE / 4u); }
fn weights_at(place: u32) -> Right { return coopLoad<Right>(&weight_tile[place / 4u], TILE_STRIDE / 4u); }

/// Keeps a subgroup's sums where all lanes read them.
fn keep_sums(sums: Sums, quarter: u32) { coopStoreT(sums, &squares[quarter * SQUARE / 4u], SIDE / 4u); }

/// Four of them.
fn four_sums(place: u32) -> vec4<f32> { return squares[place / 4u]; }
