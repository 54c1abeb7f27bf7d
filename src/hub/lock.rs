//! The locks of the hub's cache: of two programs, or two threads, one writes a file and the other waits for it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::error::HubError;
use crate::http::Stop;

/// How often a lock that is held is tried.
const PACE: Duration = Duration::from_millis(200);

/// A lock that is held until this goes.
pub(super) struct Lock {
    /// Closing it gives the lock back. `None` on file systems without locks.
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock; `waiting` hears when another has it.
    pub(super) fn take(path: &Path, stop: &Stop, waiting: &mut dyn FnMut()) -> Result<Self, HubError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(HubError::file(folder))?;
        }
        loop {
            let file = open(path).map_err(HubError::file(path))?;
            match file.try_lock() {
                // Whoever had it before may have deleted the file: then this lock is nobody else's.
                Ok(()) if is_at(&file, path) => return Ok(Self { _file: Some(file) }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    waiting();
                    stop.wait(PACE)?;
                }
                Err(TryLockError::Error(error)) => {
                    log::debug!("{} cannot be locked: {error}", path.display());
                    return Ok(Self { _file: None });
                }
            }
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // So that others of the group can take it as well.
        options.mode(0o664);
    }
    options.open(path)
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(held), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}
