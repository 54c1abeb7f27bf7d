//! Whether biases are added.

/// Whether a linear map or a norm adds a bias vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// No bias vector.
    Absent,
    /// A bias vector with one element for each output.
    Present,
}
