//! The column of another model, M, which reads lane A's text: what it is on top, what it says of each step, and sums.

mod cell;
mod foot;
mod head;
mod said;

pub(super) use cell::show as cell;
pub(super) use foot::show as foot;
pub(super) use head::show as head;
pub(super) use said::Second;
