// Squares of 16 by 16, in tiles of vectors: these units take them from arrays of vectors, which are stored four numbers
// at a time. A stride between rows counts vectors then.
//
// A kernel says how many elements its tiles take, TILE_ROOM, and how many blocks of four sums, SUM_ROOM. Places and strides
// count blocks of four.

alias Left = coop_mat16x16<Number, A>;
alias Right = coop_mat16x16<Number, B>;
alias Sums = coop_mat16x16<f32, C>;

// Elements of a tile to a block of four numbers.
const ELEMENTS: u32 = 1u;
// Rows and columns of a square.
const SIDE: u32 = 16u;

var<workgroup> tiles: array<vec4<Number>, TILE_ROOM>;
// Squares of sums.
var<workgroup> squares: array<vec4<f32>, SUM_ROOM>;

/// Where a turn begins.
fn first_column() -> u32 { return 0u; }

/// Makes four numbers a block of a tile.
fn put(place: u32, numbers: vec4<Number>) { tiles[place] = numbers; }

/// The left factor whose rows lie there, one after the other.
fn left_rows(place: u32, stride: u32) -> Left { return coopLoadT<Left>(&tiles[place], stride); }
/// The right factor whose columns lie there.
fn right_columns(place: u32, stride: u32) -> Right { return coopLoad<Right>(&tiles[place], stride); }

/// Keeps a subgroup's sums where all lanes read them, row by row, and takes them from there.
fn keep_sums(sums: Sums, place: u32, stride: u32) { coopStoreT(sums, &squares[place], stride); }
fn kept_sums(place: u32, stride: u32) -> Sums { return coopLoadT<Sums>(&squares[place], stride); }

/// Four of them.
fn four_sums(place: u32) -> vec4<f32> { return squares[place]; }
fn put_sums(place: u32, sums: vec4<f32>) { squares[place] = sums; }
