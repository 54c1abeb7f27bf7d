//! How many rows a pass has, as far as the choice of kernels goes.

use super::limits::FEW_ROWS;

/// How many rows a pass has, as far as the choice of kernels goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowCount {
    /// One.
    One,
    /// Two to [`FEW_ROWS`] / 2: beams, drafts and branches, that read the weights once for all.
    Few,
    /// As many as [`FEW_ROWS`]: the same kernel with more sums.
    Several,
    /// More: the prompt.
    Many,
}

impl RowCount {
    /// Every one, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::One, Self::Few, Self::Several, Self::Many];
    /// Those with kernels of their own choice.
    pub(crate) const CHOSEN: [Self; 3] = [Self::One, Self::Few, Self::Many];

    /// That of a pass of so many rows.
    pub(crate) fn of(rows: usize) -> Self {
        const HALF: usize = FEW_ROWS / 2;
        const MORE: usize = HALF + 1;
        match rows {
            0..=1 => Self::One,
            2..=HALF => Self::Few,
            MORE..=FEW_ROWS => Self::Several,
            _ => Self::Many,
        }
    }

    /// Most rows of a workgroup that reads the weights once.
    pub(crate) fn at_once(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Few => FEW_ROWS as u32 / 2,
            Self::Several | Self::Many => FEW_ROWS as u32,
        }
    }

    /// The one whose choice of kernels it has.
    pub(crate) fn chosen(self) -> Self {
        if self == Self::Several { Self::Few } else { self }
    }

    pub(crate) fn describe(self) -> String {
        match self {
            Self::One => "linear map, one row".to_owned(),
            Self::Few | Self::Several => format!("linear map, up to {FEW_ROWS} rows"),
            Self::Many => "linear map, more rows".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_rows_has_the_kernels_that_take_so_many() {
        let counts = [0, 1, 2, 4, 5, 8, 9, 512].map(RowCount::of);
        use RowCount::{Few, Many, One, Several};
        assert_eq!(counts, [One, One, Few, Few, Several, Several, Many, Many]);
        for (rows, count) in (1..=FEW_ROWS).map(|rows| (rows, RowCount::of(rows))) {
            assert!(rows as u32 <= count.at_once(), "{rows} rows");
            assert!(RowCount::CHOSEN.contains(&count.chosen()));
        }
    }
}
