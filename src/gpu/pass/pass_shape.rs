//! What a pass has to compute, as far as its dispatches depend on it.

/// Most rows of a tile.
pub(crate) const TILE_ROWS: usize = 32;

/// What a pass has to compute, as far as dispatches depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PassShape {
    pub rows: usize,
    /// Whether no row sees another one of the pass.
    pub independent_rows: bool,
    /// Into how many spans attention divides the positions of the longest row.
    pub splits: usize,
    /// Tiles of rows that attention takes.
    pub tiles: usize,
    /// Walks through the rows that a recurrence takes.
    pub walks: usize,
}

impl PassShape {
    /// A chain of rows that see few positions.
    pub(crate) fn chain(rows: usize) -> Self {
        Self { rows, independent_rows: rows <= 1, splits: 1, tiles: rows.div_ceil(TILE_ROWS), walks: 1 }
    }

    /// Rows that attend to nothing.
    pub(crate) fn of_rows(rows: usize) -> Self {
        Self { rows, independent_rows: true, splits: 1, tiles: 0, walks: 0 }
    }
}
