//! What the grid and the facts are about.

use crate::session::CacheMap;
use crate::trace::{Node, Run};

/// What the cache holds after the selected step.
pub(super) struct Filled<'a> {
    pub run: &'a Run,
    pub node: &'a Node,
    /// Positions after the step before.
    pub before: usize,
    /// What lies in the cache now; `None` where the model is not at hand.
    pub map: Option<&'a CacheMap>,
}
