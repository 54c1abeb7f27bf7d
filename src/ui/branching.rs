//! What the window does for branches: candidates chosen by hand, other lines of the tree, and the way back.

use super::App;
use super::cursor::Follow;
use super::state::{Awaited, CandidateChoice, Origin};
use super::tree_rows::leaf_of;
use crate::session::{Command, Event, ModelSource, Notice, Pace, Severity, Status};

impl App {
    /// Goes on from a node with another of its candidates, at the run's present pace.
    pub(super) fn branch(&mut self, node: usize, token: u32) {
        let Some(run) = &self.view.run else { return };
        if self.state.origin != Origin::Worker {
            return self.tell_at_rest();
        }
        if self.state.awaited == Awaited::Branch {
            return;
        }
        // The token that stands there already begins no other line.
        if run.nodes.get(node).is_none_or(|node| node.token == token) {
            return;
        }
        let pace = if self.view.status == Status::Paused { Pace::SingleStep } else { Pace::Continuous };
        self.state.awaited = Awaited::Branch;
        self.worker.send(Command::Branch { node, token, pace });
    }

    /// The node of the selected step.
    fn selected_node(&self) -> Option<usize> {
        let run = self.view.run.as_ref()?;
        run.line.get(self.state.cursor.selected?).copied()
    }

    /// Selects the candidate so many rows below the selected one, or below the chosen one.
    pub(super) fn move_candidate(&mut self, rows: isize) {
        let (Some(run), Some(index)) = (&self.view.run, self.selected_node()) else { return };
        let node = &run.nodes[index];
        let chosen = node.candidates.iter().position(|candidate| candidate.token == node.token);
        let before = self.state.candidate.filter(|choice| choice.node == index).map(|choice| choice.index);
        let from = before.or(chosen).unwrap_or(0);
        let last = node.candidates.len().saturating_sub(1);
        self.state.candidate =
            Some(CandidateChoice { node: index, index: from.saturating_add_signed(rows).min(last) });
        // The candidates are those of one step, whatever the run does meanwhile.
        self.state.cursor.follow = Follow::Stay;
    }

    /// Goes on with the candidate that the keyboard selected.
    pub(super) fn branch_selected(&mut self) {
        let (Some(run), Some(choice)) = (&self.view.run, self.state.candidate) else { return };
        if self.selected_node() != Some(choice.node) {
            return;
        }
        let candidate = run.nodes[choice.node].candidates.get(choice.index);
        if let Some(token) = candidate.map(|candidate| candidate.token) {
            self.branch(choice.node, token);
        }
    }

    /// Returns to the line that the last branch left; without one, to what was replaced last.
    pub(super) fn undo(&mut self) {
        let Some(tip) = self.state.lines_left.pop() else {
            if let Some(what) = self.state.earlier.newest() {
                self.bring_back(what);
            }
            return;
        };
        let place = self.view.run.as_ref().map(|run| {
            let path = run.path(Some(tip));
            path.iter().zip(&run.line).take_while(|(one, other)| one == other).count()
        });
        self.state.awaited_place = place;
        self.follow_line(tip);
    }

    /// Selects a node; one that lies off the line is shown on the newest line that leads through it.
    pub(super) fn show_node(&mut self, node: usize) {
        let Some(run) = self.view.run.as_ref().filter(|run| node < run.nodes.len()) else { return };
        match run.line.binary_search(&node) {
            Ok(place) => self.state.cursor.select(place, run.line.len()),
            Err(_) => {
                let leaf = leaf_of(run, node);
                self.state.awaited_place = Some(run.path(Some(node)).len() - 1);
                self.follow_line(leaf);
            }
        }
    }

    /// Shows another line of the run.
    pub(super) fn follow_line(&mut self, tip: usize) {
        match self.state.origin {
            Origin::Worker => self.worker.send(Command::Follow { tip }),
            // Nobody but the window holds such a run.
            Origin::File | Origin::Past => {
                let stop = self.view.run.as_ref().and_then(|run| run.stop);
                self.view.apply(Event::Followed { tip, stop });
                self.take_awaited_place();
            }
        }
    }

    /// Selects the place that was asked for, now that its line is there.
    pub(super) fn take_awaited_place(&mut self) {
        let count = self.view.run.as_ref().map_or(0, |run| run.line.len());
        if let Some(place) = self.state.awaited_place.take() {
            self.state.cursor.select(place, count);
        }
    }

    /// Loads a draft model.
    pub(super) fn load_draft(&mut self, source: ModelSource) {
        self.worker.send(Command::LoadDraft(source));
    }

    /// Says why the run on show cannot go on.
    fn tell_at_rest(&mut self) {
        let title = match self.state.origin {
            Origin::Past => "A past run cannot go on",
            Origin::File | Origin::Worker => "A saved trace cannot go on",
        };
        self.view.tell(Notice {
            severity: Severity::Information,
            title: title.to_owned(),
            detail: "The model on show holds nothing of it: run the prompt again to branch.".to_owned(),
        });
    }
}
