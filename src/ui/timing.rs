//! What the window has the worker measure: a run both ways, the ops of a step, what lies in the cache.

use super::app::App;
use super::state::Origin;
use crate::session::{Command, Status};

impl App {
    /// Has the ops timed that a panel would show, once, while the run waits or has ended.
    pub(super) fn time_on(&mut self) {
        let Some(node) = self.state.measuring.profile_wanted.take() else { return };
        let asked = self.state.measuring.profile_asked;
        if self.run_waits() && asked != Some((self.state.run_number, node)) {
            self.profile(node);
        }
    }

    /// Has the ops of a step timed.
    pub(super) fn profile(&mut self, node: usize) {
        self.state.measuring.profile_asked = Some((self.state.run_number, node));
        self.worker.send(Command::Profile(node));
    }

    /// Asks what lies in the cache, where a panel shows it and the run has changed.
    pub(super) fn map_cache(&mut self) {
        let wanted = std::mem::take(&mut self.state.measuring.cache_wanted);
        let nodes = self.view.run.as_ref().map_or(0, |run| run.nodes.len());
        let now = (self.state.run_number, nodes, self.run_waits());
        let can = self.state.origin == Origin::Worker && self.view.loaded.is_some();
        if wanted && can && self.state.measuring.cache_asked != Some(now) {
            self.state.measuring.cache_asked = Some(now);
            self.worker.send(Command::MapCache);
        }
    }

    /// Whether the run on show is the worker's, and waits or has ended.
    fn run_waits(&self) -> bool {
        let waits = matches!(self.view.status, Status::Paused | Status::Ready);
        waits && self.state.origin == Origin::Worker && self.view.loaded.is_some()
    }
}
