//! How a command ended that did not fail.

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was asked.
    Done,
    /// The user pressed Ctrl-C; what was decoded until then is printed.
    Interrupted,
}
