//! The answer for a step.

/// What would have been chosen at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WouldBe {
    /// The same token.
    Same,
    /// This one.
    Other(u32),
    /// One that the record does not list.
    Unlisted,
    /// The record does not tell.
    Open,
    /// A person chose it: no setting would change that.
    ByHand,
}
