//! Pinned tokens: those whose place in every row a run records, chosen or not.

use std::cell::RefCell;
use std::rc::Rc;

use super::row::Row;
use crate::model::Summary;
use crate::model::selection::PinnedLogit;

/// The tokens pinned now. All strategies of a run and its branches share them with whoever pins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(Rc<RefCell<Vec<u32>>>);

impl Pins {
    /// Pins these tokens, and no others, from the next row on.
    pub fn set(&self, tokens: &[u32]) {
        self.0.replace(tokens.to_vec());
    }

    /// Where they stand in a whole row; those outside of the vocabulary nowhere.
    pub(super) fn in_row(&self, raw: &Row) -> Vec<PinnedLogit> {
        let pinned = self.0.borrow();
        let known = pinned.iter().copied().filter(|&token| (token as usize) < raw.values.len());
        known.map(|token| PinnedLogit { token, logit: raw.value(token), rank: raw.rank(token) }).collect()
    }

    /// Where they stand in a summarised row, those of which it tells.
    pub(super) fn in_summary(&self, summary: &Summary) -> Vec<PinnedLogit> {
        let stands = |&token: &u32| {
            let told = summary.pinned.iter().find(|pinned| pinned.token == token).copied();
            told.or_else(|| {
                let place = summary.tokens.iter().position(|&listed| listed == token)?;
                Some(PinnedLogit { token, logit: summary.logits[place], rank: place + 1 })
            })
        };
        self.0.borrow().iter().filter_map(stands).collect()
    }
}
