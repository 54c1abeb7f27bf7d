//! What tables have in common: units, and words for a step.

use crate::trace::{ChosenBy, Node, Phase};

/// A share of a whole.
pub(super) const SHARE: &str = "0 to 1";

/// The pass that a step is of.
pub(super) fn phase(node: &Node) -> &'static str {
    match node.phase {
        Phase::Initiation => "initiation",
        Phase::Incremental => "incremental",
    }
}

/// Who chose its token.
pub(super) fn chosen_by(node: &Node) -> &'static str {
    match node.chosen_by {
        ChosenBy::Strategy => "strategy",
        ChosenBy::Hand => "hand",
    }
}
