//! Where keys are kept: in the system's keyring, or in memory until the program ends. Never in a file of this program.

use std::collections::HashMap;
use std::sync::Mutex;

use super::key::ApiKey;

/// Under which name keys are in the keyring.
const SERVICE: &str = "Logitscope";

/// Keeps keys by the origin of their server, such as `https://models.example:443`. An error is the reason, in words.
pub trait KeyStore: Send + Sync {
    /// The key of a server; `None` where none is kept.
    fn get(&self, origin: &str) -> Result<Option<ApiKey>, String>;

    /// Keeps a key in the place of the one before.
    fn set(&self, origin: &str, key: &ApiKey) -> Result<(), String>;

    /// Forgets a key, if there is one.
    fn forget(&self, origin: &str) -> Result<(), String>;
}

/// The system's own: the Keychain, the Credential Manager, or what speaks the Secret Service protocol. The system may ask
/// its user before it answers, so that calls may take long: they have no place on the window's thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemKeyring;

impl SystemKeyring {
    fn entry(origin: &str) -> Result<keyring::v1::Entry, String> {
        keyring::v1::Entry::new(SERVICE, origin).map_err(|error| match keyring::v1::Entry::store_status() {
            Err(cause) => words(cause),
            Ok(()) => words(&error),
        })
    }
}

impl KeyStore for SystemKeyring {
    fn get(&self, origin: &str) -> Result<Option<ApiKey>, String> {
        match Self::entry(origin)?.get_password() {
            Ok(text) => ApiKey::new(&text).map(Some).map_err(|_| "what it has is no key".to_owned()),
            Err(keyring::v1::Error::NoEntry) => Ok(None),
            Err(error) => Err(words(&error)),
        }
    }

    fn set(&self, origin: &str, key: &ApiKey) -> Result<(), String> {
        Self::entry(origin)?.set_password(key.text()).map_err(|error| words(&error))
    }

    fn forget(&self, origin: &str) -> Result<(), String> {
        match Self::entry(origin)?.delete_credential() {
            Ok(()) | Err(keyring::v1::Error::NoEntry) => Ok(()),
            Err(error) => Err(words(&error)),
        }
    }
}

/// Why, without what was kept.
fn words(error: &keyring::v1::Error) -> String {
    match error {
        keyring::v1::Error::BadEncoding(_) => "what it has is no text".to_owned(),
        keyring::v1::Error::NoStorageAccess(_) => "it is locked, or does not let this program in".to_owned(),
        keyring::v1::Error::NoDefaultStore => "this system has none".to_owned(),
        error => error.to_string(),
    }
}

/// Memory alone.
#[derive(Default)]
pub struct SessionKeys(Mutex<HashMap<String, ApiKey>>);

impl SessionKeys {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, ApiKey>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl KeyStore for SessionKeys {
    fn get(&self, origin: &str) -> Result<Option<ApiKey>, String> {
        Ok(self.with(|keys| keys.get(origin).cloned()))
    }

    fn set(&self, origin: &str, key: &ApiKey) -> Result<(), String> {
        self.with(|keys| keys.insert(origin.to_owned(), key.clone()));
        Ok(())
    }

    fn forget(&self, origin: &str) -> Result<(), String> {
        self.with(|keys| keys.remove(origin));
        Ok(())
    }
}

/// Where a key is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In the system's keyring.
    InKeyring,
    /// In memory, until the program ends, since the keyring could not take it: for this reason.
    ForSession(String),
}

impl Kept {
    /// A sentence for people.
    pub fn words(&self) -> String {
        match self {
            Self::InKeyring => "The key is kept in this system's keyring.".to_owned(),
            Self::ForSession(reason) => {
                format!(
                    "The key is kept until the program ends: this system's keyring cannot take it ({reason})."
                )
            }
        }
    }
}

/// Keys of servers: in a keyring where there is one, in memory otherwise.
pub struct Keys {
    keyring: Box<dyn KeyStore>,
    session: SessionKeys,
}

impl Default for Keys {
    fn default() -> Self {
        Self::new(SystemKeyring)
    }
}

impl Keys {
    /// With this keyring.
    pub fn new(keyring: impl KeyStore + 'static) -> Self {
        Self { keyring: Box::new(keyring), session: SessionKeys::default() }
    }

    /// The key of a server, wherever it is kept.
    pub fn get(&self, origin: &str) -> Option<ApiKey> {
        let of_session = self.session.get(origin).ok().flatten();
        of_session.or_else(|| match self.keyring.get(origin) {
            Ok(key) => key,
            Err(reason) => {
                log::debug!("no key from the keyring: {reason}");
                None
            }
        })
    }

    /// Keeps a key, and says where.
    pub fn keep(&self, origin: &str, key: &ApiKey) -> Kept {
        match self.keyring.set(origin, key) {
            Ok(()) => {
                // Memory takes everything.
                let _ = self.session.forget(origin);
                Kept::InKeyring
            }
            Err(reason) => {
                let _ = self.session.set(origin, key);
                Kept::ForSession(reason)
            }
        }
    }

    /// Forgets a key. An error is why the keyring still has it.
    pub fn forget(&self, origin: &str) -> Result<(), String> {
        self.session.forget(origin)?;
        self.keyring.forget(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A keyring that is not there.
    struct Nowhere;

    impl KeyStore for Nowhere {
        fn get(&self, _: &str) -> Result<Option<ApiKey>, String> {
            Err("this system has none".to_owned())
        }

        fn set(&self, _: &str, _: &ApiKey) -> Result<(), String> {
            Err("this system has none".to_owned())
        }

        fn forget(&self, _: &str) -> Result<(), String> {
            Err("this system has none".to_owned())
        }
    }

    #[test]
    fn keys_are_kept_by_origin_and_forgotten() {
        let (here, there) = ("http://127.0.0.1:8000", "https://127.0.0.1:8000");
        let [first, second] = ["first-key", "second-key"].map(|text| ApiKey::new(text).unwrap());
        let keys = Keys::new(SessionKeys::default());
        assert_eq!(keys.get(here), None);
        assert_eq!(keys.keep(here, &first), Kept::InKeyring);
        assert_eq!(keys.keep(there, &second), Kept::InKeyring);
        assert_eq!((keys.get(here), keys.get(there)), (Some(first), Some(second.clone())));
        keys.keep(here, &second);
        assert_eq!(keys.get(here), Some(second));
        keys.forget(here).unwrap();
        assert_eq!((keys.get(here), keys.get(there).is_some()), (None, true));
    }

    #[test]
    fn where_there_is_no_keyring_the_session_keeps_the_key() {
        let keys = Keys::new(Nowhere);
        let key = ApiKey::new("some-long-key").unwrap();
        let kept = keys.keep("http://a:1", &key);
        assert_eq!(
            kept.words(),
            "The key is kept until the program ends: this system's keyring cannot take it (this system has none)."
        );
        assert_eq!(keys.get("http://a:1"), Some(key));
        assert_eq!(keys.get("http://a:2"), None);
        assert!(keys.forget("http://a:1").is_err());
        assert_eq!(keys.get("http://a:1"), None);
    }
}
