//! The window's end of the worker: commands go out, events come in. A trait, so that tests can put a script in
//! the worker's place.

use std::time::Duration;

use crate::session::{self, Command, Event, Session};

/// Whoever answers the window's commands with events. Neither method may block.
pub trait Worker {
    /// Hands over a command.
    fn send(&mut self, command: Command);
    /// The next event, if one is there.
    fn receive(&mut self) -> Option<Event>;
    /// For how long a GPU that is waited for has not answered; `None` where no GPU is behind this.
    fn gpu_silence(&self) -> Option<Duration> {
        None
    }
}

impl Worker for Session {
    fn send(&mut self, command: Command) {
        Session::send(self, command);
    }

    fn receive(&mut self) -> Option<Event> {
        self.events().next()
    }

    fn gpu_silence(&self) -> Option<Duration> {
        Some(session::gpu_silence().unwrap_or_default())
    }
}
