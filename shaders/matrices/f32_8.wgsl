// Matrix units that multiply squares of 8 by 8 in f32.

enable wgpu_cooperative_matrix;

alias Number = f32;
alias Left = coop_mat8x8<f32, A>;
alias Right = coop_mat8x8<f32, B>;
alias Sums = coop_mat8x8<f32, C>;

// Rows and columns of a square.
const SIDE: u32 = 8u;
// What a row of a tile is longer than its columns, so that rows begin in different banks.
const PADDING: u32 = 4u;

/// Numbers as the units take them.
fn narrowed(value: vec4<f32>) -> vec4<f32> { return value; }
