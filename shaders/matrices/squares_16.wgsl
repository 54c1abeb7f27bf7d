// Squares of 16 by 16, in tiles of vectors: these units take them from arrays of vectors, which are stored four numbers
// at a time. A stride between rows counts vectors then.

alias Left = coop_mat16x16<Number, A>;
alias Right = coop_mat16x16<Number, B>;
alias Sums = coop_mat16x16<f32, C>;

// Rows and columns of a square.
const SIDE: u32 = 16u;

// Row by row, four columns each.
var<workgroup> batch_tile: array<vec4<Number>, TILE_ROWS * TILE_STRIDE>;
var<workgroup> weight_tile: array<vec4<Number>, TILE_WEIGHTS * TILE_STRIDE>;
// A square of sums for each subgroup, row by row.
var<workgroup> squares: array<vec4<f32>, SUBGROUPS * SQUARE / 4u>;

/// Where a turn begins.
fn first_column() -> u32 { return 0u; }

/// Makes four numbers a block of a tile.
fn put_rows(place: u32, numbers: vec4<Number>) { batch_tile[place] = numbers; }
fn put_weights(place: u32, numbers: vec4<Number>) { weight_tile[place] = numbers; }

/// The square that begins with this block. A column of the right factor is a row of the weight.
fn rows_at(place: u32) -> Left { return coopLoadT<Left>(&batch_tile[place], TILE_STRIDE); }
fn weights_at(place: u32) -> Right { return coopLoad<Right>(&weight_tile[place], TILE_STRIDE); }

/// Keeps a subgroup's sums where all lanes read them.
fn keep_sums(sums: Sums, quarter: u32) { coopStoreT(sums, &squares[quarter * SQUARE / 4u], SIDE / 4u); }

/// Four of them.
fn four_sums(place: u32) -> vec4<f32> { return squares[place / 4u]; }
