//! Which server, which cache, whose token, and how patient.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::error::HubError;
use crate::http::Patience;
use crate::library::{Environment, hub_cache, hub_home};

/// The hub.
const HUB: &str = "https://huggingface.co";

/// Where to get from, and where to put it.
#[derive(Clone)]
pub struct Settings {
    /// The server, without a slash at its end.
    pub endpoint: String,
    /// The hub's cache.
    pub cache: PathBuf,
    /// Whether going online is forbidden.
    pub offline: bool,
    /// Whether files may be links to others.
    pub links: bool,
    /// Whether the proxies that the environment names are used.
    pub proxies: bool,
    /// How patient.
    pub patience: Patience,
    /// How many bytes are free where a folder lies.
    pub free_space: fn(&Path) -> io::Result<u64>,
    token: TokenSource,
}

/// Where the token is.
#[derive(Clone)]
enum TokenSource {
    Given(String),
    File(Option<PathBuf>),
}

impl Settings {
    /// Those of a server and a cache, without a token.
    pub fn new(endpoint: impl Into<String>, cache: PathBuf) -> Self {
        Self {
            endpoint: endpoint.into(),
            cache,
            offline: false,
            links: true,
            proxies: true,
            patience: Patience::default(),
            free_space: |folder| fs4::available_space(folder),
            token: TokenSource::File(None),
        }
    }

    /// What this process was told: the same variables and files as those of the hub's own library.
    pub fn of(environment: &Environment) -> Result<Self, HubError> {
        let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| value(name).and_then(|value| value.into_string().ok());
        let cache = hub_cache(environment).ok_or(HubError::NoCache)?;
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned()).trim_end_matches('/').to_owned();
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(HubError::Endpoint(endpoint));
        }
        let file = value("HF_TOKEN_PATH").map(PathBuf::from);
        let file = file.or_else(|| Some(hub_home(environment)?.join("token")));
        let given = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN"));
        Ok(Self {
            offline: is_true(value("HF_HUB_OFFLINE")) || is_true(value("TRANSFORMERS_OFFLINE")),
            links: !is_true(value("HF_HUB_DISABLE_SYMLINKS")),
            token: given.map_or(TokenSource::File(file), TokenSource::Given),
            ..Self::new(endpoint, cache)
        })
    }

    /// The same with a token.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = TokenSource::Given(token.to_owned());
        self
    }

    /// The server for people: without `https://`.
    pub fn host(&self) -> &str {
        self.endpoint.split_once("://").map_or(&self.endpoint, |(_, host)| host)
    }

    /// The page of a repository.
    pub fn page(&self, repository: &super::names::RepositoryName) -> String {
        format!("{}/{repository}", self.endpoint)
    }

    /// The token, read anew each time: a person may have set one meanwhile. Never shown.
    pub(super) fn token(&self) -> Option<String> {
        let token = match &self.token {
            TokenSource::Given(token) => token.clone(),
            TokenSource::File(file) => std::fs::read_to_string(file.as_ref()?).ok()?,
        };
        let token = token.trim();
        let can_be_sent = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        can_be_sent.then(|| token.to_owned())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, cache, offline, .. } = self;
        write!(formatter, "Settings {{ {endpoint}, {}, offline: {offline} }}", cache.display())
    }
}

/// As the hub's library reads such variables.
fn is_true(value: Option<OsString>) -> bool {
    let value = value.unwrap_or_default().to_string_lossy().to_uppercase();
    matches!(value.as_str(), "1" | "ON" | "YES" | "TRUE")
}
