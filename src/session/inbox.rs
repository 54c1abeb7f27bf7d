//! The commands that wait for the worker.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::command::Command;

/// Commands that arrived, and those looked at ahead of time.
pub(super) struct Inbox {
    commands: Receiver<Command>,
    waiting: VecDeque<Command>,
    /// Whether no more will come.
    pub closed: bool,
}

impl Inbox {
    /// What arrives by this channel.
    pub(super) fn of(commands: Receiver<Command>) -> Self {
        Self { commands, waiting: VecDeque::new(), closed: false }
    }

    /// The next command, waited for. `None` when there will be none.
    pub(super) fn wait(&mut self) -> Option<Command> {
        let next = self.waiting.pop_front().or_else(|| self.commands.recv().ok());
        self.closed |= next.is_none();
        next
    }

    /// The next command, if there is one.
    pub(super) fn poll(&mut self) -> Option<Command> {
        self.look_ahead();
        self.waiting.pop_front()
    }

    /// Whether no command waits, and more may come.
    pub(super) fn is_empty(&mut self) -> bool {
        self.look_ahead();
        self.waiting.is_empty() && !self.closed
    }

    /// Whether to go on loading: a command that waits, of those for which `ends` holds, or the end of the session makes
    /// it useless.
    pub(super) fn goes_on_loading(&mut self, ends: fn(&Command) -> bool) -> ControlFlow<()> {
        self.look_ahead();
        if self.closed || self.waiting.iter().any(ends) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    pub(super) fn look_ahead(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.waiting.push_back(command),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.closed = true;
                    return;
                }
            }
        }
    }
}
