//! The keys of servers, for as long as the program runs: in memory alone.

use std::collections::BTreeMap;

use crate::session::{ApiKey, ServerAddress};

/// Keys by origin: scheme, host and port.
#[derive(Default)]
pub struct Keys(BTreeMap<String, ApiKey>);

impl Keys {
    /// That of a server.
    pub fn get(&self, address: &ServerAddress) -> Option<&ApiKey> {
        self.0.get(&address.origin())
    }

    /// Keeps one.
    pub fn set(&mut self, address: &ServerAddress, key: ApiKey) {
        self.0.insert(address.origin(), key);
    }

    /// Forgets one; whether there was any.
    pub fn forget(&mut self, address: &ServerAddress) -> bool {
        self.0.remove(&address.origin()).is_some()
    }
}
