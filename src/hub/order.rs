//! What is to be downloaded: the files of one model, at one commit.

use serde::{Deserialize, Serialize};

use super::names::RepositoryName;

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Its path there.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// The tag by which the cache names it, as far as the list of files tells.
    #[serde(default)]
    pub tag: Option<String>,
}

/// What is to be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Of which repository.
    pub repository: RepositoryName,
    /// The branch, tag or commit that was asked for.
    pub revision: String,
    /// The commit that it was then.
    pub commit: String,
    /// The files, in the order in which they come.
    pub files: Vec<RemoteFile>,
    /// The file to open; `None` for the folder of all.
    pub opens: Option<String>,
}

impl Order {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Its name for people: as the list of models on this computer has it.
    pub fn name(&self) -> String {
        crate::library::hub_model_name(self.repository.as_str(), self.opens.as_deref())
    }
}
