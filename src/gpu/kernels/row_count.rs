//! How many rows a pass has, as far as the choice of kernels goes.

use super::limits::FEW_ROWS;

/// How many rows a pass has, as far as the choice of kernels goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowCount {
    /// One.
    One,
    /// Two to [`FEW_ROWS`]: beams, drafts and branches, that read the weights once for all.
    Few,
    /// More: the prompt.
    Many,
}

impl RowCount {
    /// Every row_count, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::One, Self::Few, Self::Many];

    /// That of a pass of so many rows.
    pub(crate) fn of(rows: usize) -> Self {
        match rows {
            0..=1 => Self::One,
            2..=FEW_ROWS => Self::Few,
            _ => Self::Many,
        }
    }

    /// The linear maps of such passes, in words that stay the same from version to version.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::One => "linear map, one row".to_owned(),
            Self::Few => format!("linear map, up to {FEW_ROWS} rows"),
            Self::Many => "linear map, more rows".to_owned(),
        }
    }
}
