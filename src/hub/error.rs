//! Why something cannot be got from the hub, in words for people. A token is in none of them.

use std::io;
use std::path::{Path, PathBuf};

use crate::http::Stopped;
use crate::system_errors::words;
use crate::units::bytes;

/// Why something cannot be got.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// What was typed is no name.
    #[error(
        "`{0}` is no name of a repository: write OWNER/NAME, as it stands at the top of the model's page"
    )]
    Name(String),
    /// The user forbade it.
    #[error("HF_HUB_OFFLINE is set, which forbids to go online: unset it to get a model")]
    Offline,
    /// There is no home folder.
    #[error("there is no folder to put it into: set HF_HUB_CACHE to one")]
    NoCache,
    /// The server's address is none.
    #[error("HF_ENDPOINT is `{0}`, which is no address: it begins with https:// or http://")]
    Endpoint(String),
    /// No such repository, or a private one: the hub does not tell which.
    #[error(
        "{host} has no model {repository}, or it is private: look at the name once more; for a private model set HF_TOKEN to a token that may read it"
    )]
    NoRepository {
        /// The server.
        host: String,
        /// The name.
        repository: String,
    },
    /// No such file.
    #[error("{repository} has no file {file}: `logitscope get {repository} --list` tells those it has")]
    NoFile {
        /// The repository.
        repository: String,
        /// The file.
        file: String,
    },
    /// No such branch, tag or commit.
    #[error("{repository} has no branch, tag or commit {revision}")]
    NoRevision {
        /// The repository.
        repository: String,
        /// The revision.
        revision: String,
    },
    /// Terms that were not accepted.
    #[error("{repository} is for those alone who accepted its terms: open {page} in a browser, sign in and accept them; {}", token_advice(*has_token, page))]
    Gated {
        /// The repository.
        repository: String,
        /// Its page.
        page: String,
        /// Whether a token was sent.
        has_token: bool,
    },
    /// A token that the server does not know, or one that may not read this.
    #[error(
        "{host} refuses the token (from HF_TOKEN, or the file that `hf auth login` wrote): it is wrong, has ended, or may not read {repository}; make a new one, or go without"
    )]
    TokenRefused {
        /// The server.
        host: String,
        /// The repository.
        repository: String,
    },
    /// Too many requests.
    #[error("{host} answers no more for now, since it was asked too often: try again {}", later(*wait_seconds))]
    Busy {
        /// The server.
        host: String,
        /// When, as far as it tells.
        wait_seconds: Option<u64>,
    },
    /// Another answer.
    #[error("{host} answers with an error ({status}){}: try again later", with_colon(message))]
    Server {
        /// The server.
        host: String,
        /// The status code.
        status: u16,
        /// What it says.
        message: String,
    },
    /// No answer.
    #[error("{host} cannot be reached: {reason}")]
    Network {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// A connection that broke while a file came.
    #[error("the connection to {host} broke off: {reason}")]
    BrokenOff {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// An answer that is not of the protocol.
    #[error("{host} gives an answer that is not the hub's: {what}")]
    Strange {
        /// The server.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// The connection broke too often.
    #[error(
        "{file} did not come to its end: {reason}. What came is kept: get it again, and it goes on there"
    )]
    Broken {
        /// The file.
        file: String,
        /// What broke last.
        reason: String,
    },
    /// Something else came than what was announced.
    #[error("{file} came, but it is not what it should be ({what}), so it was thrown away: get it again")]
    WrongContents {
        /// The file.
        file: String,
        /// What differs.
        what: String,
    },
    /// The file became another one again and again.
    #[error("{file} changes on the server while it is being read: try again later")]
    Changes {
        /// The file.
        file: String,
    },
    /// A file that the hub gives only to its own protocol.
    #[error(
        "{file} has {}, and the hub gives files of more than 50 GB only to its own program: get it with `hf download`",
        bytes(*size)
    )]
    TooLarge {
        /// The file.
        file: String,
        /// Its bytes.
        size: u64,
    },
    /// No room.
    #[error(
        "there is no room in {}: {} are needed, {} are free; delete something, or set HF_HUB_CACHE to a folder on another disk",
        folder.display(),
        bytes(*needed),
        bytes(*free)
    )]
    DiskFull {
        /// The folder.
        folder: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// What the system refused.
    #[error("{} cannot be written: {}", path.display(), words(reason))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// Somebody ended it.
    #[error("it was stopped; what came is kept: get it again, and it goes on there")]
    Stopped,
}

impl From<Stopped> for HubError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl HubError {
    /// What the system refused at a path. A full disk is one, whoever filled it.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::File { path: path.to_owned(), reason }
    }

    /// Whether the same may succeed a little later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Network { .. } | Self::BrokenOff { .. } | Self::Busy { .. } => true,
            Self::Server { status, .. } => *status >= 500 || *status == 408,
            _ => false,
        }
    }

    /// Seconds that the server asks to wait.
    pub(super) fn wait_seconds(&self) -> Option<u64> {
        match self {
            Self::Busy { wait_seconds, .. } => *wait_seconds,
            _ => None,
        }
    }
}

fn token_advice(has_token: bool, page: &str) -> String {
    if has_token {
        return "the token that is set (HF_TOKEN, or `hf auth login`) is of somebody who has not, or whose request waits".to_owned();
    }
    let host = page.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!("then set HF_TOKEN to a token of yours ({host}/settings/tokens), or run `hf auth login`")
}

fn later(wait_seconds: Option<u64>) -> String {
    wait_seconds
        .map_or_else(|| "later".to_owned(), |seconds| format!("in {}", super::pace::duration(seconds)))
}

fn with_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}
