//! How many rows a pass has, as far as the choice of kernels goes.

use super::limits::FEW_ROWS;

/// How many rows a pass has, as far as the choice of kernels goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regime {
    /// One.
    One,
    /// Two to [`FEW_ROWS`]: beams, drafts and branches, that read the weights once for all.
    Few,
    /// More: the prompt.
    Many,
}

impl Regime {
    /// Every regime, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::One, Self::Few, Self::Many];

    /// That of a pass of so many rows.
    pub(crate) fn of(rows: usize) -> Self {
        match rows {
            0..=1 => Self::One,
            2..=FEW_ROWS => Self::Few,
            _ => Self::Many,
        }
    }
}
