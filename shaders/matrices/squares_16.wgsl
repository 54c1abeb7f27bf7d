// Squares of 16 by 16.

alias Left = coop_mat16x16<Number, A>;
alias Right = coop_mat16x16<Number, B>;
alias Sums = coop_mat16x16<f32, C>;

// Rows and columns of a square.
const SIDE: u32 = 16u;
