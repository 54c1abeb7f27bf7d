//! What a stage asks that masks by more than logits and settings: a grammar, kept outside, for decoding sees no
//! text.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Tells which tokens may follow. A pure function of the new tokens, whatever it remembers between calls.
pub trait Constraint: Send {
    /// For each id whether it may follow these new tokens; `None` if that cannot be told. Then none may, and whoever
    /// made the constraint tells the user why.
    fn allowed(&mut self, generated: &[u32]) -> Option<&[bool]>;
}

/// A constraint that several strategies, branches and their maker share.
#[derive(Clone)]
pub struct SharedConstraint(Arc<Mutex<dyn Constraint>>);

impl SharedConstraint {
    /// Shares a constraint.
    pub fn new(constraint: Arc<Mutex<dyn Constraint>>) -> Self {
        Self(constraint)
    }

    /// Calls `look` with the ids that may follow these new tokens; with an empty list where that cannot be told.
    pub fn with_allowed(&self, generated: &[u32], look: impl FnOnce(&[bool])) {
        // After a panic inside, the answer is computed from the tokens again.
        let mut constraint = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(constraint.allowed(generated).unwrap_or_default());
    }
}

impl PartialEq for SharedConstraint {
    /// Whether it is the same one.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for SharedConstraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SharedConstraint")
    }
}
