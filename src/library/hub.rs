//! The cache of Hugging Face: `models--OWNER--NAME/snapshots/REVISION/…`, whose files are links to `blobs/`, or, on
//! systems without links, the files themselves; `refs/main` names the newest revision.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A model's folder in the cache.
pub(super) struct Repository {
    /// `OWNER/NAME`.
    pub name: String,
    folder: PathBuf,
}

/// What a folder of the cache is by its name, if it is a model's.
pub(super) fn repository(name: &str, folder: &Path) -> Option<Repository> {
    let rest = name.strip_prefix("models--").filter(|rest| !rest.is_empty())?;
    let is_one = folder.join("snapshots").is_dir();
    is_one.then(|| Repository { name: rest.replace("--", "/"), folder: folder.to_owned() })
}

/// Whether a folder of the cache holds something else than models.
pub(super) fn is_other(name: &str) -> bool {
    ["models--", "datasets--", "spaces--"].iter().any(|kind| name.starts_with(kind))
}

impl Repository {
    /// The snapshots: first the one that `refs/main` names, then the others, the newest first.
    pub(super) fn snapshots(&self) -> Vec<PathBuf> {
        let all = self.folder.join("snapshots");
        let main = self.folder.join("refs/main");
        let main = main.is_file().then(|| fs::read_to_string(main).ok()).flatten().unwrap_or_default();
        let modified = |path: &PathBuf| fs::metadata(path).and_then(|metadata| metadata.modified());
        let folders = fs::read_dir(all).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut folders: Vec<(bool, SystemTime, PathBuf)> = folders
            .filter(|path| path.is_dir())
            .map(|path| {
                let is_main = path.file_name().is_some_and(|name| name == main.trim());
                (is_main, modified(&path).unwrap_or(SystemTime::UNIX_EPOCH), path)
            })
            .collect();
        folders.sort_by(|one, other| other.cmp(one));
        folders.into_iter().map(|(.., path)| path).collect()
    }
}
