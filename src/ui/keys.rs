//! The keys of servers as the window needs them: those that were asked with since the program began, and where each is kept.

use std::collections::BTreeMap;

use crate::session::{ApiKey, Kept, ServerAddress};

/// A key in use.
#[derive(Clone, Debug)]
pub struct KeyInUse {
    /// The key.
    pub key: ApiKey,
    /// Where it is kept; `None` for that of the variable, which nobody typed here.
    pub kept: Option<Kept>,
}

/// Keys by origin: scheme, host and port.
#[derive(Default)]
pub struct Keys(BTreeMap<String, KeyInUse>);

impl Keys {
    /// That of a server.
    pub fn get(&self, address: &ServerAddress) -> Option<&KeyInUse> {
        self.0.get(&address.origin())
    }

    /// Notes one.
    pub fn set(&mut self, address: &ServerAddress, key: KeyInUse) {
        self.0.insert(address.origin(), key);
    }

    /// Forgets one.
    pub fn forget(&mut self, address: &ServerAddress) -> Option<KeyInUse> {
        self.0.remove(&address.origin())
    }
}
