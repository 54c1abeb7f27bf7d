//! Why a server does not do what was asked, in words for people. A key is in none of them.

use crate::http::Stopped;

/// Why a server does not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// What was typed is no server's address.
    #[error(
        "`{typed}` is no address of a server: {why}. Write http://HOST:PORT, such as http://127.0.0.1:8000"
    )]
    Address {
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        why: String,
    },
    /// A key with characters that cannot be sent.
    #[error(
        "the key cannot be sent: it has spaces, line breaks or other characters that no key has; copy it once more"
    )]
    UnusableKey,
    /// Nobody answers there.
    #[error("{host} cannot be reached: {reason}; see that the server runs, and that the address is right")]
    Unreachable {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nothing came for a long time.
    #[error(
        "{host} has been silent for {seconds} s: it may be busy with others, or stuck; try again, or look at the server"
    )]
    Silent {
        /// The server.
        host: String,
        /// How long.
        seconds: u64,
    },
    /// A connection that broke in the middle of an answer.
    #[error("the connection to {host} broke off in the middle of an answer: {reason}; try again")]
    BrokenOff {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// A connection that is not safe.
    #[error(
        "the connection to {host} is not safe, so nothing was sent: {reason}; a server with a certificate of its own has to have it among those that this computer trusts"
    )]
    Insecure {
        /// The server.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// It sends elsewhere.
    #[error(
        "{host} sends to another address, {to}: nothing was sent there; if it is the right one, connect to it"
    )]
    Redirected {
        /// The server.
        host: String,
        /// Where.
        to: String,
    },
    /// No key was sent, and the server wants one.
    #[error(
        "{host} wants a key ({status}): set LOGITSCOPE_API_KEY to it, or type it into the window's field"
    )]
    KeyMissing {
        /// The server.
        host: String,
        /// The status code.
        status: u16,
    },
    /// The key is not right.
    #[error(
        "{host} refuses the key ({status}): it is wrong, has ended, or is not for this model; set LOGITSCOPE_API_KEY to another one, or type it into the window's field"
    )]
    KeyRefused {
        /// The server.
        host: String,
        /// The status code.
        status: u16,
    },
    /// Too much is asked of it.
    #[error("{host} has too much to do ({status}){}: try again {}", with_colon(message), later(*wait_seconds))]
    Busy {
        /// The server.
        host: String,
        /// The status code.
        status: u16,
        /// What it says.
        message: String,
        /// When, as far as it tells.
        wait_seconds: Option<u64>,
    },
    /// It failed.
    #[error(
        "{host} answers with an error of its own ({status}){}: try again, or look at the server's log",
        with_colon(message)
    )]
    Failed {
        /// The server.
        host: String,
        /// The status code.
        status: u16,
        /// What it says.
        message: String,
    },
    /// It does not do what was asked.
    #[error("{host} refuses what was asked ({status}){}", with_colon(message))]
    Refused {
        /// The server.
        host: String,
        /// The status code.
        status: u16,
        /// What it says.
        message: String,
    },
    /// There is nothing at the address.
    #[error("{host} has nothing at {path} (404){}: see that the address is right", with_colon(message))]
    NotFound {
        /// The server.
        host: String,
        /// What was asked for.
        path: String,
        /// What it says.
        message: String,
    },
    /// The model is not served, or no longer.
    #[error("{host} does not serve the model {model}: {}", served_words(served))]
    NoSuchModel {
        /// The server.
        host: String,
        /// The model.
        model: String,
        /// What it serves.
        served: Vec<String>,
    },
    /// Several models, and none was named.
    #[error("{host} serves several models: name one behind the address, such as #{}; it serves {}", served.first().map_or("", String::as_str), served.join(", "))]
    SeveralModels {
        /// The server.
        host: String,
        /// What it serves.
        served: Vec<String>,
    },
    /// A page, or another thing that no engine sends.
    #[error("{host} is no server of models: {what}; see that the address and the port are right")]
    NoEngine {
        /// The server.
        host: String,
        /// What it sent.
        what: String,
    },
    /// An answer that cannot be right.
    #[error(
        "{host} gives an answer that cannot be used: {what}; it may be of another version than those that this program knows"
    )]
    Strange {
        /// The server.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// An answer beyond all limits.
    #[error("{host} sends too much: {what}; the rest was not read")]
    TooMuch {
        /// The server.
        host: String,
        /// Which limit.
        what: String,
    },
    /// What this server cannot do.
    #[error("{host} cannot do this: {what}")]
    Unsupported {
        /// The server.
        host: String,
        /// What, and why.
        what: String,
    },
    /// Somebody ended it.
    #[error("the request was stopped")]
    Stopped,
}

impl ServerError {
    /// Whether the same may succeed a little later.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Silent { .. }
                | Self::BrokenOff { .. }
                | Self::Busy { .. }
                | Self::Failed { .. }
        )
    }
}

impl From<Stopped> for ServerError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

fn with_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn later(wait_seconds: Option<u64>) -> String {
    match wait_seconds {
        None => "later".to_owned(),
        Some(seconds @ 0..120) => format!("in {seconds} s"),
        Some(seconds) => format!("in {} min", seconds.div_ceil(60)),
    }
}

fn served_words(served: &[String]) -> String {
    match served {
        [] => "it serves none now".to_owned(),
        served => format!("it serves {}", served.join(", ")),
    }
}
