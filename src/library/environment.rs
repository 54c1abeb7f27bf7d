//! What the system tells of the user's folders: the home folder, and variables that name others.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::user_folders::{System, UserFolders};

/// The variables that are read.
const VARIABLES: [&str; 12] = [
    "APPDATA",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "JAN_DATA_FOLDER",
    "LLAMA_CACHE",
    "LOCALAPPDATA",
    "OLLAMA_MODELS",
    "USERPROFILE",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
];

/// What the system tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its kind.
    pub system: System,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// Variables, of those that are read here.
    pub variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// One that tells nothing, so that nothing is looked into.
    pub fn nothing() -> Self {
        Self { system: System::Linux, home: None, variables: BTreeMap::new() }
    }

    /// What this process was told.
    pub fn of_process() -> Self {
        let value = |name: &&str| Some(((*name).to_owned(), std::env::var_os(name)?));
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        Self { system: System::here(), home, variables: VARIABLES.iter().filter_map(value).collect() }
    }

    /// The folder that a variable names; none where it is empty. `~` is the home folder.
    pub(super) fn folder(&self, variable: &str) -> Option<PathBuf> {
        let value = self.variables.get(variable).filter(|value| !value.is_empty())?;
        Some(self.expanded(PathBuf::from(value)))
    }

    /// A path with the home folder in place of `~`.
    pub(super) fn expanded(&self, path: PathBuf) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path,
        }
    }

    /// A folder below the home folder.
    pub(super) fn at_home(&self, below: &str) -> Option<PathBuf> {
        Some(self.home.as_ref()?.join(below))
    }

    /// Where programs keep the user's files.
    pub(super) fn folders(&self) -> UserFolders {
        UserFolders::of(self.system, self.home.as_deref(), |name| self.variables.get(name).cloned())
    }

    /// A path as people write it: with `~` for the home folder.
    pub fn short(&self, path: &std::path::Path) -> String {
        let inside = self.home.as_ref().and_then(|home| path.strip_prefix(home).ok());
        match inside {
            Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
            Some(rest) => format!("~{}{}", std::path::MAIN_SEPARATOR, rest.display()),
            None => path.display().to_string(),
        }
    }
}
