//! A server with one large file, and an empty cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use logitscope::hub::{Client, HubError, Order, Patience, RepositoryName, Settings};
use tempfile::TempDir;

use super::hub_server::{At, COMMIT, HubServer, noise, sha256};

pub const REPOSITORY: &str = "owner/tale-GGUF";
pub const FILE: &str = "tale-Q8_0.gguf";
pub const SIZE: usize = 300_000;

/// A server with one large file, and an empty cache.
pub struct Scene {
    pub server: HubServer,
    pub cache: TempDir,
    pub bytes: Vec<u8>,
}

impl Scene {
    pub fn new() -> Self {
        let scene =
            Self { server: HubServer::start(), cache: tempfile::tempdir().unwrap(), bytes: noise(SIZE, 1) };
        scene.server.put_large(REPOSITORY, FILE, scene.bytes.clone());
        scene
    }

    pub fn settings(&self) -> Settings {
        let mut settings = Settings::new(self.server.endpoint(), self.cache.path().to_owned());
        settings.proxies = false;
        settings.patience = Patience {
            attempts: 4,
            first_wait: Duration::from_millis(10),
            longest_wait: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            silence: Duration::from_millis(700),
            ..settings.patience
        };
        settings
    }

    pub fn client(&self) -> Client {
        Client::new(self.settings()).unwrap()
    }

    /// The order of the repository's only model.
    pub fn order(&self) -> Order {
        let repository = self.client().repository(&name(REPOSITORY), "main").unwrap();
        repository.order(&repository.offers[0])
    }

    pub fn get(&self) -> Result<PathBuf, HubError> {
        let order = self.order();
        self.client().download(&order, &mut |_| {})
    }

    pub fn folder(&self) -> PathBuf {
        self.cache.path().join("models--owner--tale-GGUF")
    }

    pub fn blob(&self) -> PathBuf {
        self.folder().join("blobs").join(sha256(&self.bytes))
    }

    pub fn incomplete(&self) -> PathBuf {
        self.blob().with_extension("incomplete")
    }

    /// What was asked of the server with the files: the parts, and the tags that they depend on.
    pub fn parts(&self) -> Vec<(Option<String>, Option<String>)> {
        let part = |seen: super::hub_server::Seen| {
            (seen.headers.get("range").cloned(), seen.headers.get("if-range").cloned())
        };
        self.server.seen(At::Files).into_iter().map(part).collect()
    }

    /// That the file is here, whole, and nothing else is left.
    pub fn assert_whole(&self, path: &Path) {
        assert_eq!(fs::read(path).unwrap(), self.bytes);
        assert_eq!(path, self.folder().join("snapshots").join(COMMIT).join(FILE));
        assert!(self.blob().is_file() && !self.incomplete().exists());
    }
}

pub fn name(text: &str) -> RepositoryName {
    RepositoryName::parse(text).unwrap()
}
