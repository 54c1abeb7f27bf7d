//! What a new run or a new conversation took the place of, of each kind the last one.

use std::sync::Arc;

use super::lanes::Ran;
use super::talk::Talk;
use crate::session::LaneRuns;
use crate::trace::Run;

/// Seconds for which the window offers to bring something back; the key and the command do so later as well.
pub(super) const OFFERED: f64 = 8.0;

/// Something that another one took the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// A run, with its tree and its lanes.
    Run,
    /// A conversation, or what was said in it after a question that is asked anew.
    Talk,
}

/// What can be brought back.
#[derive(Default)]
pub struct Earlier {
    pub(super) run: Option<EarlierRun>,
    pub(super) talk: Option<EarlierTalk>,
    /// What was replaced last.
    pub(super) newest: Option<Replaced>,
    /// What the window offers to bring back, and since when, in its seconds.
    pub(super) offered: Option<(Replaced, f64)>,
    /// The run to bring back once the worker has ended its own.
    pub(super) awaited: Option<EarlierRun>,
}

/// Where the run on show comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The worker made it, and can go on with it.
    Worker,
    /// The worker made it with a model that is not open any more, or before it made another one.
    Past,
    /// A saved trace.
    File,
}

/// A run that was on show, and all that belongs to it.
pub(super) struct EarlierRun {
    pub(super) run: Arc<Run>,
    pub(super) lanes: LaneRuns,
    pub(super) ran: Vec<Option<Ran>>,
    pub(super) lanes_held: bool,
    pub(super) origin: Origin,
    pub(super) wanted_tokens: usize,
}

/// A conversation, with what stood in the box below it.
pub(super) struct EarlierTalk {
    pub(super) talk: Talk,
    pub(super) prompt: String,
    pub(super) answering_run: Option<u64>,
}

impl Earlier {
    /// What was replaced last, if it can be brought back.
    pub(super) fn newest(&self) -> Option<Replaced> {
        self.newest.filter(|what| self.has(*what))
    }

    /// Whether there is such to bring back.
    pub(super) fn has(&self, what: Replaced) -> bool {
        match what {
            Replaced::Run => self.run.is_some(),
            Replaced::Talk => self.talk.is_some(),
        }
    }
}

impl EarlierRun {
    /// The worker holds nothing of it any more.
    pub(super) fn leave(&mut self) {
        self.lanes_held = false;
        if self.origin == Origin::Worker {
            self.origin = Origin::Past;
        }
    }
}
