//! What the window does to pin tokens, and to find them in the vocabulary.

use std::sync::Arc;

use super::app::App;
use super::state::Origin;
use crate::session::Command;
use crate::trace::Token;

impl App {
    /// Pins a token, or takes it off. Of a run that the worker cannot go on with, what its record tells is shown.
    pub(super) fn toggle_pin(&mut self, token: Token) {
        if self.state.origin != Origin::Worker {
            let Some(run) = self.view.run.as_mut().map(Arc::make_mut) else { return };
            match run.pinned.iter().position(|pinned| pinned.id == token.id) {
                Some(place) => drop(run.pinned.remove(place)),
                None => run.pinned.push(token),
            }
            return;
        }
        let own = self.view.pinned.iter().filter(|pinned| !pinned.automatic);
        let mut ids: Vec<u32> = own.map(|pinned| pinned.token.id).collect();
        match ids.iter().position(|&id| id == token.id) {
            Some(place) => drop(ids.remove(place)),
            None => ids.push(token.id),
        }
        self.worker.send(Command::Pin(ids));
    }

    /// Has the vocabulary searched when the query changed, one search at a time.
    pub(super) fn find_tokens(&mut self) {
        let query = &self.state.pin_query;
        let answered = self.view.found.as_ref().map_or("", |(query, _)| query) == self.sought;
        if answered && *query != self.sought && !query.is_empty() && self.view.loaded.is_some() {
            self.sought = query.clone();
            self.worker.send(Command::FindTokens(query.clone()));
        }
    }
}
