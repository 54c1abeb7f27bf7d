//! The way of the worker's events to whoever watches.

use std::sync::mpsc::Sender;

use super::event::{Event, Notice, Severity};

/// Where events go.
pub(super) struct Outbox {
    pub events: Sender<Event>,
    pub wake: Box<dyn Fn() + Send>,
}

impl Outbox {
    /// Sends an event, and wakes whoever watches.
    pub(super) fn send(&self, event: Event) {
        // Nobody listens when the session is being dropped: then there is nobody to tell either.
        let _ = self.events.send(event);
        (self.wake)();
    }

    /// Tells the user something.
    pub(super) fn notify(&self, severity: Severity, title: &str, detail: &str) {
        self.send(Event::Notice(Notice { severity, title: title.to_owned(), detail: detail.to_owned() }));
    }
}
