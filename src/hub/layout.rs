//! The hub's cache, as its Python library lays it out: `models--OWNER--NAME/blobs/TAG`, `snapshots/COMMIT/PATH` as links
//! to them, `refs/REVISION` with the commit, and `.locks/models--OWNER--NAME/TAG.lock`.
//!
//! Where links are not allowed, as on most Windows systems, the file itself goes into the snapshot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::HubError;
use super::names::RepositoryName;
use super::order::Order;
use super::settings::Settings;
use crate::whole_file;

/// The tag of folders that need no backup (<https://bford.info/cachedir/>).
const CACHE_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This file is a cache directory tag created by huggingface_hub.\n\
    # For information about cache directory tags, see:\n\
    #\thttps://bford.info/cachedir/\n";

/// A repository's part of the cache.
pub(super) struct Layout {
    cache: PathBuf,
    folder: String,
    links: bool,
}

impl Layout {
    pub(super) fn new(settings: &Settings, repository: &RepositoryName) -> Self {
        Self { cache: settings.cache.clone(), folder: repository.folder(), links: settings.links }
    }

    fn root(&self) -> PathBuf {
        self.cache.join(&self.folder)
    }

    /// The file of a tag.
    pub(super) fn blob(&self, tag: &str) -> PathBuf {
        self.root().join("blobs").join(tag)
    }

    /// What came of it so far.
    pub(super) fn incomplete(&self, tag: &str) -> PathBuf {
        self.root().join("blobs").join(format!("{tag}.incomplete"))
    }

    /// Its lock.
    pub(super) fn lock(&self, tag: &str) -> PathBuf {
        self.cache.join(".locks").join(&self.folder).join(format!("{tag}.lock"))
    }

    /// Where a file of a commit is.
    pub(super) fn pointer(&self, commit: &str, path: &str) -> PathBuf {
        path.split('/').fold(self.snapshot(commit), |folder, part| folder.join(part))
    }

    fn snapshot(&self, commit: &str) -> PathBuf {
        self.root().join("snapshots").join(commit)
    }

    /// What to open of an order that is here.
    pub(super) fn opened(&self, order: &Order) -> PathBuf {
        let snapshot = || self.snapshot(&order.commit);
        order.opens.as_ref().map_or_else(snapshot, |path| self.pointer(&order.commit, path))
    }

    /// Makes the folders, tags the cache, and notes which commit a revision is.
    pub(super) fn prepare(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        let blobs = self.root().join("blobs");
        fs::create_dir_all(&blobs).map_err(HubError::file(&blobs))?;
        let tag = self.cache.join("CACHEDIR.TAG");
        if !tag.exists()
            && let Err(error) = fs::write(&tag, CACHE_TAG)
        {
            log::debug!("{}: {error}", tag.display());
        }
        if revision == commit {
            return Ok(());
        }
        let file = revision.split('/').fold(self.root().join("refs"), |folder, part| folder.join(part));
        if fs::read_to_string(&file).is_ok_and(|known| known == commit) {
            return Ok(());
        }
        let written = file
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| whole_file::write(&file, |out| io::Write::write_all(out, commit.as_bytes())));
        written.map_err(HubError::file(&file))
    }

    /// Puts a file that is here into a commit's snapshot. Without links one that just came is moved there, and one that
    /// was there before, which something else may need, is copied.
    pub(super) fn point(&self, tag: &str, commit: &str, path: &str, is_new: bool) -> Result<(), HubError> {
        let (blob, pointer) = (self.blob(tag), self.pointer(commit, path));
        let folder = pointer.parent().unwrap_or(&self.cache);
        fs::create_dir_all(folder).map_err(HubError::file(folder))?;
        // A link that leads nowhere.
        let _ = fs::remove_file(&pointer);
        let up: PathBuf = std::iter::repeat_n("..", path.split('/').count() + 1).collect();
        if self.links && link(&up.join("blobs").join(tag), &pointer).is_ok() {
            return Ok(());
        }
        let put = if is_new { fs::rename(&blob, &pointer) } else { copy(&blob, &pointer) };
        put.map_err(HubError::file(&pointer))
    }
}

/// Copies a file so that half of it is never seen.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = fs::File::open(from)?;
    whole_file::write(to, |out| io::copy(&mut from, out).map(drop))
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(to, at)
}

#[cfg(not(any(unix, windows)))]
fn link(_to: &Path, _at: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
