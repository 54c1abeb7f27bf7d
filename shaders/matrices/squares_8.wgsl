// Squares of 8 by 8.

alias Left = coop_mat8x8<Number, A>;
alias Right = coop_mat8x8<Number, B>;
alias Sums = coop_mat8x8<f32, C>;

// Rows and columns of a square.
const SIDE: u32 = 8u;
