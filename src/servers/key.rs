//! The key that a server asks for. It is in no error, no debug text and no file of this program.

use std::fmt;

use super::error::ServerError;

/// The variable with the key of a server.
pub const KEY_VARIABLE: &str = "LOGITSCOPE_API_KEY";

/// Shorter ones are found in words by chance, and are not worth hiding.
const SHORTEST_HIDDEN: usize = 6;

/// A key. It is sent to the origin alone that it was given for.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// One from what a person typed.
    pub fn new(typed: &str) -> Result<Self, ServerError> {
        let typed = typed.trim();
        let can_be_sent = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_graphic());
        if can_be_sent { Ok(Self(typed.to_owned())) } else { Err(ServerError::UnusableKey) }
    }

    /// That of [`KEY_VARIABLE`], if it is set.
    pub fn from_environment() -> Result<Option<Self>, ServerError> {
        let value = std::env::var_os(KEY_VARIABLE).filter(|value| !value.is_empty());
        let text = |value: std::ffi::OsString| value.into_string().map_err(|_| ServerError::UnusableKey);
        value.map(|value| Self::new(&text(value)?)).transpose()
    }

    /// The header that carries it.
    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// The text itself, to be put into a keyring.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// A server's words without the key, which some servers repeat.
    pub(super) fn hide_in(&self, text: &str) -> String {
        if self.0.len() < SHORTEST_HIDDEN { text.to_owned() } else { text.replace(&self.0, "…") }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(…)")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}
